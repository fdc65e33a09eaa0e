"""The register of engines: one line each. Titles and spellings follow from what the engines say.

An engine's facts are imported when somebody asks for them, its rules when it plans; its name costs nothing.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final

from planner.errors import InputError

if TYPE_CHECKING:
    from planner.engines.base import Engine
    from planner.engines.facts import EngineFacts

# name -> "module:class" of its EngineFacts; where several would do, the first is tried first
ENGINES: Final[dict[str, str]] = {
    "llama.cpp": "planner.engines.llama_cpp.facts:LlamaCppFacts",
    "ollama": "planner.engines.ollama.facts:OllamaFacts",
    "vllm": "planner.engines.vllm.facts:VllmFacts",
    "mlx": "planner.engines.mlx.facts:MlxFacts",
    "whisper.cpp": "planner.engines.whisper_cpp.facts:WhisperCppFacts",
}
# The same for engines without rules of their own: they start what was planned for another one.
STARTERS: Final[dict[str, str]] = {
    "sglang": "planner.engines.sglang.facts:SglangFacts",
    "lm-studio": "planner.engines.lm_studio.facts:LmStudioFacts",
}
# Folders of engines whose messages and errors are known: messages.json and diagnosis. What runs inside another
# comes first.
DIAGNOSED: Final = ("llama_cpp", "ollama", "lm_studio", "vllm", "sglang", "mlx")


@cache
def _facts(target: str) -> EngineFacts:
    module, _, attribute = target.partition(":")
    facts: EngineFacts = getattr(import_module(module), attribute)()
    return facts


@cache
def _rules(target: str) -> Engine:
    return _facts(target).rules()


def planning() -> tuple[EngineFacts, ...]:
    """Return the engines that have rules of their own, in the register's order."""
    return tuple(_facts(target) for target in ENGINES.values())


def starting() -> tuple[EngineFacts, ...]:
    """Return the engines that start what was planned by another's rules."""
    return tuple(_facts(target) for target in STARTERS.values())


def all_facts() -> tuple[EngineFacts, ...]:
    """Return what every engine says about itself."""
    return planning() + starting()


def offered() -> tuple[EngineFacts, ...]:
    """Return the engines that are tried where none is asked for: not those that are another with its own defaults."""
    return tuple(facts for facts in planning() if facts.variant_of is None)


def reading_gguf() -> EngineFacts:
    """Return the engine that a GGUF file alone is meant for."""
    from planner.engines.facts import Weights

    return next(facts for facts in offered() if facts.loads is Weights.GGUF)


def spanning_hosts() -> EngineFacts:
    """Return the engine that runs one model over several hosts."""
    return next(facts for facts in offered() if facts.spans_hosts)


def engine_facts(name: str) -> EngineFacts:
    """Return what the engine of this name says; any spelling that people type, in any case.

    Raises InputError for a name that isn't registered.
    """
    key = name.strip().lower()
    for register in (ENGINES, STARTERS):
        if key in register:
            return _facts(register[key])
    for facts in all_facts():
        if key in facts.aliases:
            return facts
    for facts in planning():
        for other in facts.nearest_to:
            if key in other.names:
                raise InputError(
                    f"{other.title} is not planned; --engine {facts.name} comes nearest: {other.difference}"
                )
    others = f" (launch: also {', '.join(STARTERS)})" if STARTERS else ""
    raise InputError(f"engine '{name}' is not known; choose one of {', '.join(ENGINES)}{others}")


def title_of(name: str) -> str:
    """Return an engine's name as its makers write it; a name that isn't registered as it is."""
    target = ENGINES.get(name) or STARTERS.get(name)
    return _facts(target).title if target else name


def titles(engines: tuple[EngineFacts, ...]) -> str:
    """Return the titles of engines, to stand in a sentence."""
    return " and ".join(facts.title for facts in engines)


def get_engine(name: str) -> Engine:
    """Return the rules of the engine of this name, in any spelling.

    Raises InputError for a name that isn't registered, and for an engine that has no rules of its own.
    """
    facts = engine_facts(name)
    if facts.starts_plans_of is not None:
        raise InputError(
            f"the planner has no memory rules of {facts.title}'s own; planner launch MODEL --engine {facts.name}"
            f" gives its command for the plan made for {title_of(facts.starts_plans_of)}"
        )
    return _rules(ENGINES[facts.name])
