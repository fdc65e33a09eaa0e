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
from planner.plan import Interval, Plan

SHARE: Final = Interval(0.9, 1.0, 4 / 3)  # times an equal share of the slices


def beside_each_other(plans: Sequence[Plan]) -> tuple[Interval | None, ...]:
    """Return decode tokens/s of each plan while all of them work; None where its speed alone isn't known."""
    places_of = [_working(plan) for plan in plans]
    found: list[Interval | None] = []
    for plan, mine in zip(plans, places_of, strict=True):
        busy = max((sum(place in other for other in places_of) for place in mine), default=1)
        if plan.speed is None:
            found.append(None)
            continue
        alone = plan.speed.decode_tps
        shares = (1.0, 1.0, 1.0) if busy == 1 else (
            SHARE.low / busy,
            SHARE.expected / busy,
            min(1.0, SHARE.high / busy),
        )  # fmt: skip
        found.append(Interval(alone.low * shares[0], alone.expected * shares[1], alone.high * shares[2]))
    return tuple(found)


def _working(plan: Plan) -> frozenset[int | None]:
    """Return the devices from which a plan reads its layers; GPUs that share the RAM are the same memory."""
    machine = plan.request.machine
    devices = {
        None if at is not None and machine.accelerators[at].unified else at: device.weights
        for at, device in places(plan)
    }
    whole = sum(devices.values()) or 1
    # What the host holds of a model on GPUs is a table that a token reads one row of.
    return frozenset(at for at, weights in devices.items() if weights > whole * _TABLE or len(devices) == 1)


_TABLE: Final = 0.15  # of the weights
