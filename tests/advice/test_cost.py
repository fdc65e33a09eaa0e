"""Cost: the arithmetic's properties, and three examples worked by hand in docs/cost.md."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import planner
from planner.advice.money.cost import (
    DAYS_PER_MONTH,
    Api,
    CloudGpu,
    OwnHardware,
    Subscription,
    Usage,
    break_even_month,
    cost_per_million,
    curve,
)

money = st.floats(0, 1e5, allow_nan=False)
watts = st.floats(0, 2000, allow_nan=False)
rates = st.floats(0.5, 1e5, allow_nan=False)
tokens = st.floats(0, 1e8, allow_nan=False)


@st.composite
def machines(draw: st.DrawFn) -> OwnHardware:
    idle = draw(watts)
    return OwnHardware(
        "own",
        price=draw(money),
        idle_w=idle,
        load_w=idle + draw(watts),
        decode_tps=draw(rates),
        prefill_tps=draw(rates),
        kwh_price=draw(st.floats(0, 2)),
        resale_fraction=draw(st.sampled_from([0.0, 0.3, 0.9, 1.0])),
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    return Usage(draw(tokens), draw(tokens), draw(st.floats(0.1, 24)))


alternatives = st.one_of(
    st.builds(Subscription, st.just("s"), money, st.integers(1, 50)),
    st.builds(Api, st.just("a"), st.floats(0, 100), st.floats(0, 100)),
    st.builds(CloudGpu, st.just("c"), st.floats(0, 50)),
)


@given(machines(), usages(), st.floats(0, 500))
def test_more_price_never_costs_less(own: OwnHardware, usage: Usage, more: float) -> None:
    dearer = OwnHardware(
        own.name, own.price + more, own.idle_w, own.load_w, own.decode_tps, own.prefill_tps,
        own.kwh_price, own.resale_fraction,
    )  # fmt: skip
    for month in (0.0, 1.0, 12.0, 36.0, 60.0):
        assert dearer.cumulative(month, usage) >= own.cumulative(month, usage) - 1e-6


@given(machines(), usages(), tokens)
def test_more_use_never_costs_less(own: OwnHardware, usage: Usage, more: float) -> None:
    heavier = Usage(usage.output_tokens_per_day + more, usage.input_tokens_per_day, usage.hours_on_per_day)
    assert own.running_per_month(heavier) >= own.running_per_month(usage) - 1e-9


@given(machines(), usages(), alternatives)
def test_break_even_lies_on_the_curves(
    own: OwnHardware, usage: Usage, other: Subscription | Api | CloudGpu
) -> None:
    month = break_even_month(own, other, usage)
    if month is None:
        # A century on, the machine is still dearer than the alternative.
        assert own.cumulative(1200.0, usage) >= other.cumulative(1200.0, usage) - 1e-6
        return
    scale = 1e-6 * (1 + own.price + other.cumulative(month, usage))
    later = month * 1.01 + own.lifetime_months * (month > 0)
    assert own.cumulative(later, usage) <= other.cumulative(later, usage) + scale
    if month > own.lifetime_months:
        assert own.cumulative(month, usage) == pytest.approx(other.cumulative(month, usage), abs=scale)


@given(machines(), usages())
def test_energy_lies_between_idle_and_load(own: OwnHardware, usage: Usage) -> None:
    hours = min(usage.hours_on_per_day, 24)
    assert own.idle_w * hours / 1000 - 1e-9 <= own.kwh_per_day(usage) <= own.load_w * hours / 1000 + 1e-9


def test_worked_example_one_graphics_card_against_a_subscription() -> None:
    # 1,000 for a used card; 20 W idle, 320 W load; on 10 hours a day; 36,000 tokens out at 100/s = 0.1 h,
    # 360,000 in at 1,000/s = 0.1 h: 0.2 h × 320 W + 9.8 h × 20 W = 64 + 196 = 260 Wh = 0.26 kWh a day,
    # × 0.30 = 0.078 a day = 2.374 a month; 20 - 2.374 = 17.626 saved a month: 1000 / 17.626 = 56.7 months.
    own = OwnHardware("used card", 1000, 20, 320, 100, 1000, 0.30)
    usage = Usage(36_000, 360_000, 10)
    assert own.kwh_per_day(usage) == pytest.approx(0.26)
    assert own.running_per_month(usage) == pytest.approx(2.3741, abs=1e-3)
    assert break_even_month(own, Subscription("chat", 20), usage) == pytest.approx(56.73, abs=0.01)


def test_worked_example_light_use_of_an_api_never_pays() -> None:
    # 10,000 tokens out and 30,000 in a day at 0.10 and 0.40 a million: 0.007 a day. The machine idles at
    # 60 W, 24 hours: 1.44 kWh × 0.25 = 0.36 a day: never.
    own = OwnHardware("workstation", 3000, 60, 400, 50, 500, 0.25)
    usage = Usage(10_000, 30_000)
    assert Api("api", 0.10, 0.40).cumulative(1, usage) == pytest.approx(0.007 * DAYS_PER_MONTH)
    assert break_even_month(own, Api("api", 0.10, 0.40), usage) is None


def test_worked_example_server_against_a_rented_gpu() -> None:
    # 30,000 bought, 50 % resale after 36 months; 300 W idle, 700 W load, busy 10 of 24 hours:
    # 7 + 4.2 = 11.2 kWh × 0.20 = 2.24 a day. Rented at 2.50 an hour: 60 a day. Depreciation
    # 15,000 / 36 = 416.67 a month + 68.18 of electricity against 1,826.25 rent: cheaper from the start.
    own = OwnHardware("server", 30_000, 300, 700, 1000, 1e9, 0.20, resale_fraction=0.5)
    usage = Usage(36_000_000, 0)
    assert own.busy_hours_per_day(usage) == pytest.approx(10)
    assert own.kwh_per_day(usage) == pytest.approx(11.2)
    assert break_even_month(own, CloudGpu("cloud", 2.5), usage) == 0.0
    # 36 months: 15,000 + 36 × 68.18 = 17,454.5 for 36e6 × 1095.75 tokens = 0.4425 a million
    assert cost_per_million(own, usage, 36) == pytest.approx(0.44249, abs=1e-4)


def test_no_output_has_no_price_per_token() -> None:
    own = OwnHardware("idle", 100, 10, 20, 10, 10, 0.3)
    assert cost_per_million(own, Usage(0, 0), 12) is None


def test_impossible_load_is_seen() -> None:
    own = OwnHardware("slow", 100, 10, 20, 1, 1000, 0.3)
    assert not own.can_do(Usage(100_000, 0))
    assert own.can_do(Usage(80_000, 0))


def test_curve_has_the_points_asked_for() -> None:
    own = OwnHardware("o", 100, 0, 0, 1, 1, 0.0)
    assert curve(own, Usage(0, 0), [0, 12]) == [(0, 100), (12, 100)]


def test_a_share_of_the_input_from_the_providers_cache_costs_its_price() -> None:
    """1,000,000 in a day at 1.00, four fifths of them cached at 0.10: 0.28 a day instead of 1."""
    usage = Usage(0, 1_000_000, 8)
    api = Api("api", 1.00, 4.00, 0.10, 0.8)
    assert api.cumulative(1, usage) == pytest.approx(0.28 * DAYS_PER_MONTH)
    assert Api("api", 1.00, 4.00, None, 0.8).cumulative(1, usage) == pytest.approx(DAYS_PER_MONTH)


def test_a_known_model_is_compared_with_the_cheapest_provider_of_it() -> None:
    answer = planner.cost(planner.plan("gpt-oss-120b", "strix-halo-395-128"))
    prices = planner.api_prices("gpt-oss-120b")
    assert len(prices) >= 10 and all(0 < p.input <= p.output < 2 for p in prices)
    (api,) = (other for other in answer.alternatives if other.name.startswith("API"))
    for price in prices:
        assert api.per_month <= (200_000 * price.input + 50_000 * price.output) / 1e6 * DAYS_PER_MONTH + 1e-9
    said = next(note for note in answer.notes if "cheapest of" in note)
    assert "2026-" in said


def test_electricity_by_country() -> None:
    """Eurostat's first half of 2026 and EIA's year to July 2026."""
    assert (planner.electricity("de").price, planner.electricity("DE").currency) == (0.3618, "EUR")
    assert planner.electricity("us-tx").price == planner.electricity("TX").price == 0.1596
    with pytest.raises(planner.InputError, match="country"):
        planner.electricity("Atlantis")
