"""What makes one plan better than another: quality first, then whether it is pleasant to use.

The quality is a published score less what the quantisation costs. The preferences below are ours, stated
and in one place: they rank plans, they are never printed as measurements.
"""

from __future__ import annotations

import math
from typing import Final

from planner.advice.plan.stated_context import planned_context
from planner.fast_dataclass import dataclass
from planner.models.model import Model
from planner.plan import CONTEXT_NEEDS, Interval, Placement, Plan, UseCase, Workload

# Decode speed, tokens/s, from which reading is comfortable; reasoning and agents produce far more text.
COMFORTABLE: Final = {
    UseCase.GENERAL: 15.0,
    UseCase.MULTILINGUAL: 15.0,
    UseCase.VISION: 15.0,
    UseCase.CODING: 20.0,
    UseCase.REASONING: 20.0,
    UseCase.AGENTS: 20.0,
}
# A model that thinks writes as much for itself as for its reader before the answer begins: it has to be so many
# times as quick to be as pleasant.
THINKING: Final = 2.0
ENOUGH: Final = 60.0  # beyond this, more speed is hardly felt by one reader
# With several users what one of them doesn't feel still serves the next: speed counts for this many times as much.
SHARED: Final = 4.0
POINTS_PER_DOUBLING: Final = 0.04  # share of the quality that one doubling of speed above comfort is worth
POINTS_PER_HALVING: Final = 0.25  # share of the quality that one halving below comfort costs
SHORT_CONTEXT_PENALTY: Final = 0.15  # share of the quality for each halving below it
# Share of the quality that running partly from RAM costs: slow long prompts, and a host that is full.
HYBRID_PENALTY: Final = 0.12


# What stands for a score where plans of one model are compared with each other alone: losses are then shares of it.
OWN_ABILITY: Final = 1.0


@dataclass(frozen=True, slots=True)
class Worth:
    """The steps from a published score to the figure that ranks."""

    score: float  # published, on the catalogue's scale for the use case; OWN_ABILITY where none is asked for
    quant_loss: float  # points that the quantisation is expected to cost
    speed_points: float  # bonus or penalty for speed
    context_points: float  # penalty for a short context
    placement_points: float  # penalty for running partly from RAM
    total: float


def comfortable_speed(workload: Workload, *, thinks: bool = False) -> float:
    """Tokens/s that a user should see: what was asked for, or what the use case needs; more where a model thinks."""
    return workload.min_speed or COMFORTABLE[workload.use_case] * (THINKING if thinks else 1.0)


def thinks(model: Model) -> bool:
    """True for a model of the catalogue that thinks before it answers."""
    return model.entry is not None and "reasoning" in model.entry.capabilities


def user_interval(plan: Plan, users: int) -> Interval | None:
    """Decode tokens/s that each of so many users sees while all are served; None where it is not known."""
    if plan.speed is None:
        return None
    alone, together = plan.speed.decode_tps, plan.speed.total_output_tps
    if users <= 1 or together is None:
        return alone
    return Interval(
        min(alone.low, together.low / users),
        min(alone.expected, together.expected / users),
        min(alone.high, together.high / users),
    )


def user_speed(plan: Plan, workload: Workload) -> float | None:
    """The expected figure of `user_interval` for the workload's users."""
    interval = user_interval(plan, workload.users)
    return None if interval is None else interval.expected


def misses_speed(plan: Plan, workload: Workload) -> bool:
    """True where a speed was asked for that a user is not expected to see."""
    tps = user_speed(plan, workload)
    return workload.min_speed is not None and tps is not None and tps < workload.min_speed


def enough_speed(workload: Workload) -> float:
    """Tokens/s for each user from which more is worth nothing."""
    return ENOUGH * (SHARED if workload.users > 1 else 1.0)


def speed_share(tps: float, comfortable: float, enough: float = ENOUGH) -> float:
    """Bonus (positive) or penalty for a decode speed, as a share of the quality; rises with tps up to `enough`."""
    if tps <= 0:
        return -1.0
    if tps >= comfortable:
        top = max(enough, comfortable)
        return POINTS_PER_DOUBLING * math.log2(min(tps, top) / comfortable)
    return max(-1.0, -POINTS_PER_HALVING * math.log2(comfortable / tps))


def is_short(tokens: int, workload: Workload) -> bool:
    """True for a context that is felt to be short where none was asked for."""
    return workload.context is None and tokens < CONTEXT_NEEDS[workload.use_case].short


def context_share(tokens: int, workload: Workload) -> float:
    """Penalty for a context shorter than everyday documents, as a share of the quality."""
    if workload.context is not None or not is_short(tokens, workload):
        return 0.0
    return -SHORT_CONTEXT_PENALTY * math.log2(CONTEXT_NEEDS[workload.use_case].short / max(tokens, 512))


def started_context(plan: Plan) -> int:
    """Tokens that each sequence gets as the plan starts; the longest that fits where its settings name none."""
    return planned_context(plan) or plan.max_context


def worth(plan: Plan, score: float, quant_loss: float, workload: Workload) -> Worth:
    """Value one plan; a plan that does not fit is worth nothing at all."""
    if not plan.fits:
        return Worth(score, quant_loss, 0.0, 0.0, 0.0, -math.inf)
    quality = max(score - quant_loss, 0.0)
    comfortable = comfortable_speed(workload, thinks=thinks(plan.request.model))
    tps = user_speed(plan, workload) or comfortable
    speed_points = quality * speed_share(tps, comfortable, enough_speed(workload))
    context_points = quality * context_share(started_context(plan), workload)
    placement_points = -quality * HYBRID_PENALTY if plan.placement is Placement.HYBRID else 0.0
    total = quality + speed_points + context_points + placement_points
    return Worth(score, quant_loss, speed_points, context_points, placement_points, total)


def upper_bound(score: float, workload: Workload) -> float:
    """The most that any plan of a model with this score can be worth."""
    enough = enough_speed(workload)
    return score * (1.0 + max(0.0, speed_share(enough, comfortable_speed(workload), enough)))


def is_usable(plan: Plan, workload: Workload) -> bool:
    """True where a user would call it usable.

    It fits with a context to work in, and is at least as fast as was asked for (or a third of comfortable where
    nothing was asked for).
    """
    if not plan.fits:
        return False
    if workload.context is None and started_context(plan) < CONTEXT_NEEDS[workload.use_case].least:
        return False
    tps = user_speed(plan, workload)
    if tps is None:
        return True
    return tps >= (workload.min_speed or comfortable_speed(workload) / 3)
