"""How far a context is worth advising, where the vendor states less than the model's configuration says.

MiniMax-M1 was made for a million tokens; its config.json says ten million, and that is what engines read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from planner.fast_dataclass import replace
from planner.plan import Plan, PlanRequest
from planner.reason import Reason, ReasonKind, Value
from planner.units import context_text

# The engines' own names of the context.
_CONTEXT_SETTINGS: Final = frozenset({"n_ctx", "num_ctx", "max_model_len", "context"})
_PADDING: Final = 256  # tokens; llama.cpp rounds a context up to a multiple of it


def advised(request: PlanRequest) -> PlanRequest:
    """Return the request for the longest context worth advising, where the engine is left to choose one.

    Whoever names a context, or a longer one than the vendor states, gets what the engine makes of the
    configuration: llama.cpp's own default is the header's context_length, vLLM's max_position_embeddings.
    """
    model, arch, limit = request.model, request.arch, request.model.usable_context
    named = (request.workload.context or 0) > limit or _CONTEXT_SETTINGS & request.settings.keys()
    if limit >= arch.n_ctx_train or named:
        return request
    return replace(request, model=replace(model, architecture=replace(arch, n_ctx_train=limit)))


def without_context(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without those that fix the context."""
    return {name: value for name, value in settings.items() if name not in _CONTEXT_SETTINGS}


def within_stated(plan: Plan, request: PlanRequest) -> Plan:
    """Return the plan with its longest context cut to what the vendor states, and a warning beyond that."""
    limit, configured = request.model.usable_context, request.arch.n_ctx_train
    if limit >= configured:
        return plan
    warnings = plan.warnings
    each = request.workload.context or planned_context(plan)
    if each >= limit + _PADDING:
        text = (
            f"{context_text(each)} is beyond the {context_text(limit)} that the vendor states, though the "
            f"model's configuration goes on to {context_text(configured)}."
        )
        figures: dict[str, Value] = {"context": each, "stated": limit, "configured": configured}
        warnings = (*warnings, Reason(ReasonKind.BEYOND_STATED_CONTEXT, text, figures))
    return replace(plan, request=request, max_context=min(plan.max_context, limit), warnings=warnings)


def is_open(request: PlanRequest) -> bool:
    """True where nobody named a context."""
    return request.workload.context is None and not _CONTEXT_SETTINGS & request.settings.keys()


def planned_context(plan: Plan) -> int:
    """Tokens that the plan's settings give each sequence."""
    settings = plan.settings
    tokens = next((int(settings[name]) for name in _CONTEXT_SETTINGS & settings.keys() if settings[name]), 0)
    if settings.get("kv_unified") and "kv_unified" not in plan.request.settings:
        return int(tokens / plan.request.workload.demand.contexts)  # one cache for all, as large as the load
    shared = settings.get("kv_unified") or "n_ctx" not in settings
    return tokens if shared else tokens // max(int(settings.get("n_parallel") or 1), 1)


def with_context(plan: Plan, tokens: int) -> dict[str, Any]:
    """Return the plan's settings with so many tokens for each sequence."""
    now = planned_context(plan)
    named = _CONTEXT_SETTINGS & plan.settings.keys()
    return {**plan.settings, **{name: int(plan.settings[name]) * tokens // now for name in named}}
