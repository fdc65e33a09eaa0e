"""What lies around a plan: what would change its answer, and how it changes with the context."""

from __future__ import annotations

from planner.advice.plan.depth import DepthPoint
from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class NeighbourPage:
    """Alternatives to a plan, and its memory and speed at growing contexts."""

    alternatives: tuple[str, ...]
    """What would change the answer, each computed."""
    points: tuple[DepthPoint, ...]
    """At 1k, 2k, 4k … tokens, up to the longest context that fits."""
