"""Put a plan's figures beside what an engine or a server said."""

from __future__ import annotations

from typing import Final

from planner.plan import DeviceMemory, MemoryEstimate, Plan
from planner.verify.comparison import Part
from planner.verify.llama_cpp_log import MIB, EngineLog
from planner.verify.running_server import Running

EXACT: Final = 1e-4  # what the engine computes from shapes alone; its log rounds to MiB
NEAR: Final = 0.05  # compute buffers, which change from build to build


def compare_log(estimate: MemoryEstimate, log: EngineLog) -> tuple[Part, ...]:
    """Compare per device: weights, caches with state, compute buffers.

    Devices are taken in the engine's order; all that lies in host memory (also repacked weights and the
    output buffer, which the engine's breakdown leaves out) is one device.
    """
    gpu_rows = [row for row in log.rows if is_device(row.device)]
    host_rows = [row for row in log.rows if not is_device(row.device)]
    gpus = [d for d in estimate.devices if d.kind == "gpu"]
    host = [d for d in estimate.devices if d.kind != "gpu"]
    parts: list[Part] = []
    for device, row in zip(gpus, gpu_rows, strict=False):
        exact = log.buffers.get((row.device, "compute"), row.compute)
        parts += _parts(row.device, [device], row.model, row.context, exact)
    if host:
        names = {name for name, what in log.buffers if what == "compute" and not is_device(name)}
        exact = sum(log.buffers[name, "compute"] for name in names)
        compute = exact or sum(r.compute for r in host_rows)
        compute += sum(size for (_, what), size in log.buffers.items() if what == "output")
        # The caches' own lines are more precise than the breakdown, where they tell of the same memory.
        context = sum(r.context for r in host_rows)
        if not gpu_rows and 0 <= log.cache - context < MIB:
            context = log.cache
        parts += _parts("host", host, sum(r.model for r in host_rows), context, compute)
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


def _parts(name: str, devices: list[DeviceMemory], weights: int, caches: int, compute: int) -> list[Part]:
    predicted = (
        ("weights", sum(d.weights for d in devices), weights, EXACT),
        ("caches and state", sum(d.kv_cache + d.state for d in devices), caches, EXACT),
        ("compute buffers", sum(d.compute for d in devices), compute, NEAR),
    )
    return [
        Part(name, what, "bytes", ours, theirs, tolerance=within) for what, ours, theirs, within in predicted
    ]


def is_device(name: str) -> bool:
    """True for memory of its own ("CUDA0", "ROCm1", "Vulkan0", "Metal"), not pinned or plain host memory."""
    return name != "Host" and not name.startswith("CPU") and not name.endswith("_Host")
