"""Buy: the options do what was asked, and none of those shown is beaten by another."""

from __future__ import annotations

from functools import cache

import pytest

import planner
from planner.advice.money.buy import BuyAnswer, BuyTerms, Question, buy, evaluate, pareto
from planner.advice.money.market import Market, Offer, offers, read_prices, resolve_prices
from planner.cli.money_options import parse_price
from planner.errors import InputError


@cache
def answer(budget: float, have: str | None = None) -> BuyAnswer:
    question = Question(
        models=(planner.load_model("gpt-oss-120b"),),
        workload=planner.Workload(context=32768, min_speed=20),
        terms=BuyTerms(budget=budget),
    )
    return buy(question, offers(Market(have=have)), planner.load_profile)


def test_options_keep_to_the_budget_and_do_what_was_asked() -> None:
    found = answer(5000)
    assert found.best
    for option in found.best:
        assert option.offer.price is not None
        assert option.offer.price <= 5000
        assert option.speed.low >= 20
        # the same question asked of `plan` on that profile gives the same answer
        plan = planner.plan(
            "gpt-oss-120b",
            option.offer.spec,
            planner.Workload(context=32768, min_speed=20),
            engine=option.plans[0].engine,
            quant=option.plans[0].quant,
        )
        assert plan.fits
        assert plan.max_context >= 32768


def test_what_an_expert_would_name_is_there() -> None:
    """A pair of cards, and a machine that holds the whole model."""
    specs = {o.offer.spec for o in answer(5000).best}
    assert any(spec.startswith("2x ") for spec in specs)
    assert any(o.offer.kind == "machine" and o.plans[0].placement == "gpu" for o in answer(5000).best)


def test_front_is_not_dominated() -> None:
    front = pareto(answer(5000).best)
    for one in front:
        for other in front:
            if one is not other and (other.offer.price or 0) <= (one.offer.price or 0):
                assert other.speed.expected < one.speed.expected or other.loss > one.loss


def test_what_not_to_buy_says_why() -> None:
    traps = answer(5000).not_to_buy
    assert traps
    assert all(option.problem for option in traps)


def test_too_small_a_budget_gets_a_sentence() -> None:
    found = answer(300)
    assert not found.best
    assert found.notes


def test_cards_for_what_one_has_cost_no_computer() -> None:
    """A computer with 64 GB of DDR5 cost 1,490 to 1,810 in September 2026, by the sum of its parts."""
    alone = {o.spec.split(" +")[0]: o for o in offers(Market())}
    added = {o.spec.split(" +")[0]: o for o in offers(Market(have="64GiB"))}
    assert alone["rtx-3090"].price == pytest.approx((added["rtx-3090"].price or 0) + 1650)


def test_own_prices_replace_the_facts() -> None:
    prices = resolve_prices(dict([parse_price("rtx 3090=777.5")]))
    offer: Offer = next(o for o in offers(Market(prices, have="64GiB")) if o.spec.startswith("rtx-3090 "))
    assert offer.price == 777.5
    assert offer.price_note == "your price"


def test_prices_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "prices.toml"
    path.write_text("[prices]\nrtx-3090 = 800\n")
    assert read_prices(path) == {"rtx-3090": 800.0}
    for bad in ("rtx-3090 = 'cheap'", "rtx-3090 = -1", "= 3", "prices = 3"):
        path.write_text(bad)
        with pytest.raises(InputError):
            read_prices(path)


def test_modules_of_servers_are_not_put_into_a_computer_one_has() -> None:
    fresh, added = (
        {o.spec.split(" + ")[0] for o in offers(Market(have=have), cloud=False)}
        for have in (None, "64GiB ddr5-5600")
    )
    assert {"h100-sxm", "mi300x"} <= fresh
    assert {"rtx-4090", "2x rtx-3090", "h100-pcie"} <= added
    assert not any("sxm" in spec or "mi300x" in spec for spec in added)


def test_a_card_for_servers_is_counted_in_one() -> None:
    """Whatever its price, known or not; a card that goes into a computer one has needs none."""
    found = {o.spec: o for o in offers(Market())}
    assert (found["h100-pcie"].around, found["rtx-4090"].around) == ("server", "computer")
    assert found["mi300x"].price is None and found["mi300x"].around == "server"
    assert found["strix-halo-395-128"].around == ""
    assert {o.around for o in offers(Market(have="64GiB ddr5-5600"))} == {""}


def test_what_is_no_longer_sold_new_has_no_price_of_today() -> None:
    found = {o.spec: o for o in offers(Market())}["apple-m4-max-64gb"]
    assert found.price is None
    assert "no longer sold new" in found.price_note


@pytest.mark.parametrize("spec", ["rtx-3090", "4x rtx-3090", "strix-halo-395-128", "dgx-spark", "h100-pcie"])
def test_buy_and_cost_agree_to_the_cent(spec: str) -> None:
    """The same machine, tokens, hours and price of electricity: one price, one power, one total."""
    workload = planner.Workload(context=32768)
    model = planner.load_model("gpt-oss-120b")
    offer = next(o for o in offers(Market()) if o.spec == spec)
    option = evaluate(Question((model,), workload, BuyTerms()), offer, planner.load_profile)
    assert option is not None
    cost = planner.cost(planner.plan(model, spec, workload, engine=option.plans[0].engine))
    assert offer.price == pytest.approx(cost.own.price, abs=0.005)
    assert option.cost == pytest.approx(cost.own.total, abs=0.005)
    assert option.watts == cost.own.load_watts


def test_of_what_costs_next_to_the_same_the_fastest_is_shown() -> None:
    """An RTX 3060 is twice as quick as an Arc B570 that costs 28 less beside a computer of 1,650."""
    question = Question(
        (planner.load_model("gpt-oss-20b"),), planner.Workload(context=16384), BuyTerms(budget=3000)
    )
    specs = {o.offer.spec for o in buy(question, offers(Market(), cloud=False), planner.load_profile).best}
    assert "rtx-3060-12" in specs and "arc-b570" not in specs
