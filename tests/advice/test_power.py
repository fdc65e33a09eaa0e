"""Power at the wall: measured rows against what machine_power says of the same computers."""

from __future__ import annotations

import pytest

import planner
from planner.advice.money.power import machine_power
from planner.fast_dataclass import replace

# (profile, watts measured at the wall while a model generated, lowest and highest; source)
MEASURED = (
    ("rtx-3060-12", 214, 229),  # geerlingguy/ai-benchmarks README bdf9441 (2025-12-18), a PC with a 265K
    ("rtx-a4000", 199, 269),
    ("rtx-2080-ti", 258, 308),
    ("rtx-4070-ti", 267, 311),
    ("r9700", 331, 334),
    ("rtx-4090", 262, 509),
    ("2x rtx-3090", 760, 760),  # r/LocalLLaMA, without a power limit
    ("apple-m4-max-128gb", 120, 120),
    ("apple-m3-ultra-512gb", 223, 262),
    ("strix-halo-395-128", 100, 140),
    ("dgx-spark", 123, 156),
)


@pytest.mark.parametrize(("profile", "low", "high"), MEASURED)
def test_load_is_what_was_measured_at_the_wall(profile: str, low: float, high: float) -> None:
    power = machine_power(planner.load_profile(profile))
    assert power.complete
    assert low * 0.9 <= power.load <= high * 1.15


def test_whole_machines_have_nothing_added() -> None:
    """A Mac Studio idles at some 10 W: it is no card in a computer of 40."""
    assert machine_power(planner.load_profile("apple-m4-max-128gb")).idle <= 12
    assert machine_power(planner.load_profile("dgx-spark")).idle == 24


def test_a_pc_of_two_cards_idles_at_what_was_measured() -> None:
    """2x RTX 3090 in a PC: 90 W doing nothing."""
    assert machine_power(planner.load_profile("2x rtx-3090")).idle == pytest.approx(90, rel=0.1)


def test_a_server_adds_300_watts_and_a_pc_90() -> None:
    """Cards at 0.85 of their limits: 700 W of an H100, 350 W of an RTX 3090; a two-socket server idles at 150 W."""
    server = machine_power(planner.load_profile("8x h100-sxm"))
    assert server.load == pytest.approx(8 * 700 * 0.85 + 300)
    cards = planner.load_profile("8x h100-sxm").accelerators
    doing_nothing = sum(700 * 0.06 if card.idle_w is None else card.idle_w for card in cards)
    assert server.idle == pytest.approx(doing_nothing + 150)
    assert machine_power(planner.load_profile("rtx-3090")).load == pytest.approx(350 * 0.85 + 90)


def test_a_card_of_unknown_idle_power_draws_six_hundredths_of_its_limit() -> None:
    machine = planner.load_profile("rtx-3090")
    host = machine.hosts[0]
    bare = replace(
        machine, hosts=(replace(host, accelerators=(replace(host.accelerators[0], idle_w=None),)),)
    )
    assert machine_power(bare).idle == pytest.approx(350 * 0.06 + 40)


def test_a_chip_that_nobody_measured_draws_a_fifth_more_than_rated_and_idles_at_ten_watts() -> None:
    machine = planner.load_profile("apple-m4-max-128gb")
    host = machine.hosts[0]
    unmeasured = replace(host.accelerators[0], profile=None, tdp_w=50.0)
    power = machine_power(replace(machine, hosts=(replace(host, accelerators=(unmeasured,)),)))
    assert (power.idle, power.load) == (10.0, pytest.approx(60.0))
