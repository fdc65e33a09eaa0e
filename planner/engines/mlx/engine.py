"""MLX: what mlx-lm holds on a Mac, and the settings that keep it within what Metal lets the GPU use (0.32.2).

mlx-lm takes memory as it goes: there is no option for a context. The plan says up to which one every user has room,
and bounds what would grow beyond it: the requests that run together and the prompts that the server remembers.
"""

from __future__ import annotations

from typing import Any, Final

from planner.engines.base import Engine
from planner.engines.mlx.architectures import mlx_traits
from planner.engines.mlx.formats import MADE, NATIVE_MXFP4, OF_MXFP4, native_method
from planner.engines.mlx.memory import RULES_VERSION, Case, case_of
from planner.engines.mlx.reasons import warnings, why
from planner.engines.mlx.settings import DEFAULT_STEP, SETTINGS, MlxSettings
from planner.errors import PlannerError, RefusedError, UnsupportedError
from planner.fast_dataclass import replace
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.plan import MemoryEstimate, Placement, Plan, PlanRequest
from planner.reason import Reason, ReasonKind

_DEFAULTS: Final = MlxSettings()
_STEPS: Final = (DEFAULT_STEP, 1024, 512, 256)  # tokens of a chunk, in the order that they are tried
SMALLEST: Final = 4096  # tokens for which memory is shown where nothing was asked for and nothing fits
_SHOWN: Final = ("prefill_step_size", "max_kv_size", "kv_bits", "kv_group_size", "quantized_kv_start")


class Mlx(Engine):
    """The engine as the rest of the planner sees it (planner.engines.base.Engine)."""

    name = "mlx"
    settings = SETTINGS
    rules_version = RULES_VERSION

    def supports(self, model: Model, quant: str, machine: Machine) -> Reason | None:
        """None where mlx-lm has a class for this model and a format of this name, on a Mac; else why not."""
        try:
            if model.tensors is not None:
                raise UnsupportedError("mlx-lm loads no GGUF file; make one of its own with mlx_lm.convert")
            case_of(PlanRequest(model, quant, machine)).kept(1)
        except UnsupportedError as error:
            if error.args and isinstance(error.args[0], Reason):
                return error.args[0]
            return Reason(ReasonKind.NOT_SUPPORTED, str(error))
        except PlannerError as error:
            return Reason(ReasonKind.NOT_SUPPORTED, str(error), {"quant": quant})
        return None

    def quants(self, model: Model) -> tuple[str, ...]:
        """What mlx_lm.convert makes of a model, largest first; of one trained in MXFP4 what keeps that."""
        arch = model.architecture
        if mlx_traits(arch) is None:
            return ()
        if native_method(arch) == NATIVE_MXFP4:
            return OF_MXFP4
        return MADE

    def estimate(self, request: PlanRequest) -> MemoryEstimate:
        """What the GPU holds with exactly these settings, every user at the context that was asked for."""
        case = case_of(request)
        return case.memory(_tokens(request, case) or min(case.arch.n_ctx_train, SMALLEST))

    def plan(self, request: PlanRequest) -> Plan:
        """The longest context that fits, or what was asked for, with a narrower cache where only that fits."""
        unsupported = self.supports(request.model, request.quant, request.machine)
        if unsupported is not None:
            raise UnsupportedError(unsupported)
        case = case_of(request)
        wanted = _tokens(request, case)
        longest = _smallest_steps(request, case).longest(case.arch.n_ctx_train)
        need = request.context_need
        tokens = wanted or min(longest, need.most) or min(case.arch.n_ctx_train, SMALLEST)
        case = _in_smaller_steps(request, case, tokens)
        if wanted is not None and not case.memory(wanted).fits:
            case = _narrower(request, case, wanted)
            longest = max(longest, case.longest(case.arch.n_ctx_train))
        memory = case.memory(tokens)
        return Plan(
            request=request,
            model=request.model.id,
            quant=case.kind.name,
            engine=self.name,
            backend=case.gpu.backend,
            fits=memory.fits,
            placement=Placement.GPU,
            settings=_chosen(case, tokens, memory),
            memory=memory,
            max_context=longest,
            max_concurrency=case.served(tokens) if memory.fits else 0.0,
            why=why(request, case, memory, tokens),
            warnings=warnings(request, case),
            machine=request.machine.name,
        )

    def longest_context(self, request: PlanRequest) -> int:
        """Longest context a sequence, for the workload's users; 0 where nothing fits."""
        if self.supports(request.model, request.quant, request.machine) is not None:
            return 0
        case = _smallest_steps(request, case_of(request))
        return case.longest(case.arch.n_ctx_train)


def _tokens(request: PlanRequest, case: Case) -> int | None:
    """Tokens of a sequence that were asked for: of the settings, else of the workload; None: the planner's choice."""
    return case.settings.context or request.workload.context


def _in_smaller_steps(request: PlanRequest, case: Case, tokens: int) -> Case:
    """The same with prompts in the largest chunks that leave room for so many tokens, in the smallest where none do.

    Chunks of 512 read as fast as those of 2,048 (PR 1781 of mlx-lm: 439 and 432 tokens/s of Qwen3.8-27B) and take
    11 GB less there.
    """
    if "prefill_step_size" in request.settings:
        return case
    for step in _STEPS:
        case = case.in_steps(step)
        if case.memory(tokens).fits:
            break
    return case


def _smallest_steps(request: PlanRequest, case: Case) -> Case:
    return case if "prefill_step_size" in request.settings else case.in_steps(_STEPS[-1])


def _narrower(request: PlanRequest, case: Case, tokens: int) -> Case:
    """The same with keys and values in eight bits, where mlx-lm can and that makes it fit; else as it is."""
    if "kv_bits" in request.settings or case.settings.max_kv_size is not None or case.users > 1:
        return case
    try:
        other = case_of(replace(request, settings={**request.settings, "kv_bits": 8}))
    except RefusedError:
        return case
    other = _in_smaller_steps(request, other, tokens)
    return other if other.memory(tokens).fits else case


def _chosen(case: Case, tokens: int, memory: MemoryEstimate) -> dict[str, Any]:
    """Settings of the plan: what differs from mlx-lm's defaults, and what keeps the promise."""
    settings = case.settings
    said = {n: getattr(settings, n) for n in _SHOWN if getattr(settings, n) != getattr(_DEFAULTS, n)}
    if settings.draft_model is not None:
        said |= {"draft_model": settings.draft_model, "num_draft_tokens": settings.num_draft_tokens}
    device = memory.devices[0]
    # What the server remembers and what it works on share this (server.py: trim_to(total - active)).
    room = device.available - device.weights - device.compute - device.overhead_high
    said["context"] = tokens
    said["decode_concurrency"] = case.users
    said["prompt_concurrency"] = case.at_once
    said["prompt_cache_size"] = settings.prompt_cache_size
    said["prompt_cache_bytes"] = (
        max(room, 0) if settings.prompt_cache_bytes is None else settings.prompt_cache_bytes
    )
    return said
