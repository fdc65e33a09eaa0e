"""Three ways to choose from a recommendation: the best, a fast one, a light one."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from planner.advice.plan.worth import user_speed
from planner.fast_dataclass import dataclass
from planner.plan import Plan, Workload
from planner.units import GIB, rate_text

QUICK: Final = 30.0  # tokens/s: text comes faster than anybody reads it
QUICKER: Final = 1.5  # times the best one's speed: what is worth calling fast beside it
LIGHT: Final = 0.5  # share of the memory that a light one takes at most


class CardKind(StrEnum):
    """What a card is for."""

    BEST = "best"
    FAST = "fast"
    LIGHT = "light"


@dataclass(frozen=True, slots=True)
class Card:
    """One choice out of the recommended plans."""

    kind: CardKind
    """best, fast or light."""
    rank: int
    """Which of the plans, from 1."""
    reason: str
    """Why it is that."""


def cards_of(plans: Sequence[Plan], workload: Workload) -> tuple[Card, ...]:
    """Return the cards of ranked plans: each kind once, no plan twice, the best of those that qualify."""
    if not plans:
        return ()
    speeds = [user_speed(plan, workload) or 0.0 for plan in plans]
    cards = [Card(CardKind.BEST, 1, "the best answers of what runs well here")]
    taken = {0}
    fast = next((i for i, tps in enumerate(speeds) if i and tps >= max(QUICK, QUICKER * speeds[0])), None)
    if fast is not None:
        taken.add(fast)
        cards.append(
            Card(CardKind.FAST, fast + 1, f"{rate_text(speeds[fast])} tokens/s, the best of the fast ones")
        )
    light = next((i for i, plan in enumerate(plans) if i not in taken and _share(plan) <= LIGHT), None)
    if light is not None and _share(plans[0]) > LIGHT:
        plan = plans[light]
        free = (_available(plan) - plan.memory.total) / GIB
        cards.append(Card(CardKind.LIGHT, light + 1, f"leaves {free:.0f} GiB of the memory free"))
    return tuple(cards)


def _share(plan: Plan) -> float:
    """Share of what it runs on that a plan takes: of the GPUs where it lies on some, else of the RAM."""
    return plan.memory.total / max(_available(plan), 1)


def _available(plan: Plan) -> int:
    gpus = sum(d.available for d in plan.memory.devices if d.kind == "gpu" and d.weights)
    return gpus or sum(d.available for d in plan.memory.devices)
