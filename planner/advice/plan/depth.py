"""Memory and speed of one plan over context depth, for the depth table and its plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner.advice.plan.one_plan import bare_plan, complete
from planner.advice.plan.stated_context import without_context
from planner.engines.base import NO_OVERRIDES
from planner.errors import PlannerError
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.plan import Plan, SpeedEstimate, Workload


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """One depth: memory of a context of that many tokens, decode with that many in the cache, prefill of a
    prompt that long.
    """

    tokens: int
    cache: int  # bytes of KV cache and state
    total: int  # bytes of everything
    speed: SpeedEstimate


def depth_points(
    model: Model,
    machine: Machine,
    workload: Workload,
    plan: Plan,
    overrides: Mapping[str, Any] = NO_OVERRIDES,
) -> Iterator[DepthPoint]:
    """Yield points at 1k, 2k, 4k … tokens up to the longest context that fits.

    `overrides`: the settings that the plan was asked for with; all but the context hold at every depth.
    """
    from dataclasses import replace

    from planner.speed import estimate_plan

    given = without_context(overrides)
    tokens = 1024
    while tokens <= plan.max_context:
        here = replace(workload, context=tokens, prompt=tokens)
        try:
            other = bare_plan(model, plan.engine, plan.quant, machine, here, given)
        except PlannerError:
            return
        if not other.fits:
            return
        full = complete(other, model, machine, here)
        if full.speed is None:
            return
        yield DepthPoint(
            tokens,
            sum(d.kv_cache + d.state for d in other.memory.devices),
            other.memory.total,
            estimate_plan(other, model.architecture, machine, here, depth=tokens),
        )
        tokens *= 2
