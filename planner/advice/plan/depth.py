"""Memory and speed of one plan over context depth, for the depth table and its plot."""

from __future__ import annotations

from collections.abc import Iterator

from planner.advice.plan.one_plan import bare_plan, complete
from planner.advice.plan.stated_context import without_context
from planner.errors import PlannerError
from planner.fast_dataclass import dataclass, replace
from planner.plan import Plan, SpeedEstimate


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """One depth: memory of a context of that many tokens, decode with that many in the cache, prefill of a
    prompt that long.
    """

    tokens: int
    """Tokens in the context."""
    cache: int
    """Bytes of KV cache and state."""
    total: int
    """Bytes of everything."""
    speed: SpeedEstimate
    """Decode with so many tokens in the cache, prefill of a prompt so long."""


def depth_points(plan: Plan) -> Iterator[DepthPoint]:
    """Yield points at 1k, 2k, 4k … tokens up to the longest context that fits.

    All settings that the plan was asked for with, but the context, hold at every depth.
    """
    from planner.advice.plan.measured_speed import plan_speed

    asked = plan.request
    given = without_context(asked.settings)
    tokens = 1024
    while tokens <= plan.max_context:
        here = replace(asked.workload, context=tokens, prompt=tokens)
        try:
            other = bare_plan(plan.engine, replace(asked, quant=plan.quant, workload=here, settings=given))
        except PlannerError:
            return
        if not other.fits:
            return
        if complete(other).speed is None:
            return
        yield DepthPoint(
            tokens,
            sum(d.kv_cache + d.state for d in other.memory.devices),
            other.memory.total,
            plan_speed(other, depth=tokens),
        )
        tokens *= 2
