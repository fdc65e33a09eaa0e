"""--moe-cache-mib: copies of experts that lie in RAM, in what the GPU has left."""

from __future__ import annotations

from typing import Any

import pytest

from planner.api import adjust_machine, load_profile, plan
from planner.errors import PlannerError
from planner.plan import Plan, Workload
from planner.reason import ReasonKind
from planner.units import MIB

NEW = {"llama.cpp": "b11549"}
LAYERS = 48  # of Qwen3.5-122B-A10B, each with 256 experts


def planned(card: str, cache: int, engines: dict[str, str] | None = None, **settings: Any) -> Plan:
    machine = load_profile(f"{card} + 128GiB ddr5-6000")
    machine = machine if engines is None else adjust_machine(machine, engines=engines)
    asked = {"n_cpu_moe": LAYERS, "moe_cache_mib": cache, **settings}
    return plan(
        "qwen3.5-122b-a10b",
        machine,
        Workload(context=8192),
        quant="IQ4_XS",
        engine="llama.cpp",
        settings=asked,
    )


@pytest.mark.parametrize("cards", [1, 2])
def test_the_cache_fills_its_budget_in_whole_experts(cards: int) -> None:
    card = "rtx-4090" if cards == 1 else "2x rtx-4090"
    without, with_cache = (planned(card, size, NEW) for size in (0, 4000))
    gained = [
        b.weights - a.weights
        for a, b in zip(without.memory.devices[:-1], with_cache.memory.devices[:-1], strict=True)
    ]
    one = without.memory.devices[-1].weights / (LAYERS * 256)  # an expert and what else lies in RAM
    assert 4000 * MIB - 2 * cards * one < sum(gained) <= 4000 * MIB
    assert len(gained) == cards and all(gained)
    assert (
        with_cache.memory.devices[-1].weights == without.memory.devices[-1].weights
    )  # RAM keeps all of them
    assert "--moe-cache-mib 4000" in with_cache.command


def test_it_holds_no_more_than_there_is() -> None:
    """All experts of two layers, and a slot more, whatever the budget."""
    two = planned("rtx-4090", 20000, NEW, n_cpu_moe=2), planned("rtx-4090", 0, NEW, n_cpu_moe=2)
    every, none = (p.memory.devices for p in two)
    layer = planned("rtx-4090", 0, NEW, n_cpu_moe=1).memory.devices
    assert every[0].weights - none[0].weights == pytest.approx(
        2 * (layer[0].weights - none[0].weights), rel=0.01
    )


@pytest.mark.parametrize(
    ("model", "card", "settings", "words"),
    [
        ("qwen3-32b", "rtx-4090", {}, "requires a MoE model"),
        ("gpt-oss-20b", "64GiB", {}, "requires a GPU backend"),
        ("gpt-oss-20b", "rtx-4090", {"n_cpu_moe": 10, "moe_cache_mib": 1}, "too small to hold the experts"),
    ],
)
def test_what_the_engine_refuses_is_refused_in_its_words(
    model: str, card: str, settings: dict[str, Any], words: str
) -> None:
    machine = load_profile(None, ram=card) if card.endswith("GiB") else load_profile(card)
    asked = {"moe_cache_mib": 512, **settings}
    with pytest.raises(PlannerError, match=words):
        plan(model, machine, Workload(context=4096), engine="llama.cpp", settings=asked)


def test_an_older_build_is_said_not_to_know_it() -> None:
    assert any(w.kind is ReasonKind.OTHER_BUILD for w in planned("rtx-4090", 512).warnings)
    with pytest.raises(PlannerError, match="b11549"):
        planned("rtx-4090", 512, {"llama.cpp": "b10000"})
