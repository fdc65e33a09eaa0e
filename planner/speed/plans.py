"""From a Plan to its speed: the engine's settings become shares of the weights per device and a split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from planner.hardware.machine import Accelerator, Machine
from planner.plan import Placement, Plan, SpeedEstimate
from planner.speed.estimate import estimate
from planner.speed.job import Job, Traffic
from planner.speed.situation import Situation, device_of, host_of
from planner.speed.weights import weight_bits
from planner.speed.work import ModelWork, WeightBits, model_work

_CACHE_BYTES: Final = {
    "f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 1.0625, "q5_1": 0.75, "q5_0": 0.6875, "q4_1": 0.625,
    "q4_0": 0.5625, "iq4_nl": 0.5625,
}  # fmt: skip


def estimate_plan(plan: Plan, depth: int | None = None) -> SpeedEstimate:
    """How fast a plan runs.

    `depth`: tokens in the cache while decoding; None: in the middle of the workload's answer. All rates in
    tokens/s, times in seconds.
    """
    arch, workload = plan.request.arch, plan.request.workload
    work = model_work(arch)
    at = workload.prompt + workload.output // 2 if depth is None else depth
    traffic = Traffic(
        depth=max(0, at),
        prompt=workload.prompt,
        output=workload.output,
        users=workload.users,
        drafted=int(plan.settings.get("num_speculative_tokens") or 0),
    )
    return estimate(Job(work, plan_bits(plan, work), situation_of(plan, work)), traffic)


def plan_bits(plan: Plan, work: ModelWork) -> WeightBits:
    """Stored bits of the weights, from the quantisation's name and the bytes that the plan counts."""
    stored = sum(d.weights for d in plan.memory.devices)
    own = plan.request.arch.quantization or {}
    native = "mxfp4" if own.get("quant_method") == "mxfp4" else ""
    if plan.engine == "vllm" and plan.quant == "FP8" and own.get("expert_dtype") == "fp4":
        native = "fp4 experts"
    shared = plan.engine == "vllm" and _together(plan.settings)
    try:
        return weight_bits(plan.quant, work, None if shared else stored or None, native=native)
    except KeyError:
        bits = 8.0 * stored / max(1, work.parameters) or 16.0
        return WeightBits(bits, bits, bits)


def _together(settings: Mapping[str, Any]) -> bool:
    """True where all GPUs read their part of a layer at once: tensor parallel, or experts over data parallel ranks.

    With the latter attention's few weights are read by every rank, which the estimate leaves out.
    """
    spread = settings.get("enable_expert_parallel") and int(settings.get("data_parallel_size", 1)) > 1
    return bool(spread) or int(settings.get("tensor_parallel_size", 1)) > 1


def situation_of(plan: Plan, work: ModelWork) -> Situation:
    """Devices, shares and engine of a plan."""
    settings, machine = plan.settings, plan.request.machine
    host = host_of(machine.host.cpu)
    if plan.placement is Placement.CPU or not machine.accelerators:
        return Situation(
            host=host,
            engine=plan.engine,
            ubatch=int(settings.get("n_ubatch", 512)),
            threads=int(settings["threads"]) if settings.get("threads") else None,
        )
    used = _used(plan, machine)
    devices = tuple(device_of(a) for a in used)
    if plan.engine == "vllm":
        kind = str(settings.get("kv_cache_dtype", "auto"))
        return Situation(
            devices=devices,
            host=host,
            engine="vllm",
            mode="tensor" if _together(settings) else "layer",
            kv_bytes=1.0 if kind.startswith("fp8") else 2.0,
            flash_attention=None,
            ubatch=int(settings.get("max_num_batched_tokens", 2048)),
        )
    weights = [d.weights for d in plan.memory.devices if d.kind == "gpu"]
    total = sum(weights)
    shares = tuple(w / total for w in weights) if total and len(weights) == len(devices) else ()
    dense, experts, cache = _on_devices(plan, settings, work)
    types = (str(settings.get("cache_type_k", "f16")), str(settings.get("cache_type_v", "f16")))
    return Situation(
        devices=devices,
        shares=shares,
        host=host,
        engine=plan.engine,
        mode="row" if settings.get("split_mode") == "row" else "layer",
        gpu_dense=dense,
        gpu_experts=experts,
        gpu_kv=cache,
        kv_bytes=sum(_CACHE_BYTES.get(t, 2.0) for t in types) / 2,
        flash_attention=settings.get("flash_attn") != "off",
        ubatch=int(settings.get("n_ubatch", 512)),
        op_offload=bool(settings.get("op_offload", True)),
        drafts=settings.get("spec_type", "none") != "none",
        together=settings.get("split_mode") == "tensor",
    )


def _used(plan: Plan, machine: Machine) -> tuple[Accelerator, ...]:
    count = sum(1 for d in plan.memory.devices if d.kind == "gpu" and d.weights > 0)
    every = machine.accelerators
    named = [d.name for d in plan.memory.devices if d.kind == "gpu" and d.weights > 0]
    if len(every) > count > 0 and named:
        chosen = [a for a in every if a.name in named]
        if len(chosen) >= count:
            return tuple(chosen[:count])
    return every[: max(1, count)]


def _on_devices(plan: Plan, settings: Mapping[str, Any], work: ModelWork) -> tuple[float, float, float]:
    """Shares of the dense weights, the routed experts and the cache that lie on the devices."""
    layers = float(settings.get("n_gpu_layers", 999))
    dense = 1.0 if layers > work.n_layer else layers / (work.n_layer + 1)
    experts = dense
    if settings.get("cpu_moe"):
        experts = 0.0
    elif settings.get("n_cpu_moe") and work.n_moe:
        experts = max(0.0, dense - float(settings["n_cpu_moe"]) / work.n_layer)
    elif settings.get("override_tensor") and work.experts:
        host = sum(d.weights for d in plan.memory.devices if d.kind == "cpu")
        total = sum(d.weights for d in plan.memory.devices)
        experts = max(0.0, 1.0 - host / max(1.0, total))
    cache = dense if settings.get("kv_offload", True) else 0.0
    return dense, experts, cache
