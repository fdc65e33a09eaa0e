"""SGLang's server as its clients see it (sglang/srt/entrypoints/http_server.py)."""

from __future__ import annotations

from planner.engines.endpoint import Api, Endpoint, is_said_able, word_after
from planner.engines.launch import first_command
from planner.engines.sglang.command import launch_server
from planner.models.model import Model
from planner.plan import Plan


def endpoint(plan: Plan, model: Model, apis: frozenset[Api]) -> Endpoint:
    """Return the name that it serves, its path where it is given none; tools need a parser, as in vLLM."""
    words = [*first_command(launch_server(plan, model)), *plan.request.written.kept]
    return Endpoint(
        model=word_after(words, "--served-model-name", "--model-path") or model.id,
        apis=apis,
        calls_tools="--tool-call-parser" in words,
        sees=is_said_able(model, "vision"),
    )
