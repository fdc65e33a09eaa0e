"""`planner plan A + B`: whose option is whose, and what is printed."""

from __future__ import annotations

import json

import jsonschema
import pytest

from planner.api import schema
from planner.cli.main import run
from planner.cli.several import ForAll, Others, read_models, split_models
from planner.plan import Workload


def test_words_before_a_plus_are_that_models_own() -> None:
    words = ["plan", "qwen3-8b", "-c", "8k", "+", "qwen3-4b", "-p", "rtx-4090", "--users", "2"]
    own, others = split_models(words)
    assert own == ["plan", "qwen3-4b", "-p", "rtx-4090", "--users", "2"]
    assert others == Others((("qwen3-8b", "-c", "8k"),))
    assert others is not None
    first, last = read_models(others, "qwen3-4b", ForAll(Workload(users=2)))
    assert (first.workload.context, first.workload.users) == (8192, 2)
    assert (last.workload.context, last.workload.users) == (None, 2)


def test_the_machine_may_be_said_anywhere() -> None:
    own, others = split_models(["plan", "a", "--profile=rtx-4090", "--json", "+", "b"])
    assert own == ["plan", "b", "--profile=rtx-4090", "--json"]
    assert others == Others((("a",),))


def test_a_quoted_model_has_options_of_its_own() -> None:
    shared = ForAll(Workload(context="4k"), "llama.cpp")
    (first, last) = read_models(Others((("qwen3-8b",),)), "qwen3-4b -c 8k -q Q8_0 --role completion", shared)
    assert (first.workload.context, first.quant, first.role.value) == (4096, None, "chat")
    assert (last.workload.context, last.quant, last.role.value) == (8192, "Q8_0", "completion")
    assert first.engine == last.engine == "llama.cpp"


def test_a_plus_elsewhere_is_no_second_model() -> None:
    words = ["plan", "qwen3-8b", "-p", "2x rtx-3090 + 128GiB"]
    assert split_models(words) == (words, None)
    assert split_models(["models", "+", "x"]) == (["models", "+", "x"], None)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["qwen3-8b", "+"], "each side of '+'"),
        (["qwen3-8b", "+", "qwen3-4b", "--depth"], "--depth"),
        (["+", "qwen3-8b"], "each side of '+'"),
        (["qwen3-8b", "+", "qwen3-4b", "--role", "poet"], "--role"),
        (["qwen3-8b", "-u", "many", "+", "qwen3-4b"], "'qwen3-8b -u many'"),
        (["qwen3-8b", "+", "'qwen3-4b -c"], "qwen3-4b"),
    ],
)
def test_bad_words_are_one_line(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", *words, "--profile", "rtx-4090"]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_the_document_has_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["qwen3-4b", "-c", "8k", "+", "qwen3-1.7b", "--profile", "rtx-4090", "--json"]
    assert run(["plan", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, schema("together"))
    assert found["fits"] is True
    assert [m["port"] for m in found["members"]] == [8080, 8081]
    assert run(["launch", *words]) == 0
    started = json.loads(capsys.readouterr().out)
    jsonschema.validate(started, schema("launch-together"))
    assert [m["plan"]["command"] for m in started["members"]] == [
        m["plan"]["command"] for m in found["members"]
    ]


def test_the_screen_says_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "qwen3-4b", "+", "qwen3-1.7b", "--profile", "rtx-4090"]) == 0
    shown = capsys.readouterr().out
    assert "2 models together" in shown
    assert shown.count("llama-server ") == 2
    assert "All stay loaded at the same time" in shown


def test_no_room_is_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["qwen3-4b", "+", "gpt-oss-120b", "--vram", "8GiB", "--ram", "16GiB"]
    assert run(["plan", *words]) == 1
    assert "do NOT fit" in capsys.readouterr().out
    assert run(["launch", *words]) == 1
    assert "even alone" in capsys.readouterr().err


def test_check_names_what_is_there_and_how_to_ask_again(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--profile", "rtx-4090", "--limit", "1", "--with", "qwen3-4b -c 4k"]
    assert run(["check", *words]) == 0
    shown = capsys.readouterr().out
    assert "-c 4096" in shown
    assert "planner plan 'qwen3-4b -c 4k' + '" in shown
    assert "--with 'qwen3-4b -c 4k' --why" in shown
    assert run(["check", "--cluster", "ray", "--with", "qwen3-4b"]) == 2
