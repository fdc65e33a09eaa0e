"""Ollama as its clients see it (docs/api.md, docs/openai.md, docs/anthropic.md, 0.14)."""

from __future__ import annotations

from planner.engines.endpoint import Api, Endpoint, is_said_able
from planner.engines.launch import first_command
from planner.engines.ollama.command import ollama
from planner.models.model import Model
from planner.plan import Plan


def endpoint(plan: Plan, model: Model, apis: frozenset[Api]) -> Endpoint:
    """Return the name of the tag that is run, or that its Modelfile makes; the template in it calls tools."""
    name = first_command(ollama(plan, model))[-1]
    return Endpoint(
        name, apis, calls_tools=is_said_able(model, "tools"), sees=bool(plan.settings.get("mmproj"))
    )
