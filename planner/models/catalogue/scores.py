"""What the index says of a model's scores: points, interval, grade and what they rest on; which figure ranks.

All points are those of the Artificial Analysis Intelligence Index v4.3.2 (October 2026). See
planner.models.catalogue.ratings for how the figures are made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from planner.fast_dataclass import dataclass

SCALE: Final = "Artificial Analysis Intelligence Index v4.3.2, October 2026"
NO_SCORE: Final = "D"  # the grade of what nothing but size, date and vendor speaks for


@dataclass(frozen=True, slots=True)
class Score:
    """A comparable score of one use case."""

    points: float | None
    """Points of the index (see quant_loss); None where the model is not for this use."""
    low: float | None
    """The interval holds 80 %."""
    high: float | None
    """The interval holds 80 %."""
    grade: str
    """A: measured for this use by others than the vendor; B: by the vendor, or nearly this; C: other scores; D: none"""
    ranks: float | None
    """What ranks: the points where the index itself was measured, else the low end of the estimate."""
    evidence: str
    """What it rests on, in a few words; why there is none, where there is none."""

    @property
    def measured(self) -> bool:
        """True where the index itself was measured."""
        return self.points is not None and self.ranks == self.points

    @property
    def published(self) -> bool:
        """True where it rests on any published score of this model."""
        return self.points is not None and self.grade != NO_SCORE


def ranking_points(raw: Mapping[str, Any], use_case: str) -> float | None:
    """Return what ranks an entry of the index for a use case; see Score.ranks."""
    found = raw["scores"].get(use_case)
    if found is None or isinstance(found, str):
        return None
    measured = use_case == "general" and raw.get("measured")
    return float(found[0] if measured else found[1])


def score_of(raw: Mapping[str, Any], use_case: str) -> Score:
    """Return the score of an entry of the index for a use case."""
    found = raw["scores"].get(use_case)
    if found is None or isinstance(found, str):
        return Score(None, None, None, "", None, found or "no published score")
    points, low, high, grade = found
    ranks = ranking_points(raw, use_case)
    measured = use_case == "general" and bool(raw.get("measured"))
    evidence = _measured(raw, points) if measured else _estimated(raw, low, high, grade)
    return Score(points, low, high, grade, ranks, evidence)


def _measured(raw: Mapping[str, Any], points: float) -> str:
    effort = raw.get("effort", ())
    how = f" with effort {effort[0]}" if effort else ""
    less = f"; {effort[1]}: {effort[2]:g}" if len(effort) > 1 else ""
    return f"{SCALE}: {points:g}{how}{less}"


def _estimated(raw: Mapping[str, Any], low: float, high: float, grade: str) -> str:
    between = f"estimated {low:.0f} to {high:.0f}"
    if grade == NO_SCORE:
        return f"nothing published: {between} by size, date and vendor"
    others, vendor = raw["rests_on"]
    return f"{between} from {others + vendor} published scores, {others} of them independent; grade {grade}"
