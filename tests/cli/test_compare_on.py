"""compare --on: every model on every machine, as `plan` would answer on each."""

from __future__ import annotations

import json
import shlex

import jsonschema
import pytest

from planner.documents.schema import schema
from tests.cli.conftest import Cli

WORDS = (
    "compare",
    "qwen3.6-35b-a3b",
    "gpt-oss-20b",
    "--use-case",
    "coding",
    "--on",
    "rtx-4090, apple-m4-16gb",
)


def test_every_model_is_on_every_machine_and_the_lines_plan_the_best(cli: Cli) -> None:
    answer = cli(*WORDS)
    assert answer.code == 0
    assert "rtx-4090: Qwen3.6-35B-A3B" in answer.out
    assert all(len(line) <= 80 for line in answer.out.splitlines() if not line.startswith("planner plan"))
    document = json.loads(cli(*WORDS, "--json").out)
    jsonschema.validate(document, schema("compare-on"))
    assert document["machines"] == ["rtx-4090", "apple-m4-16gb"]
    cells = {(c["model"], c["machine"]): c for c in document["cells"]}
    assert len(cells) == 4
    lines = [line for line in answer.out.splitlines() if line.startswith("planner plan ")]
    line = next(x for x in lines if "rtx-4090" in x)
    planned = json.loads(cli(*shlex.split(line)[1:], "--json").out)
    best = cells[(planned["model"], "rtx-4090")]
    assert planned["command"] == best["plan"]["command"]
    assert best["worth"] == max(c["worth"] for c in cells.values() if c["machine"] == "rtx-4090")


def test_a_machine_on_which_nothing_runs_is_a_no_with_its_reason(cli: Cli) -> None:
    answer = cli("compare", "deepseek-r1", "--on", "rtx-4090")
    assert answer.code == 1
    assert "DeepSeek-R1: " in answer.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--on", ","), "--on must name 1 to 8 machines, not 0"),
        (("--on", "rtx-4090", "--profile", "rtx-3090"), "--on names the machines"),
        (("--on", "no-such-card"), "no-such-card"),
    ],
)
def test_wrong_machines_are_one_line(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    answer = cli("compare", "gpt-oss-20b", *arguments)
    assert answer.code == 2
    assert says in answer.err
    assert len(answer.err.strip().splitlines()) == 1
