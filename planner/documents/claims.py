"""`planner claims --json`: what the source articles say, checked."""

from __future__ import annotations

from planner.advice.claims import Verdict
from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Claims:
    """Claims with what came of checking them."""

    claims: tuple[Verdict, ...]
    """In the order in which the articles make them."""
