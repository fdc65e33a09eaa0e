"""vLLM: memory, settings and longest context by the engine's own rules (0.33.0).

The engine takes a fixed share of each GPU (`gpu_memory_utilization`) and gives everything that weights,
the profiling run and CUDA graphs leave to the KV cache; whether it starts is whether one request of
`max_model_len` fits there, and how many users it serves is how many such requests fit.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from planner.engines.base import Engine
from planner.engines.vllm.architectures import vllm_traits
from planner.engines.vllm.backends import BACKENDS, LEAST_CAPABILITY
from planner.engines.vllm.deployment import Devices, deployment_of
from planner.engines.vllm.memory.storage import scheme_for
from planner.engines.vllm.memory.weights import WeightTable, resolve
from planner.engines.vllm.outcome import Outcome, evaluate, memory_of
from planner.engines.vllm.reasons import warnings, why
from planner.engines.vllm.refusals import class_refusal, gpu_reason, target_reason
from planner.engines.vllm.releases import RULES_VERSION
from planner.engines.vllm.search import longest_anywhere, parallel_choices, search
from planner.engines.vllm.settings import SETTINGS, VllmSettings
from planner.errors import PlannerError, UnsupportedError
from planner.fast_dataclass import replace
from planner.hardware.machine import Accelerator, Backend, Machine
from planner.models.model import Model
from planner.plan import MemoryEstimate, Placement, Plan, PlanRequest
from planner.quant.quantisations import checkpoints
from planner.reason import Reason, ReasonKind, Value

_DEFAULTS: Final = VllmSettings()


class Vllm(Engine):
    """The engine as the rest of the planner sees it (planner.engines.base.Engine)."""

    name = "vllm"
    settings = SETTINGS
    rules_version = RULES_VERSION

    def supports(self, model: Model, quant: str, machine: Machine) -> Reason | None:
        """None where vLLM can run this model in this format on this machine; else why not."""
        why_not = _unsupported(model, quant, machine)
        return None if why_not is None else Reason(ReasonKind.NOT_SUPPORTED, why_not)

    def machine_refusal(self, machine: Machine) -> Reason | None:
        """None where vLLM's releases run on this system and drive one of its GPUs, or it has none; else why not."""
        why_not = _machine_refusal(machine)
        return None if why_not is None else Reason(ReasonKind.NOT_SUPPORTED, why_not)

    def quants(self, model: Model) -> tuple[str, ...]:
        """The checkpoint's own format; for a 16-bit one also what vLLM makes while it loads."""
        arch = model.architecture
        if class_refusal(arch) is not None:
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
        return _memory(self.outcome(request), deployment_of(request).devices)

    def outcome(self, request: PlanRequest) -> Outcome:
        """Everything that is known about one set of settings (tokens, concurrency, why it won't start)."""
        deployment = deployment_of(request)
        arch, gpu = deployment.arch, deployment.devices.gpu
        deployment.check(resolve(arch, deployment.settings, gpu))
        table = WeightTable(arch, deployment.scheme, gpu)
        return evaluate(table, deployment.settings, deployment.devices.free)

    def plan(self, request: PlanRequest) -> Plan:
        """The best legal settings for the context and the users, or what fails first and by how much."""
        unsupported = self.supports(request.model, request.quant, request.machine)
        if unsupported is not None:
            raise UnsupportedError(unsupported)
        deployment = deployment_of(request)
        devices = deployment.devices
        deployment.check(deployment.settings)
        found = search(deployment)
        if found is None:
            text = f"no way to split this model over {devices.count} × {devices.gpu.name} is legal"
            figures: dict[str, Value] = {"gpus": devices.count, "gpu": devices.gpu.name}
            raise UnsupportedError(Reason(ReasonKind.NOT_SUPPORTED, text, figures))
        outcome = found.outcome
        longest = 0
        if outcome.starts_shorter:
            longest = outcome.longest(deployment.arch.n_ctx_train, found.demand, safe=True)
        longest = max(longest, longest_anywhere(deployment))
        memory = _memory(outcome, devices)
        found = replace(found, fits=found.fits and memory.fits)
        return Plan(
            request=request,
            model=request.model.id,
            quant=deployment.scheme.name,
            engine=self.name,
            backend=devices.gpu.backend,
            fits=found.fits,
            placement=_placement(devices, outcome),
            settings=shown(found.chosen, outcome.settings),
            memory=memory,
            max_context=longest,
            max_concurrency=outcome.served,
            why=why(deployment, found, memory),
            warnings=warnings(deployment, found),
            source=None,
            machine=request.machine.name,
            env=_environment(devices, outcome),
        )

    def longest_context(self, request: PlanRequest) -> int:
        """Longest context for the workload's users over every legal split and every step of the search."""
        open_length = replace(
            request,
            workload=replace(request.workload, context=None),
            settings={k: v for k, v in request.settings.items() if k != "max_model_len"},
        )
        deployment = deployment_of(open_length)
        if self.supports(request.model, request.quant, request.machine) is not None:
            return 0
        found = search(deployment)
        here = 0
        if found is not None and found.fits:
            here = found.outcome.longest(deployment.arch.n_ctx_train, found.demand, safe=True)
        return max(here, longest_anywhere(deployment))


def _unsupported(model: Model, quant: str, machine: Machine) -> str | None:
    reason = class_refusal(model.architecture) or _machine_refusal(machine)
    if reason is not None:
        return reason
    if vllm_traits(model.architecture).speech:
        return "what vLLM keeps of a sound is not planned here"
    try:
        deployment = deployment_of(PlanRequest(model, quant, machine))
    except PlannerError as error:
        return str(error)
    reason = gpu_reason(deployment.scheme, deployment.devices.gpu)
    if reason is not None:
        return reason
    single = deployment.refusal(VllmSettings())
    return single if single and not parallel_choices(deployment) else None


def _machine_refusal(machine: Machine) -> str | None:
    if machine.host.os in ("windows", "macos"):
        return f"vLLM doesn't run on {machine.host.os}"
    undriven = [reason for reason in map(_undriven, machine.accelerators) if reason]
    return undriven[0] if undriven and len(undriven) == len(machine.accelerators) else None


def _undriven(accelerator: Accelerator) -> str | None:
    """Return why vLLM's releases can't use a GPU, None where they do (docs/getting_started/installation, 0.33.0)."""
    name, sm = accelerator.name, accelerator.sm
    if (unknown := target_reason(name, accelerator.gfx_target)) is not None:
        return unknown
    if accelerator.backend not in BACKENDS:
        return f"vLLM's own releases don't drive {name} ({accelerator.backend.value})"
    if sm is not None and sm < LEAST_CAPABILITY:
        return f"vLLM needs compute capability {LEAST_CAPABILITY / 10}, {name} has {sm / 10}"
    return None


def _placement(devices: Devices, outcome: Outcome) -> Placement:
    if not devices.gpus:
        return Placement.CPU
    return Placement.HYBRID if max(outcome.offloaded) else Placement.GPU


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


def _environment(devices: Devices, outcome: Outcome) -> dict[str, str]:
    """Environment that the plan needs to be true."""
    if devices.gpu.backend is Backend.CPU:
        return {"VLLM_CPU_KVCACHE_SPACE": str(max(1, min(outcome.available) >> 30))}
    world = outcome.settings.world_size * outcome.settings.data_parallel_size
    mixed = world < devices.count
    if mixed or len(devices.gpus) != devices.count:
        return {"CUDA_VISIBLE_DEVICES": ",".join(str(g.index) for g in devices.gpus[:world])}
    return {}
