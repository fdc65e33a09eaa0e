"""llama-server as its clients see it (tools/server/README.md, b11434)."""

from __future__ import annotations

from planner.engines.endpoint import Api, Endpoint, is_said_able, word_after
from planner.engines.launch import file_stem
from planner.models.model import Model
from planner.plan import Plan


def endpoint(plan: Plan, model: Model, apis: frozenset[Api]) -> Endpoint:
    """Return the name that it is given, and what its command needs: tools are called by the model's own template."""
    kept = [*plan.request.written.kept, *plan.request.written.line.split()]
    name = word_after(kept, "--alias", "-a") or file_stem(model)
    words = () if "--alias" in kept or "-a" in kept else ("--alias", name)
    return Endpoint(
        model=name,
        apis=apis,
        calls_tools=is_said_able(model, "tools") and "--no-jinja" not in kept,
        sees=bool(plan.settings.get("mmproj")),
        words=(*words, *(() if {"--jinja", "--no-jinja"} & set(kept) else ("--jinja",))),
    )
