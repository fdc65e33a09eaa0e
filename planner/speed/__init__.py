"""Speed: prefill, decode and time to first token, with intervals that hold."""

from planner.speed.estimate import estimate
from planner.speed.plans import estimate_plan

__all__ = ["estimate", "estimate_plan"]
