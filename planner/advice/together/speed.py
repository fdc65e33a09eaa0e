"""How fast models are that work on one device at the same moment.

Processes share a GPU by time slices: one decodes while the others wait, so that each has about its share of the
bandwidth. No measurement of two servers on one card was found that says the two speeds alone and together; the
interval is reasoned, and wide. Its lower end has each switch cost a tenth, its upper end has the others leave a
third of their slices idle, between two tokens and while they sample.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from planner.advice.together.usage import places
from planner.models.role import Role
from planner.plan import Interval, Placement, Plan

SHARE: Final = Interval(0.9, 1.0, 4 / 3)  # times an equal share of the slices


def rate_of(plan: Plan, role: Role) -> Interval | None:
    """Return tokens a second of a plan alone: written, or read by a model that writes none; None where not known."""
    if plan.speed is None:
        return None
    return plan.speed.decode_tps if role.writes else plan.speed.prefill_tps


def beside_each_other(plans: Sequence[Plan], roles: Sequence[Role]) -> tuple[Interval | None, ...]:
    """Return the same of each plan while all of them work."""
    places_of = [_working(plan) for plan in plans]
    found: list[Interval | None] = []
    for plan, role, mine in zip(plans, roles, places_of, strict=True):
        busy = max((sum(place in other for other in places_of) for place in mine), default=1)
        alone = rate_of(plan, role)
        if alone is None or busy == 1:
            found.append(alone)
            continue
        low, expected, high = (share / busy for share in (SHARE.low, SHARE.expected, SHARE.high))
        found.append(Interval(alone.low * low, alone.expected * expected, alone.high * high))
    return tuple(found)


def _working(plan: Plan) -> frozenset[int | None]:
    """Return the devices from which a plan reads its layers; GPUs that share the RAM are the same memory.

    What the host holds of a model that is on GPUs is a table, of which a token reads one row.
    """
    machine = plan.request.machine
    return frozenset(
        None if at is None or machine.accelerators[at].unified else at
        for at, device in places(plan)
        if device.weights and (at is not None or plan.placement is not Placement.GPU)
    )
