"""Best, fast and light: each by its own rule, none twice."""

from __future__ import annotations

import pytest

from planner.advice.recommend.cards import CardKind, cards_of
from planner.plan import DeviceMemory, Interval, MemoryEstimate, Plan, SpeedEstimate, Workload
from tests.asked import plan_of

GB24 = 24 << 30


def one(tps: float, share: float) -> Plan:
    """A plan on one card of 24 GiB."""
    memory = MemoryEstimate((DeviceMemory("GPU 0", "gpu", weights=int(share * GB24), available=GB24),))
    interval = Interval(tps, tps, tps)
    return plan_of(memory=memory, speed=SpeedEstimate(interval, interval, interval))


def shown(*plans: Plan) -> dict[CardKind, int]:
    return {card.kind: card.rank for card in cards_of(plans, Workload())}


@pytest.mark.parametrize(
    ("best", "others", "fast"),
    [
        (12, (29, 31), 3),  # faster than the best, and faster than anybody reads
        (12, (29, 29), None),
        (40, (59, 61), 3),  # half as fast again as one that is quick itself
        (40, (59, 59), None),
    ],
)
def test_fast_is_thirty_tokens_a_second_and_half_as_fast_again(
    best: float, others: tuple[float, ...], fast: int | None
) -> None:
    assert shown(one(best, 0.9), *(one(tps, 0.9) for tps in others)).get(CardKind.FAST) == fast


@pytest.mark.parametrize(
    ("shares", "light"), [((0.9, 0.51, 0.49), 3), ((0.9, 0.51, 0.51), None), ((0.49, 0.3), None)]
)
def test_light_leaves_half_of_the_card_where_the_best_does_not(
    shares: tuple[float, ...], light: int | None
) -> None:
    assert shown(*(one(12, share) for share in shares)).get(CardKind.LIGHT) == light


def test_no_plan_is_shown_twice() -> None:
    cards = shown(one(12, 0.9), one(40, 0.3), one(45, 0.2))
    assert cards == {CardKind.BEST: 1, CardKind.FAST: 2, CardKind.LIGHT: 3}
    assert shown() == {}
