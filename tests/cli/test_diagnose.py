"""`planner diagnose` on the terminal: four blocks, the marked change, exit codes, the document."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from planner.api import schema

from .conftest import Cli


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of their own for the pastes that are written."""
    monkeypatch.chdir(tmp_path)


TOO_LONG = "$ llama-server -m Qwen3.6-27B-Q4_K_M.gguf -c 262144 -ngl 99\n"


def test_a_diagnosis_has_its_blocks_and_the_command_with_its_change(cli: Cli) -> None:
    Path("paste.txt").write_text(TOO_LONG + "RTX 3090")
    said = cli("diagnose", "paste.txt")
    assert said.code == 0
    for block in ("What happened", "Why", "Do this", "If not that"):
        assert block in said.out
    assert "changed: -c 117760 (was 262144)" in said.out


def test_exit_codes_say_what_came_of_it(cli: Cli) -> None:
    Path("alone.txt").write_text("$ llama-server -m Qwen3.6-27B-Q4_K_M.gguf\n")
    Path("prose.txt").write_text("The quick brown fox jumps over the lazy dog.\n")
    alone = cli("diagnose", "alone.txt")
    assert alone.code == 1
    assert "--profile" in alone.out, "what is missing is asked for as something to add"
    assert cli("diagnose", "prose.txt").code == 2
    assert cli("diagnose", "alone.txt", "--profile", "rtx-3090", "--free", "8GiB").code == 0
    assert cli("diagnose", "missing.txt").code == 2


def test_the_document_keeps_to_its_schema(cli: Cli) -> None:
    Path("paste.txt").write_text(TOO_LONG)
    said = cli("diagnose", "paste.txt", "--profile", "rtx-3090", "--json")
    assert said.code == 0
    document = json.loads(said.out)
    jsonschema.validate(document, schema("diagnose"))
    assert document["changed"] == ["-c 117760 (was 262144)"]
    assert document["finding"]["changes"][0]["set"] == {"-c": "117760"}
