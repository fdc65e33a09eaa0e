"""A person's own defaults: set, read back, used by every command that has the option, and never in the way."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

import planner
from planner.api.own_defaults import KEYS
from tests.cli.conftest import Cli


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "planner" / "config.toml"


GOOD = {
    "machine": "rtx-4090",
    "engine": "vllm",
    "use-case": "coding",
    "license": "commercial",
    "min-speed": "25",
    "country": "DE",
    "currency": "EUR",
    "usd-rate": "1.05",
    "kwh-price": "0.34",
    "hours-per-day": "6",
    "months": "36",
}
BAD = {
    "machine": "no-such-card",
    "engine": "warp-drive",
    "use-case": "juggling",
    "license": "mine",
    "min-speed": "quick",
    "country": "Atlantis",
    "currency": "12",
    "usd-rate": "nan",
    "kwh-price": "-1",
    "hours-per-day": "25",
    "months": "0",
}


def test_every_default_is_tried_here() -> None:
    assert GOOD.keys() == BAD.keys() == KEYS.keys()


@pytest.mark.parametrize("key", KEYS)
def test_what_is_set_is_read_back_and_taken_back(key: str, file: Path, cli: Cli) -> None:
    assert cli("config", key).code == 1
    set_it = cli("config", key, GOOD[key])
    assert (set_it.code, set_it.err) == (0, "")
    assert cli("config", key).out.strip() == GOOD[key]
    stored = tomllib.loads(file.read_text())
    assert list(stored) == [key] and str(stored[key]).removesuffix(".0") == GOOD[key]
    assert cli("config", key, "--unset").code == 0
    assert cli("config", key).code == 1


@pytest.mark.parametrize("key", KEYS)
def test_what_is_none_is_refused_in_one_line_and_nothing_is_written(key: str, file: Path, cli: Cli) -> None:
    answer = cli("config", "--", key, BAD[key])
    assert answer.code == 2 and answer.out == ""
    assert answer.err.count("\n") == 1 and answer.err.startswith("planner: ")
    assert not file.exists()


def test_defaults_stand_for_options_and_are_said(file: Path, cli: Cli) -> None:
    for key in ("machine", "engine"):
        cli("config", key, GOOD[key])
    answer = cli("plan", "qwen3-8b", "--json")
    plan = json.loads(answer.out)
    assert plan["engine"] == "vllm" and "4090" in plan["machine"]
    assert answer.err == "planner: your defaults: --profile rtx-4090 --engine vllm (planner config)\n"


def test_a_typed_option_wins(file: Path, cli: Cli) -> None:
    for key in ("machine", "engine"):
        cli("config", key, GOOD[key])
    plan = json.loads(cli("plan", "qwen3-8b", "-p", "rtx-3090", "--engine=ollama", "--json").out)
    assert plan["engine"] == "ollama" and "3090" in plan["machine"]


def test_here_is_this_machine_whatever_is_set(file: Path, cli: Cli) -> None:
    cli("config", "machine", "rtx-4090")
    answer = json.loads(cli("check", "--profile", "here", "--limit", "1", "--json").out)
    assert answer["machine"]["detected"] is True


def test_a_described_machine_is_not_mixed_with_the_usual_one(file: Path, cli: Cli) -> None:
    cli("config", "machine", "rtx-4090")
    answer = cli("check", "--ram", "16GiB", "--limit", "1", "--json")
    assert answer.err == ""
    assert "4090" not in answer.out


def test_a_pasted_command_names_its_own_engine(file: Path, cli: Cli) -> None:
    cli("config", "engine", "vllm")
    plan = json.loads(cli("plan", "-p", "rtx-4090", "--json", "--", "ollama", "run", "qwen3:8b").out)
    assert plan["engine"] == "ollama"


def test_money_is_said_in_what_is_set(file: Path, cli: Cli) -> None:
    cli("config", "country", "de")
    cost = json.loads(cli("cost", "qwen3-8b", "-p", "rtx-4090", "--json").out)
    assert cost["currency"] == "EUR"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("machine = ", "mend or remove it"),
        ('machines = "rtx-4090"', "no default is called"),
        ('engine = "warp-drive"', "warp-drive"),
        ("engine = 3", "must be a text"),
        ("kwh-price = true", "must be 0 to"),
        ('[engine]\nname = "vllm"', "must be a text"),
        ('engine = "\\u001b[31mred"', "engine"),
        ("x" * 70_000, "config.toml"),
    ],
)
def test_a_broken_file_is_one_clear_line(text: str, told: str, file: Path, cli: Cli) -> None:
    file.parent.mkdir()
    file.write_text(text)
    for command in (("check", "-p", "rtx-4090"), ("config",), ("config", "engine", "vllm")):
        answer = cli(*command)
        assert answer.code == 2 and answer.out == ""
        assert answer.err.count("\n") == 1 and told in answer.err and str(file) in answer.err
        assert "\x1b" not in answer.err
    assert file.read_text() == text


def test_what_else_stands_in_the_file_stays(file: Path, cli: Cli) -> None:
    file.parent.mkdir()
    file.write_text('# my rig\nuse_case = "coding"\n\nengine = "ollama"  # for now\n')
    assert cli("config", "engine", "llama.cpp").code == 0
    assert file.read_text() == '# my rig\nuse_case = "coding"\n\nengine = "llama.cpp"\n'
    assert {one.key: one.value for one in planner.config().settings if one.value} == {
        "engine": "llama.cpp",
        "use-case": "coding",
    }


def test_commands_about_this_machine_are_left_alone(file: Path, cli: Cli) -> None:
    cli("config", "machine", "rtx-4090")
    assert cli("doctor").err == ""
    assert cli("profiles", "4090").err == ""


def test_without_a_home_there_are_no_defaults(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.api.own_defaults.config_dir", lambda: None)
    assert cli("check", "-p", "rtx-4090", "--limit", "1").code == 0
    assert cli("config").code == 0
    assert "no home folder" in cli("config", "engine", "vllm").err
