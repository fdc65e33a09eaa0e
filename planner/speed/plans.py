"""From a Plan to its speed: what its engine says of the settings, on the devices that it uses."""

from __future__ import annotations

from planner.engines.register import engine_facts
from planner.engines.work_split import WorkSplit
from planner.hardware.machine import Accelerator, Machine
from planner.plan import Interval, Placement, Plan, SpeedEstimate
from planner.quant.quantisations import find_quantisation
from planner.speed.count_work import model_work
from planner.speed.estimate import decode, estimate, prefill
from planner.speed.job import Job, Load, Traffic
from planner.speed.measured import MeasuredSpeed, nearest
from planner.speed.model_work import ModelWork, WeightBits
from planner.speed.situation import Situation, device_of, host_of
from planner.speed.weights import weight_bits


def estimate_plan(plan: Plan, depth: int | None = None) -> SpeedEstimate:
    """How fast a plan runs.

    `depth`: tokens in the cache while decoding; None: in the middle of the workload's answer. All rates in
    tokens/s, times in seconds.
    """
    arch, workload = plan.request.arch, plan.request.workload
    work = model_work(arch)
    split = engine_facts(plan.engine).work_split(plan, work.n_layer, work.n_moe)
    at = workload.prompt + workload.output // 2 if depth is None else depth
    traffic = Traffic(
        depth=max(0, at),
        prompt=workload.prompt,
        output=workload.output,
        users=workload.users,
        places=plan.max_concurrency / workload.demand.share
        if plan.fits and plan.max_concurrency >= 1
        else None,
        drafted=split.drafted,
    )
    return estimate(Job(work, plan_bits(plan, work, split), situation_of(plan, split)), traffic)


def speed_at(plan: Plan, what: str, *, tokens: int, depth: int, load: Load) -> Interval:
    """Tokens/s of a plan at one point: of a prompt of `tokens` ("prefill"), or of one stream of a load.

    `depth`: tokens in the cache in the middle of the prompt, or of the answer.
    """
    job = job_of(plan)
    if what == "prefill":
        return prefill(job, tokens, max(0, depth - tokens // 2))[0]
    return decode(job, depth, load)[0]


def job_of(plan: Plan) -> Job:
    """A plan's model where it runs."""
    work = model_work(plan.request.arch)
    split = engine_facts(plan.engine).work_split(plan, work.n_layer, work.n_moe)
    return Job(work, plan_bits(plan, work, split), situation_of(plan, split))


def measured_like(plan: Plan) -> tuple[MeasuredSpeed, ...]:
    """Published measurements on this card nearest to a plan, nearest first; empty where there are none."""
    depth = plan.speed.depth if plan.speed else 0
    return nearest(job_of(plan), depth=depth, streams=plan.request.workload.users)


def plan_bits(plan: Plan, work: ModelWork, split: WorkSplit) -> WeightBits:
    """Stored bits of the weights, from the quantisation's name and the bytes that the plan counts."""
    stored = sum(d.weights for d in plan.memory.devices)
    own = plan.request.arch.quantization or {}
    native = "mxfp4" if own.get("quant_method") == "mxfp4" else ""
    if plan.quant == "FP8" and own.get("expert_dtype") == "fp4":
        native = "fp4 experts"
    copied = split.mode == "tensor"  # some tensors are held by every rank: bytes overstate the bits
    row = find_quantisation(plan.quant)
    name = f"mlx-{plan.quant}" if row is not None and row.mlx else plan.quant
    try:
        return weight_bits(name, work, None if copied else stored or None, native=native)
    except KeyError:
        bits = 8.0 * stored / max(1, work.parameters) or 16.0
        return WeightBits(bits, bits, bits)


def situation_of(plan: Plan, split: WorkSplit) -> Situation:
    """Devices, shares and engine of a plan."""
    machine = plan.request.machine
    host = host_of(machine.host.cpu)
    if plan.placement is Placement.CPU or not machine.accelerators:
        return Situation(
            host=host, engine=plan.engine, ubatch=split.ubatch, threads=split.threads, home=machine.detected
        )
    devices = tuple(device_of(a) for a in _used(plan, machine))
    weights = [d.weights for d in plan.memory.devices if d.kind == "gpu"]
    total = sum(weights)
    shares = tuple(w / total for w in weights) if total and len(weights) == len(devices) else ()
    return Situation(
        devices=devices,
        shares=shares if split.uneven else (),
        host=host,
        engine=plan.engine,
        mode=split.mode,
        gpu_dense=split.gpu_dense,
        gpu_experts=split.gpu_experts,
        gpu_kv=split.gpu_kv,
        kv_bytes=split.kv_bytes,
        flash_attention=split.flash_attention,
        ubatch=split.ubatch,
        op_offload=split.op_offload,
        home=machine.detected and any(d.memory != "hbm" for d in devices),
        drafts=split.drafts,
        predicts=split.predicts,
        together=split.together,
        streamed=split.streamed,
        eager=split.eager,
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
