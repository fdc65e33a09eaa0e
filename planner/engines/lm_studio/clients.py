"""LM Studio's server as its clients see it (lmstudio.ai/docs/developer, 0.4.1)."""

from __future__ import annotations

from planner.engines.endpoint import Api, Endpoint, is_said_able
from planner.engines.lm_studio.command import identifier
from planner.models.model import Model
from planner.plan import Plan


def endpoint(plan: Plan, model: Model, apis: frozenset[Api]) -> Endpoint:
    """Return the identifier under which the model is loaded."""
    return Endpoint(identifier(model), apis, calls_tools=is_said_able(model, "tools"))
