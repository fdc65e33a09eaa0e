"""What moved between two builds of llama.cpp (benchmarks/measure_build.py)."""

from __future__ import annotations

from benchmarks.measure_build import Figures, moved

BEFORE: Figures = {"weights": 1000, "caches": 512, "compute": 300}


def test_only_what_moved_is_said() -> None:
    assert moved(BEFORE, dict(BEFORE)) == ""
    assert moved(BEFORE, {"weights": 1000, "caches": 512, "compute": 260}) == "compute -40 of 300"
    assert moved(None, BEFORE) == "not measured before"


def test_a_refusal_is_a_move_unless_both_refuse() -> None:
    assert moved(BEFORE, "unknown model architecture") == "refused now: unknown model architecture"
    assert moved("unknown model architecture", BEFORE) == "refused before: unknown model architecture"
    assert moved("unknown model architecture", "another sentence") == ""
