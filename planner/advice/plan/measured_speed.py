"""How fast a plan runs, corrected by what was measured on this machine."""

from __future__ import annotations

from planner.plan import Plan, SpeedEstimate


def plan_speed(plan: Plan, depth: int | None = None) -> SpeedEstimate:
    """Return the estimate; on this machine times the factors that `planner bench` found under this engine.

    `depth`: tokens in the cache while decoding; None: in the middle of the workload's answer.
    """
    from planner.speed import estimate_plan

    speed = estimate_plan(plan, depth)
    if not plan.request.machine.detected:
        return speed
    from planner.speed.correction import corrected, factor_of
    from planner.verify.speed_here import ratios_here

    keys = (plan.engine, plan.backend.value)
    decode, prefill = (factor_of(ratios_here(*keys, what)) for what in ("decode", "prefill"))
    return corrected(speed, decode, prefill)
