"""One question everywhere: the licence means the same in every command, and printed lines repeat the answer."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli

# Machines of every kind, and use cases whose contexts and scores differ.
ASKED = (
    ("rtx-4060-laptop", "coding"),
    ("apple-m4-16gb", "reasoning"),
    ("rtx-5060-ti-16", "agents"),
    ("laptop-ddr4-16", "general"),
    ("strix-halo-395-128", "vision"),
)


@pytest.mark.parametrize(("profile", "use_case"), ASKED)
def test_the_line_that_check_prints_plans_starts_and_bundles_its_first_answer(
    cli: Cli, tmp_path: Path, profile: str, use_case: str
) -> None:
    words = ["check", "--profile", profile, "--use-case", use_case, "--license", "permissive", "-n", "1"]
    best = json.loads(cli(*words, "--json").out)["plans"][0]
    line = next(x for x in cli(*words).out.splitlines() if x.startswith("planner plan "))
    _, _, *asked = shlex.split(line)
    plan = json.loads(cli("plan", *asked, "--json").out)
    launch = json.loads(cli("launch", *asked, "--json").out)
    out = str(tmp_path / "bundle")
    bundle = json.loads(cli("bundle", *asked, "--no-ask", "--out", out, "--json").out)
    for other in (plan, launch, bundle["models"][0]["plan"]):
        assert _answer(other) == _answer(best)


def _answer(plan: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(plan[key] for key in ("model", "quant", "engine", "settings", "command"))


@pytest.mark.parametrize(
    "command",
    [
        ("plan", "llama-3.3-70b", "--profile", "strix-halo-395-128"),
        ("launch", "llama-3.3-70b", "--profile", "strix-halo-395-128"),
        ("cost", "llama-3.3-70b", "--profile", "strix-halo-395-128"),
        ("bundle", "llama-3.3-70b", "--profile", "strix-halo-395-128", "--no-ask"),
    ],
    ids=lambda command: command[0],
)
def test_a_licence_that_was_not_asked_for_is_a_no(cli: Cli, command: tuple[str, ...]) -> None:
    answer = cli(*command, "--license", "permissive")
    assert answer.code == 1
    assert "is commercial, and --license permissive was asked for" in answer.err
    assert not answer.out


def test_a_comparison_says_whose_licence_is_another(cli: Cli) -> None:
    words = ("compare", "llama-3.3-70b", "qwen3-32b", "--profile", "rtx-3090 x2", "--license", "permissive")
    llama, qwen = json.loads(cli(*words, "--json").out)["models"]
    assert llama["plan"] is None
    assert "--license permissive was asked for" in llama["reason"]
    assert qwen["plan"]["fits"]


def test_what_was_typed_is_repeated_and_nothing_else(cli: Cli) -> None:
    words = (
        "check",
        "-p",
        "rtx-4090",
        "-u",
        "4",
        "-c",
        "32k",
        "--min-speed",
        "12.5",
        "--use-case",
        "general",
    )
    lines = cli(*words).out.splitlines()
    line = next(x for x in lines if x.startswith("planner plan "))
    assert " --profile rtx-4090 --context 32k --min-speed 12.5 --users 4 --quant" in line
