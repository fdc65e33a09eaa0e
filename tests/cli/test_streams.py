"""Where the answer goes: a closed or full stdout, a reader that leaves, narrow terminals."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

PLANNER = (sys.executable, "-m", "planner")


def shell(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", command, "bash", *PLANNER, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
    )


@pytest.mark.parametrize("arguments", [("check", "--profile", "rtx-4090"), ("profiles", "--json")])
def test_a_closed_stdout_is_said_in_one_line(arguments: tuple[str, ...]) -> None:
    answer = shell('"$@" >&-', *arguments)
    assert answer.returncode == 2
    assert answer.stderr.splitlines() == [
        "planner: standard output is closed: there is nowhere to print the answer"
    ]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("arguments", [("check", "--profile", "rtx-4090"), ("profiles", "--json")])
def test_a_full_disk_is_said_in_one_line(arguments: tuple[str, ...]) -> None:
    answer = shell('"$@" > /dev/full', *arguments)
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    assert os.strerror(28) in answer.stderr


def test_a_reader_that_leaves_is_no_failure() -> None:
    answer = shell('"$@" | head -n 1 > /dev/null; echo "${PIPESTATUS[0]}"', "profiles", "--json")
    assert answer.stdout.strip() == "0"
    assert answer.stderr == ""


def test_hardware_without_a_price_is_not_called_cheaper_without_saying_so(cli: Cli) -> None:
    answer = cli("cost", "qwen3-32b", "--profile", "apple-m4-max-64gb", "--price", "0")
    assert "from the first month, its own price not counted" in " ".join(answer.out.split())


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "gpt-oss-120b", "--profile", "4x h100-sxm", "--engine", "vllm"),
        ("check", "--help"),
        ("show", "qwen3-32b", "--json"),
        ("claims",),
    ],
    ids=" ".join,
)
def test_a_terminal_that_knows_few_characters(encoding: str, arguments: tuple[str, ...]) -> None:
    answer = shell(f'PYTHONIOENCODING={encoding} PYTHONUTF8=0 LC_ALL=C "$@"', *arguments)
    assert answer.returncode == 0
    assert answer.stderr == ""
    if "--json" in arguments:
        json.loads(answer.stdout)
    if "vllm" in arguments and encoding == "ascii":
        assert "over 4 x NVIDIA" in answer.stdout  # nearest character, no question mark


def test_the_printed_plan_is_the_recommended_one_to_the_last_setting(cli: Cli) -> None:
    given = ("--profile", "rtx-4060-laptop", "--ram", "32GiB", "--use-case", "coding")
    best = json.loads(cli("check", *given, "--json").out)["plans"][0]
    (line,) = (x for x in cli("check", *given).out.splitlines() if x.startswith("planner plan "))
    for command in ("plan", "launch"):
        again = json.loads(cli(command, *shlex.split(line)[2:], "--json").out)
        again = again.get("plan", again)
        assert [again[k] for k in ("quant", "engine", "settings")] == [
            best[k] for k in ("quant", "engine", "settings")
        ]


def test_a_speed_that_nothing_reaches_is_a_no(cli: Cli) -> None:
    assert cli("check", "--profile", "rtx-4090", "--min-speed", "50000").code == 1
    assert cli("check", "--profile", "rtx-4090", "--min-speed", "20").code == 0


def test_the_next_command_asks_about_the_same_machine(cli: Cli) -> None:
    given = ("--profile", "2x rtx-3090", "--context", "16k", "--users", "2", "--use-case", "coding")
    lines = cli("check", *given, "--engine", "llama.cpp").out.splitlines()
    same = "--profile '2x rtx-3090' --context 16k --use-case coding --users 2"
    (plan,) = (line for line in lines if line.startswith("planner plan "))
    assert f"{same} --quant " in plan and plan.endswith(" --engine llama.cpp")
    assert f"planner check {same} --engine llama.cpp --why" in lines
