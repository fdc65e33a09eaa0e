"""models, show, compare, claims and bundle as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from planner.documents.schema import schema
from tests.cli.conftest import Cli
from tests.file_server import serve


def _valid(name: str, text: str) -> dict[str, object]:
    document: dict[str, object] = json.loads(text)
    jsonschema.validate(document, schema(name))
    return document


def test_models_lists_and_filters(cli: Cli) -> None:
    answer = cli("models", "gpt-oss")
    assert answer.code == 0
    assert "gpt-oss-120b" in answer.out
    assert all(len(line) <= 80 for line in answer.out.splitlines())
    document = _valid("models", cli("models", "--license", "permissive", "--json").out)
    models = document["models"]
    assert isinstance(models, list)
    assert len(models) > 150
    assert {m["licence_class"] for m in models} == {"permissive"}


def test_models_says_what_is_near(cli: Cli) -> None:
    answer = cli("models", "gptoss-21b")
    assert answer.code == 1
    assert "near are" in answer.err
    assert answer.out == ""


def test_models_check(cli: Cli) -> None:
    answer = cli("models", "granite", "--check")
    assert answer.code == 0
    assert "published file size is met" in answer.out
    document = _valid("models-check", cli("models", "granite", "--check", "--json").out)
    summary = document["summary"]
    assert isinstance(summary, dict)
    assert summary["parameters_verified"] == summary["cards"] > 5


def test_show_says_what_one_may_do(cli: Cli) -> None:
    answer = cli("show", "llama-4-scout")
    assert answer.code == 0
    text = " ".join(answer.out.split())
    assert "700 million monthly users" in text
    assert "European Union" in text
    lines = [line for line in answer.out.splitlines() if "https://" not in line]  # a link is not broken
    assert all(len(line) <= 80 for line in lines)
    document = _valid("show", cli("show", "qwen3:30b-a3b", "--json").out)
    assert document["id"] == "Qwen/Qwen3-30B-A3B"


def test_show_of_a_shape_that_is_not_known(cli: Cli) -> None:
    answer = cli("show", "Step-5-Preview")
    assert answer.code == 0
    assert "not published" in answer.out
    _valid("show", cli("show", "Step-5-Preview", "--json").out)


def test_compare(cli: Cli) -> None:
    answer = cli("compare", "gpt-oss-20b", "qwen3-30b-a3b", "--profile", "rtx-4090")
    assert answer.code == 0
    assert "tokens/s" in answer.out
    assert all(len(line) <= 80 for line in answer.out.splitlines())
    document = _valid("compare", cli("compare", "gpt-oss-20b", "qwen3-30b-a3b", "--json").out)
    models = document["models"]
    assert isinstance(models, list)
    assert models[0]["kv_cache"] < models[1]["kv_cache"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "no-such-model"),
        ("compare", "gpt-oss-20b"),
        ("compare", "gpt-oss-20b", "nonsense"),
        ("claims", "no-such-claim"),
        ("models", "--license", "free"),
        ("models", "--refresh"),
        ("models", "gpt-oss", "--format", "nonsense"),
        ("bundle", "no-such-model", "--profile", "rtx-4090"),
    ],
)
def test_wrong_input_is_one_line(cli: Cli, arguments: tuple[str, ...]) -> None:
    answer = cli(*arguments)
    assert answer.code == 2
    assert len(answer.err.strip().splitlines()) == 1


def test_claims(cli: Cli) -> None:
    answer = cli("claims", "gpt-oss-licence")
    assert answer.code == 0
    assert "holds" in answer.out
    _valid("claims", cli("claims", "deepseek-mit", "--json").out)


def test_bundle_writes_what_it_says(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    answer = cli("bundle", "gpt-oss-20b", "--profile", "rtx-4090", "--out", str(out), "--json")
    assert answer.code == 0
    document = _valid("bundle", answer.out)
    assert json.loads((out / "manifest.json").read_text()) == document
    assert (out / "fetch.sh").stat().st_mode & 0o111
    assert (out / "start-gpt-oss-20b.sh").is_file()


def test_bundle_refuses_what_does_not_fit(cli: Cli, tmp_path: Path) -> None:
    answer = cli("bundle", "kimi-k2", "--profile", "rtx-4060", "--no-ask", "--out", str(tmp_path / "b"))
    assert answer.code == 1
    assert not (tmp_path / "b").exists()


def test_bundle_refuses_a_file_as_its_folder_in_one_line(cli: Cli, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    answer = cli("bundle", "gpt-oss-20b", "--profile", "rtx-4090", "--out", str(taken))
    assert answer.code == 2 and not answer.out
    assert len(answer.err.splitlines()) == 1 and "is a file" in answer.err


def test_bundle_names_a_model_without_an_answer_once(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with serve() as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        answer = cli("bundle", "gpt-oss-20b", "--profile", "rtx-4090", "--out", str(tmp_path / "b"))
    assert answer.code == 0
    (line,) = answer.err.splitlines()
    assert line.startswith("planner: openai/gpt-oss-20b") and line.count("openai/gpt-oss-20b") == 1
