"""The screens are as reviewed (tests/golden), and none is wider than 80 columns but for its commands."""

from __future__ import annotations

import pytest

from benchmarks.golden_screens import FOLDER, SCREENS, screen

COMMANDS = (
    "llama-server ",
    "llama-bench ",
    "vllm serve ",
    "ollama ",
    "export ",
    "$ planner",
    "planner ",
    "OLLAMA_",
)


@pytest.mark.parametrize("name", SCREENS)
def test_screen_is_as_reviewed(name: str) -> None:
    """Where a change is meant: python -m benchmarks.golden_screens --write, and read the diff."""
    now = screen(SCREENS[name])
    assert now == (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    for line in now.splitlines():
        assert len(line) <= 80 or line.startswith(COMMANDS), line
    assert "\x1b" not in now
