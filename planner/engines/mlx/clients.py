"""mlx_lm.server as its clients see it (mlx-lm 0.32.2, server.py)."""

from __future__ import annotations

from planner.engines.endpoint import Api, Endpoint, is_said_able, word_after
from planner.engines.launch import first_command
from planner.engines.mlx.command import mlx_lm
from planner.models.model import Model
from planner.plan import Plan


def endpoint(plan: Plan, model: Model, apis: frozenset[Api]) -> Endpoint:
    """Return the model's folder or repository: by another name the server would fetch and load that one."""
    name = word_after(first_command(mlx_lm(plan, model)), "--model") or model.id
    return Endpoint(name, apis, calls_tools=is_said_able(model, "tools"))
