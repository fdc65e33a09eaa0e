"""Worth: quality first, then speed and context; never the other way round."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from planner.advice.plan.worth import comfortable_speed, context_share, speed_share, upper_bound, worth
from planner.plan import Interval, Plan, SpeedEstimate, UseCase, Workload
from tests.asked import plan_of


def make_plan(tps: float, context: int = 32768, fits: bool = True) -> Plan:
    interval = Interval(tps, tps, tps)
    return plan_of(fits=fits, max_context=context, speed=SpeedEstimate(interval, interval, interval))


@given(st.floats(0.01, 1e4), st.floats(0.01, 1e4), st.floats(1, 200))
def test_faster_is_never_worse(slow: float, more: float, comfortable: float) -> None:
    assert speed_share(slow + more, comfortable) >= speed_share(slow, comfortable)


@given(st.floats(1, 100), st.floats(0.1, 1e4), st.integers(1, 1 << 20), st.sampled_from(list(UseCase)))
def test_no_plan_beats_its_bound(score: float, tps: float, context: int, use_case: UseCase) -> None:
    workload = Workload(use_case=use_case)
    assert worth(make_plan(tps, context), score, 0.0, workload).total <= upper_bound(score, workload) + 1e-9


@given(st.integers(512, 1 << 20))
def test_longer_contexts_are_never_worse(tokens: int) -> None:
    assert context_share(tokens * 2, Workload()) >= context_share(tokens, Workload())


def test_a_plan_that_does_not_fit_is_worth_nothing() -> None:
    assert worth(make_plan(50, fits=False), 90, 0, Workload()).total == -math.inf


def test_a_clearly_better_model_beats_a_faster_one() -> None:
    workload = Workload()
    better = worth(make_plan(20), 40.0, 0.5, workload).total
    faster = worth(make_plan(200), 33.0, 0.5, workload).total
    assert better > faster


def test_a_crawling_model_loses_to_a_slightly_weaker_quick_one() -> None:
    workload = Workload()
    assert worth(make_plan(2.5), 44, 0, workload).total < worth(make_plan(40), 37, 0, workload).total


def test_the_speed_asked_for_counts() -> None:
    assert comfortable_speed(Workload(min_speed=33)) == 33
