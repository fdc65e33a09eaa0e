"""What llama.cpp's accounting leaves out: intervals that hold what was seen, by classes that hold what was sold."""

from __future__ import annotations

import json
import statistics
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from planner.engines.llama_cpp import unaccounted as rules
from planner.engines.llama_cpp.unaccounted import Overhead, unaccounted
from planner.hardware.profiles.load import load_profile
from planner.units import GIB, MIB

CASES = Path(__file__).parents[3] / "benchmarks" / "data" / "memory.jsonl"
ALL = {name: value for name, value in vars(rules).items() if isinstance(value, Overhead)}


def of_card(name: str) -> Overhead:
    return unaccounted(load_profile(name).accelerators[0])


@pytest.mark.parametrize("name", ALL)
def test_an_interval_is_one_and_says_what_it_rests_on(name: str) -> None:
    overhead = ALL[name]
    assert 0 < overhead.low < overhead.expected < overhead.high < 2.5 * GIB
    assert overhead.source and overhead.date.startswith("202")


@pytest.mark.parametrize(
    ("card", "multiprocessors", "kind"),
    [
        ("rtx-3060-12gb", 28, rules.CUDA_SMALL),
        ("rtx-4060-ti-16", 34, rules.CUDA_SMALL),
        ("t4", 40, rules.CUDA_SMALL),
        ("rtx-4080", 76, rules.CUDA_SMALL),
        ("rtx-3090", 82, rules.CUDA_HIGH_END),
        ("rtx-4090", 128, rules.CUDA_HIGH_END),
        ("rtx-5090", 170, rules.CUDA_HIGH_END),
        ("a100-40gb", 108, rules.CUDA_LARGE),
        ("h100-80gb", 132, rules.CUDA_LARGE),
        ("rtx-pro-6000", 188, rules.CUDA_LARGE),
        ("gb10", 48, rules.CUDA_UNIFIED),
    ],
)
def test_a_card_is_of_the_class_of_its_multiprocessors(
    card: str, multiprocessors: int, kind: Overhead
) -> None:
    assert of_card(card) is kind
    assert (kind is rules.CUDA_SMALL) == (multiprocessors < 80) or kind is rules.CUDA_UNIFIED


def test_more_multiprocessors_take_more() -> None:
    classes = (rules.CUDA_SMALL, rules.CUDA_HIGH_END, rules.CUDA_LARGE)
    for small, large in pairwise(classes):
        assert small.low < large.low and small.expected < large.expected and small.high < large.high
    # The CUDA context alone took 107 MiB with 34 multiprocessors and 555 MiB with 188.
    assert rules.CUDA_SMALL.low >= 107 * MIB and rules.CUDA_LARGE.expected >= 555 * MIB


def breakdowns(device: str) -> list[int]:
    """MiB that a load took beyond llama.cpp's own figures, where the log shows what was free before."""
    found = []
    for line in CASES.read_text(encoding="utf-8").splitlines():
        measured: Any = json.loads(line).get("measured") or {}
        rows = [r for r in measured.get("memory_breakdown_mib") or [] if device in r["device"]]
        before = next((r["free"] for r in rows if r.get("stage") == "projected_before_load"), None)
        after = next((r for r in rows if r.get("stage") == "measured"), None)
        if before is not None and after is not None:
            found.append(before - after["free"] - after["self"])
    return found


def test_what_strix_halo_took_under_vulkan_lies_in_its_interval() -> None:
    seen = breakdowns("STRIX_HALO")
    assert len(seen) >= 6
    interval = rules.VULKAN_UNIFIED
    assert max(seen) * MIB <= interval.high
    assert interval.low <= statistics.median(seen) * MIB <= interval.high
    assert abs(interval.expected - statistics.median(seen) * MIB) <= 100 * MIB


def test_what_was_seen_once_lies_in_its_interval() -> None:
    assert rules.CUDA_LARGE.low <= 749 * MIB <= rules.CUDA_LARGE.high  # RTX PRO 6000 Max-Q
    assert rules.CUDA_UNIFIED.expected <= int(2.2 * GIB) <= rules.CUDA_UNIFIED.high  # GB10, the most seen
