"""Which machine, where no model is named: what each runs best, and that nothing cheaper would do."""

from __future__ import annotations

import pytest

import planner
from planner.advice.best_machine import most_worth
from planner.models.catalogue.catalogue import load_catalogue
from planner.plan import UseCase, Workload

NAMES = ("apple-m6-16gb", "rtx-4090", "strix-halo-395-128")


@pytest.fixture(scope="module")
def among() -> planner.MachineAnswer:
    return planner.buy_machine(Workload(use_case=UseCase.CODING), among=NAMES)


def test_what_is_named_is_shown_whatever_it_does(among: planner.MachineAnswer) -> None:
    assert {option.offer.spec for option in among.options} == set(NAMES)
    assert all(option.plan is not None for option in among.options)


def test_each_machine_runs_what_check_answers_first_on_it(among: planner.MachineAnswer) -> None:
    entries = {entry.id: entry for entry in load_catalogue().entries()}
    for option in among.options:
        answer = planner.check(option.offer.spec, among.question.workload)
        first = answer.plans[0]
        assert option.plan is not None and option.worth is not None
        bound = most_worth(
            entries[first.model], planner.load_profile(option.offer.spec), among.question.workload
        )
        assert bound >= option.worth  # what is left out unplanned could not have won
        assert (option.plan.model, option.plan.quant, option.plan.engine) == (
            first.model,
            first.quant,
            first.engine,
        )
        assert option.plan.command == first.command


def test_the_advice_is_the_cheapest_of_those_that_are_nearly_the_best(among: planner.MachineAnswer) -> None:
    assert among.advised is not None
    advised = among.options[among.advised]
    worths = {o.offer.spec: o.worth or 0.0 for o in among.options}
    assert advised.worth is not None and advised.worth * 1.03 >= max(worths.values())
    for option in among.options:
        if (option.offer.price or 1e9) < (advised.offer.price or 1e9):
            assert (option.worth or 0.0) * 1.03 < max(worths.values())
    assert worths["rtx-4090"] > worths["apple-m6-16gb"]


def test_rows_get_better_with_the_price_and_stay_in_the_budget() -> None:
    answer = planner.buy_machine(Workload(), planner.BuyTerms(budget=1150))
    prices = [option.offer.price or 0.0 for option in answer.options]
    worths = [option.worth or 0.0 for option in answer.options]
    assert prices == sorted(prices) and prices[-1] <= 1150 and len(prices) >= 2
    assert worths == sorted(worths) and len(set(worths)) == len(worths)
    step = answer.next_step
    assert step is None or ((step.offer.price or 0.0) > 1150 and (step.worth or 0.0) > worths[-1])


def test_a_quiet_machine_draws_no_more_than_was_asked() -> None:
    answer = planner.buy_machine(
        Workload(), planner.BuyTerms(max_watts=150), among=("rtx-4090", "strix-halo-395-128")
    )
    by = {option.offer.spec: option for option in answer.options}
    assert "above the 150 W wanted" in (by["rtx-4090"].problem or "")
    assert answer.advised is not None
    assert answer.options[answer.advised].offer.spec == "strix-halo-395-128"


def test_nothing_for_so_little_is_an_answer() -> None:
    answer = planner.buy_machine(Workload(), planner.BuyTerms(budget=50))
    assert answer.options == () and answer.advised is None
    assert "Nothing that is sold for 50 USD" in answer.notes[0]


def test_a_machine_that_is_not_known_is_one_line() -> None:
    with pytest.raises(planner.InputError, match="unknown profile"):
        planner.buy_machine(among=("warp-card",))
