"""What a start costs: counted, not timed, so that a busy machine fails nothing."""

from __future__ import annotations

import subprocess
import sys
from types import FrameType
from typing import Any

import pytest

import planner
from benchmarks.planning_speed import repeated

HEAVY = ("pydantic", "huggingface_hub", "numpy", "requests", "httpx", "tabulate", "importlib.metadata")
LISTED = (
    "import io, sys; from planner.cli.main import run\n"
    "out, sys.stdout = sys.stdout, io.StringIO(); code = run(sys.argv[1:]); sys.stdout = out\n"
    "print(code); print(*sys.modules, sep='\\n')"
)


@pytest.mark.parametrize(
    "command",
    [
        "check --profile rtx-4090",
        "check --profile h100-80gb --users 8 --context 32k",
        "check --profile raspberry-pi-5-8gb",
        "check --profile rtx-4090 --json",
        "plan gpt-oss-20b --profile rtx-4090",
        "plan gpt-oss-20b --profile rtx-4090 --json",
        "launch gpt-oss-20b --profile rtx-4090",
    ],
)
def test_common_commands_import_nothing_heavy(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LISTED, *command.split()], capture_output=True, text=True, check=True
    )
    code, *modules = done.stdout.split()
    assert code == "0"
    assert not [name for name in HEAVY if name in modules]


def calls_of(entries: list[Any]) -> tuple[int, int]:
    """How many functions one recommendation calls, and how many models it plans."""
    machine = planner.load_profile("rtx-4090")
    planner.recommend(machine, entries=entries)
    calls = 0

    def count(_frame: FrameType, event: str, _value: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        planned = planner.recommend(machine, entries=entries).planned
    finally:
        sys.setprofile(before)
    return calls, planned


def test_a_recommendation_grows_no_faster_than_the_catalogue() -> None:
    counts = {factor: calls_of(repeated(factor)) for factor in (10, 20, 40)}
    assert counts[40][0] - counts[20][0] < 1.3 * 2 * (counts[20][0] - counts[10][0])
    # What cannot win is not planned at all, however many there are.
    assert counts[40][1] < 40 * counts[10][1] / 10 + 10
