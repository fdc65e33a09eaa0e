"""Put a plan's figures beside what an engine or a server said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from planner.engines.allocated import Allocated
from planner.engines.running import Running
from planner.plan import DeviceMemory, MemoryEstimate, Plan
from planner.verify.comparison import Part

EXACT: Final = 1e-4  # what the engine computes from shapes alone; its log rounds to MiB
NEAR: Final = 0.05  # compute buffers, which change from build to build


def compare_allocation(estimate: MemoryEstimate, devices: Sequence[Allocated]) -> tuple[Part, ...]:
    """Compare per device: weights, caches with state, compute buffers. Devices are in the engine's order."""
    gpus = [d for d in estimate.devices if d.kind == "gpu"]
    host = [d for d in estimate.devices if d.kind != "gpu"]
    parts: list[Part] = []
    for device, said in zip(gpus, (d for d in devices if d.own_memory), strict=False):
        parts += _parts([device], said)
    for said in devices:
        if host and not said.own_memory:
            parts += _parts(host, said)
    return tuple(parts)


def compare_server(plan: Plan, running: Running) -> tuple[Part, ...]:
    """Compare what a server tells with a plan made for the same settings; what it doesn't tell is left out.

    Ollama's sizes are those of buffers; a process's GPU memory holds contexts and libraries too, for which
    the plan states an interval.
    """
    gpus = [d for d in plan.memory.devices if d.kind == "gpu"]
    buffers = sum(d.total - d.overhead for d in gpus)
    parts: list[Part] = []
    if running.total is not None:
        everything = sum(d.total - d.overhead for d in plan.memory.devices)
        parts.append(Part("all", "total", "bytes", everything, running.total))
        parts.append(Part("gpu", "of it on GPUs", "bytes", buffers, running.vram or 0))
    if running.process_vram:
        margin = sum(max(d.overhead_high - d.overhead, 0) for d in gpus)
        total = sum(d.total for d in gpus)
        parts.append(Part("gpu", "total", "bytes", total, running.process_vram, margin))
    if running.kv_tokens and running.context:
        tokens = round(plan.max_concurrency * running.context)
        parts.append(Part("gpu", "KV cache", "tokens", tokens, running.kv_tokens))
    return tuple(parts)


def _parts(devices: list[DeviceMemory], said: Allocated) -> list[Part]:
    predicted = (
        ("weights", sum(d.weights for d in devices), said.weights, EXACT),
        ("caches and state", sum(d.kv_cache + d.state for d in devices), said.caches, EXACT),
        ("compute buffers", sum(d.compute for d in devices), said.compute, NEAR),
    )
    return [
        Part(said.device, what, "bytes", ours, theirs, tolerance=within)
        for what, ours, theirs, within in predicted
    ]
