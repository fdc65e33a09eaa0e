"""vLLM's server as its clients see it (vllm/entrypoints/openai, vllm/entrypoints/anthropic, 0.33.0)."""

from __future__ import annotations

from planner.engines.endpoint import Api, Endpoint, is_said_able, word_after
from planner.engines.vllm.command import serve_argv
from planner.models.model import Model
from planner.plan import Plan


def endpoint(plan: Plan, model: Model, apis: frozenset[Api]) -> Endpoint:
    """Return the name that it serves; tools need the model's parser, which its card names, else they stay text."""
    words = [*serve_argv(plan, model), *plan.request.written.kept, *plan.request.written.line.split()]
    return Endpoint(
        model=word_after(words, "--served-model-name") or words[2],
        apis=apis,
        calls_tools="--tool-call-parser" in words,
        sees=is_said_able(model, "vision") and not plan.settings.get("language_model_only"),
    )
