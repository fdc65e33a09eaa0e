"""Worth: quality first, then speed and context; never the other way round."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.advice.plan import worth as rules
from planner.advice.plan.worth import (
    comfortable_speed,
    context_share,
    is_usable,
    speed_share,
    upper_bound,
    worth,
)
from planner.plan import CONTEXT_NEEDS, Interval, Placement, Plan, SpeedEstimate, UseCase, Workload
from tests.asked import plan_of


def make_plan(tps: float, context: int = 65536, fits: bool = True, **fields: Any) -> Plan:
    interval = Interval(tps, tps, tps)
    speed = SpeedEstimate(interval, interval, interval, **{k: fields.pop(k) for k in [*fields] if "tps" in k})
    return plan_of(fits=fits, max_context=context, speed=speed, **fields)


def value(plan: Plan, score: float, workload: Workload | None = None) -> float:
    return worth(plan, score, 0.0, workload or Workload()).total


@settings(deadline=None)  # a busy machine fails nothing
@given(st.floats(0.01, 1e4), st.floats(0.01, 1e4), st.floats(1, 200))
def test_faster_is_never_worse(slow: float, more: float, comfortable: float) -> None:
    assert speed_share(slow + more, comfortable) >= speed_share(slow, comfortable)


@settings(deadline=None)  # a busy machine fails nothing
@given(st.floats(1, 100), st.floats(0.1, 1e4), st.integers(1, 1 << 20), st.sampled_from(list(UseCase)))
def test_no_plan_beats_its_bound(score: float, tps: float, context: int, use_case: UseCase) -> None:
    workload = Workload(use_case=use_case)
    assert worth(make_plan(tps, context), score, 0.0, workload).total <= upper_bound(score, workload) + 1e-9


@settings(deadline=None)  # a busy machine fails nothing
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


# What the preferences of worth.py promise, each as a choice between two plans that a person would make so. The
# figures are ours, not measured: docs/architecture.md states them.


def test_memory_on_the_gpu_is_worth_a_tenth_of_the_quality_and_not_a_seventh() -> None:
    hybrid = value(make_plan(15, placement=Placement.HYBRID), 40)
    assert hybrid < value(make_plan(15), 40 * 0.90)
    assert hybrid > value(make_plan(15), 40 * 0.86)
    assert value(make_plan(15, placement=Placement.CPU), 40) == value(make_plan(15), 40)


def test_half_the_comfortable_speed_costs_a_quarter_of_the_quality() -> None:
    slow = value(make_plan(7.5), 40)
    assert value(make_plan(15), 29) < slow < value(make_plan(15), 31)


def test_twice_the_comfortable_speed_is_worth_a_little() -> None:
    fast = value(make_plan(30), 40)
    assert value(make_plan(15), 41.2) < fast < value(make_plan(15), 42)


def test_one_reader_feels_no_more_than_sixty_tokens_a_second() -> None:
    assert value(make_plan(50), 40) < value(make_plan(60), 40) == value(make_plan(600), 40)


def test_what_one_of_several_users_does_not_feel_serves_the_next() -> None:
    def each(tps: float) -> float:
        plan = make_plan(tps, total_output_tps=Interval(8 * tps, 8 * tps, 8 * tps))
        return value(plan, 40, Workload(users=8))

    assert each(60) < each(120) < each(240) == each(480)


@pytest.mark.parametrize(
    ("use_case", "comfortable"),
    [
        (UseCase.GENERAL, 15),  # faster than most people read
        (UseCase.MULTILINGUAL, 15),
        (UseCase.VISION, 15),
        (UseCase.CODING, 20),  # far more text, much of it skimmed
        (UseCase.REASONING, 20),
        (UseCase.AGENTS, 20),
    ],
)
def test_below_a_comfortable_speed_a_plan_loses_and_below_a_third_nobody_calls_it_usable(
    use_case: UseCase, comfortable: float
) -> None:
    workload = Workload(use_case=use_case)
    assert value(make_plan(comfortable), 40, workload) == 40
    assert value(make_plan(comfortable * 0.99), 40, workload) < 40
    assert is_usable(make_plan(comfortable / 3), workload)
    assert not is_usable(make_plan(comfortable / 3 - 0.1), workload)


@pytest.mark.parametrize(
    ("use_case", "tokens"),
    [
        (UseCase.GENERAL, 16384),  # a long document
        (UseCase.MULTILINGUAL, 16384),
        (UseCase.VISION, 16384),
        (UseCase.REASONING, 32768),  # thinking
        (UseCase.CODING, 65536),  # files, thinking and the output of tools
        (UseCase.AGENTS, 65536),
    ],
)
def test_half_of_an_everyday_context_costs_a_seventh_of_the_quality(use_case: UseCase, tokens: int) -> None:
    workload = Workload(use_case=use_case)
    assert value(make_plan(20, tokens), 40, workload) == value(make_plan(20, 4 * tokens), 40, workload)
    short = value(make_plan(20, tokens // 2), 40, workload) / value(make_plan(20, tokens), 40, workload)
    assert 0.84 < short < 0.87
    asked_for = Workload(use_case=use_case, context=tokens // 2)
    assert value(make_plan(20, tokens // 2), 40, asked_for) == value(make_plan(20, tokens), 40, asked_for)


@pytest.mark.parametrize("use_case", [UseCase.CODING, UseCase.AGENTS])
def test_nobody_works_with_tools_below_sixteen_thousand_tokens(use_case: UseCase) -> None:
    workload = Workload(use_case=use_case)
    assert not is_usable(make_plan(50, 12288), workload)
    assert is_usable(make_plan(50, 16384), workload)
    assert is_usable(make_plan(50, 8192), Workload(use_case=use_case, context=8192)), "who asks for it has it"


def test_what_counts_is_the_context_that_is_started() -> None:
    workload = Workload(use_case=UseCase.AGENTS)
    short = make_plan(50, 262144, settings={"num_ctx": 4096})
    assert not is_usable(short, workload)
    assert value(short, 40, workload) < value(make_plan(50, 65536), 40, workload)


def test_the_figures_are_those_that_the_documentation_states() -> None:
    text = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text[text.index("| comfortable decode speed") :]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    stated = [[float(n.replace(",", "")) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", row)] for row in rows]
    share = {
        penalty: round(100 * figure) for penalty, figure in vars(rules).items() if isinstance(figure, float)
    }
    assert stated == [
        [rules.COMFORTABLE[UseCase.GENERAL], rules.COMFORTABLE[UseCase.CODING], rules.THINKING],
        [share["POINTS_PER_DOUBLING"], rules.ENOUGH, rules.ENOUGH * rules.SHARED],
        [share["POINTS_PER_HALVING"]],
        [
            share["SHORT_CONTEXT_PENALTY"],
            *(CONTEXT_NEEDS[case].short for case in (UseCase.GENERAL, UseCase.REASONING, UseCase.CODING)),
        ],
        [share["HYBRID_PENALTY"]],
    ]
