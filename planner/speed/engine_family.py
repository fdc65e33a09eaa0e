"""Whose measurements speak for an engine: those of the engine whose kernels it runs, whatever wraps them."""

from __future__ import annotations

from functools import cache

from planner.engines.facts import Kernels
from planner.engines.register import all_facts
from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """An engine as far as its speed depends on it."""

    name: str  # in the names of fitted effects
    ggml: bool = False  # its kernels are ggml's
    reference: bool = False  # effects without an engine's name are fitted on these; others correct them


@cache
def family_of(engine: str) -> Family:
    """Return the family of an engine, registered or known from measurements alone."""
    for facts in all_facts():
        ggml = facts.kernels is Kernels.GGML
        if engine == facts.name:
            return Family(facts.variant_of or engine, ggml, reference=ggml)
        if engine in facts.wrapped_by:
            return Family(facts.name, ggml, reference=ggml)
        if engine in facts.forks:
            return Family(engine, ggml)
    return Family(engine)


@cache
def reference_engine() -> str:
    """Return the name of the engine whose family the fitted effects speak of."""
    return next(facts.name for facts in all_facts() if facts.kernels is Kernels.GGML)
