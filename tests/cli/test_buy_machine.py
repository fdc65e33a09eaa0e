"""`planner buy` without a model, as a person reads it."""

from __future__ import annotations

import json

import jsonschema
import pytest

from tests.cli.conftest import Cli

AMONG = ("buy", "--use-case", "coding", "--among", "rtx-4090, apple-m4-16gb", "--min-speed", "5")


def test_the_first_lines_say_what_to_get_and_why(cli: Cli) -> None:
    answer = cli(*AMONG)
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0] == "Which machine for coding use, at least 5 tokens/s"
    assert lines[2].startswith("Get: rtx-4090, ")
    assert any(line.startswith("It runs ") for line in lines[3:5])
    assert "planner check --profile rtx-4090 --use-case coding --min-speed 5" in lines
    assert all(len(line) <= 80 for line in lines if not line.startswith("planner check"))


def test_the_document_is_that_of_its_schema(cli: Cli) -> None:
    document = json.loads(cli(*AMONG, "--json").out)
    jsonschema.validate(document, json.loads(cli("schema", "buy-machine").out))
    assert [option["profile"] for option in document["options"]] == ["rtx-4090", "apple-m4-16gb"]
    assert document["advised"] == 0


def test_what_does_not_go_together_is_said(cli: Cli) -> None:
    both = cli("buy", "gpt-oss-20b", "--among", "rtx-4090")
    assert both.code == 2 and "--among" in both.err
    assert cli("buy", "--among", " , ").code == 2
    assert "unknown profile 'warp'" in cli("buy", "--among", "warp").err


def test_what_is_got_back_at_the_end_is_taken_off(cli: Cli) -> None:
    words = ("buy", "--among", "rtx-4090", "--json")
    (kept,) = json.loads(cli(*words).out)["options"]
    (sold,) = json.loads(cli(*words, "--resale", "0.5").out)["options"]
    assert kept["cost"] - sold["cost"] == pytest.approx(kept["price"] / 2, abs=0.02)
    assert "50% of the price got back" in " ".join(cli(*words[:-1], "--resale", "0.5").out.split())
