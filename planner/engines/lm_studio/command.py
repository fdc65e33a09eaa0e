"""LM Studio's commands for a plan made for MLX (lms get, lms load, lms server start; lmstudio.ai/docs/cli)."""

from __future__ import annotations

import shlex

from planner.engines.launch import Launch, file_stem
from planner.engines.register import engine_facts
from planner.errors import InputError
from planner.models.model import Model
from planner.plan import Plan


def lms(plan: Plan, model: Model) -> Launch:
    """Return what fetches, loads and serves it. Raises InputError for a model that nobody publishes for MLX.

    LM Studio keeps folders of its own and converts nothing; its context is one setting for all that use the model.
    """
    facts = engine_facts(plan.engine)
    source = facts.draft_source(model, plan.quant)
    if model.path is not None or not facts.is_published(model, plan.quant):
        raise InputError(
            f"LM Studio loads what is published for {facts.title}; no {plan.quant} of {model.name} is known:"
            " choose another --quant, or use --format shell, which converts it"
        )
    steps = (
        ["lms", "get", f"https://huggingface.co/{source}", "--yes"],
        [
            *("lms", "load", source, "--identifier", identifier(model), "--gpu", "max"),
            *("--context-length", str(plan.settings["context"]), "--yes"),
        ],
        ["lms", "server", "start", "--port", "1234"],
    )
    return Launch("\n".join(shlex.join(words) for words in steps), source=source)


def identifier(model: Model) -> str:
    """Return the name under which a model is loaded, by which clients ask for it."""
    return file_stem(model)
