"""Two engines that run the same model on the same machine: why one of them, and where the other would be faster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from planner.advice.plan.candidates import bits_of
from planner.advice.plan.worth import user_speed
from planner.engines.register import title_of
from planner.plan import Plan, Workload
from planner.reason import Reason, ReasonKind, Value
from planner.units import context_text, rate_text

DEEP: Final = 131_072  # tokens in the cache at which both are compared once more, or what both hold
_DEEP_ENOUGH: Final = 16_384  # … where that is at least this
_NOTABLY: Final = 1.1  # times as fast


def rather_than(best: Plan, other: Plan, workload: Workload) -> Reason:
    """Say what speaks for the plan that was chosen, in tokens a second, and where it is the other way round."""
    chosen, left = title_of(best.engine), title_of(other.engine)
    here, there = user_speed(best, workload) or 0.0, user_speed(other, workload) or 0.0
    text = (
        f"{chosen} ({best.quant}, {rate_text(here)} tokens/s) rather than {left}"
        f" ({other.quant}, {rate_text(there)} tokens/s)"
    )
    if here <= there and bits_of(best.quant) > bits_of(other.quant):
        text += ": closer to the original"
    elif here <= there and best.max_context > other.max_context:
        text += ": a longer context fits"
    figures: dict[str, Value] = {
        "engine": best.engine,
        "speed": here,
        "other": other.engine,
        "other_speed": there,
    }
    depth = min(DEEP, best.max_context, other.max_context)
    if depth >= _DEEP_ENOUGH:
        from planner.speed import estimate_plan

        deep, their = (estimate_plan(plan, depth=depth).decode_tps.expected for plan in (best, other))
        if their > deep * _NOTABLY:
            text += (
                f"; with {context_text(depth)} tokens in the cache {left} is faster: {rate_text(their)} against"
                f" {rate_text(deep)}"
            )
            figures |= {"depth": depth, "deep_speed": deep, "other_deep_speed": their}
    return Reason(ReasonKind.ENGINE_CHOSEN, text, figures)


def the_only_one(best: Plan, refusals: Mapping[str, str]) -> Reason:
    """Say why no other engine was chosen from: engine -> its own reason."""
    said = "; ".join(f"{title_of(engine)}: {why}" for engine, why in refusals.items())
    text = f"{title_of(best.engine)} alone runs it here ({said})"
    return Reason(ReasonKind.ONLY_ENGINE, text, {"engine": best.engine, "others": ", ".join(refusals)})
