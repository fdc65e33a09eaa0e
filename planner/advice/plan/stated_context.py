"""How far a context is worth advising, where the vendor states less than the model's configuration says.

MiniMax-M1 was made for a million tokens; its config.json says ten million, and that is what engines read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from planner.fast_dataclass import replace
from planner.models.architecture import Architecture
from planner.models.model import Model
from planner.plan import Plan, Workload
from planner.units import context_text

# The engines' own names of the context.
_CONTEXT_SETTINGS: Final = frozenset({"n_ctx", "num_ctx", "max_model_len"})
_PADDING: Final = 256  # tokens; llama.cpp rounds a context up to a multiple of it


def advised_shape(model: Model, workload: Workload, overrides: Mapping[str, Any]) -> Architecture:
    """Return the shape with the longest context worth advising, where the engine is left to choose one.

    Whoever names a context, or a longer one than the vendor states, gets what the engine makes of the
    configuration: llama.cpp's own default is the header's context_length, vLLM's max_position_embeddings.
    """
    arch, limit = model.architecture, model.usable_context
    if limit >= arch.n_ctx_train or (workload.context or 0) > limit or _CONTEXT_SETTINGS & overrides.keys():
        return arch
    return replace(arch, n_ctx_train=limit)


def without_context(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without those that fix the context."""
    return {name: value for name, value in overrides.items() if name not in _CONTEXT_SETTINGS}


def within_stated(plan: Plan, model: Model, workload: Workload) -> Plan:
    """Return the plan with its longest context cut to what the vendor states, and a warning beyond that."""
    limit, configured = model.usable_context, model.architecture.n_ctx_train
    if limit >= configured:
        return plan
    warnings = plan.warnings
    each = workload.context or planned_context(plan)
    if each >= limit + _PADDING:
        warnings = (
            *warnings,
            f"{context_text(each)} is beyond the {context_text(limit)} that the vendor states, though the "
            f"model's configuration goes on to {context_text(configured)}.",
        )
    return replace(plan, max_context=min(plan.max_context, limit), warnings=warnings)


def planned_context(plan: Plan) -> int:
    """Tokens that the plan's settings give each sequence."""
    settings = plan.settings
    tokens = next((int(settings[name]) for name in _CONTEXT_SETTINGS & settings.keys() if settings[name]), 0)
    shared = settings.get("kv_unified") or "n_ctx" not in settings
    return tokens if shared else tokens // max(int(settings.get("n_parallel") or 1), 1)
