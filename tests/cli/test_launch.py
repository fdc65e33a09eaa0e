"""`planner launch`: what it prints makes the plan true."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

OLLAMA = ["launch", "gpt-oss-20b", "--engine", "ollama", "--profile", "rtx-4060-ti-16gb"]


def test_an_open_context_is_set_whatever_ollama_would_start(cli: Cli) -> None:
    assert "PARAMETER num_ctx 32768" in cli(*OLLAMA).out


def test_the_context_goes_into_a_modelfile(cli: Cli) -> None:
    """A server that runs already would not hear of OLLAMA_CONTEXT_LENGTH in another shell."""
    answer = json.loads(cli(*OLLAMA, "--context", "32k", "--json").out)
    (modelfile,) = answer["files"]
    assert modelfile == {"name": "Modelfile", "content": "FROM gpt-oss:20b\nPARAMETER num_ctx 32768\n"}
    create, run = answer["command"].splitlines()
    assert create == "ollama create gpt-oss-20b-planned -f Modelfile"
    assert run == "ollama run gpt-oss-20b-planned"
    assert answer["settings"]["num_ctx"] == 32768


def test_compose_creates_the_model_in_the_container(cli: Cli) -> None:
    answer = json.loads(cli(*OLLAMA, "--context", "32k", "--format", "compose", "--json").out)
    lines = answer["command"].splitlines()
    assert lines[0].startswith("docker compose up")
    assert lines[1].endswith("ollama create gpt-oss-20b-planned -f /Modelfile")
    assert {f["name"] for f in answer["files"]} == {"compose.yaml", "Modelfile"}


def test_the_servers_environment_is_said_to_be_the_servers(cli: Cli) -> None:
    answer = cli(*OLLAMA, "--users", "2", "--context", "8k")
    assert "OLLAMA_NUM_PARALLEL=2" in answer.out
    assert "ollama serve" in answer.out.split("export")[0]


def test_a_reason_is_said_once_with_the_command_that_explains_it(cli: Cli) -> None:
    asked = ("--profile", "rtx-4090", "--users", "2")
    for engine in ("llama.cpp", "vllm"):
        answer = cli("launch", "deepseek-r1", "--engine", engine, *asked)
        assert (answer.code, answer.out) == (1, "")
        assert answer.err.lower().count("fit") == 1
        assert "planner plan deepseek-r1 --profile rtx-4090 --users 2 explains" in answer.err


def test_what_does_not_fit_is_not_launched(cli: Cli) -> None:
    answer = cli("launch", "deepseek-r1", "--profile", "rtx-4090")
    assert answer.code == 1
    assert answer.out == ""
    assert answer.err.count("\n") == 1


def test_sglang_as_an_engine(cli: Cli) -> None:
    """Its command is that of the plan made for vLLM; memory of its own is not promised."""
    line = ("launch", "deepseek-r1", "--profile", "h200-sxm x8", "--users", "100", "--context", "16k")
    answer = cli(*line, "--engine", "sglang")
    assert answer.code == 0, answer.err
    words = shlex.split(answer.out.strip().splitlines()[-1])
    assert words[:5] == ["python3", "-m", "sglang.launch_server", "--model-path", "deepseek-ai/DeepSeek-R1"]
    assert words[words.index("--tensor-parallel-size") + 1] == "8"
    assert words[words.index("--data-parallel-size") + 1] == "8" and "--enable-dp-attention" in words
    assert cli(*line, "--format", "sglang").out == answer.out
    document = json.loads(cli(*line, "--engine", "sglang", "--json").out)
    assert document["command"] == answer.out.strip().splitlines()[-1] and document["engine"] == "vllm"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            ("launch", "qwen3-8b", "--engine", "sglang", "--format", "compose"),
            "SGLang is rendered as a command",
        ),
        (
            ("launch", "qwen3-8b", "--engine", "foo"),
            "llama.cpp, ollama, vllm, mlx, whisper.cpp (launch: also sglang, lm-studio)",
        ),
        (("plan", "qwen3-8b", "--engine", "sglang"), "planner launch MODEL --engine sglang"),
        (("check", "--engine", "sglang"), "planner launch MODEL --engine sglang"),
    ],
)
def test_engines_that_are_named_and_are_none(cli: Cli, line: tuple[str, ...], said: str) -> None:
    answer = cli(*line, "--profile", "rtx-4090")
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err and answer.err.count("\n") == 1


def test_a_plan_promises_no_user_that_the_cache_does_not_hold(cli: Cli) -> None:
    """A cache for 4.7 requests has room for four users, as the line that says 4.7 does."""
    given = ("plan", "qwen3.6-27b", "--profile", "dgx-spark", "--engine", "vllm")
    held = json.loads(cli(*given, "--json").out)["max_concurrency"]
    assert held % 1 >= 0.5
    assert f"the cache has room for {int(held)} users" in " ".join(cli(*given).out.split())


def test_a_modelfile_is_never_without_its_text(cli: Cli) -> None:
    given = ("gpt-oss-120b", "--profile", "rtx-4090", "--engine", "ollama", "--context", "16k")
    lines = cli("plan", *given).out.splitlines()
    command = next(i for i, line in enumerate(lines) if line.endswith("-f Modelfile"))
    assert "planner launch" in lines[command - 1]
    assert "PARAMETER num_ctx 16384" in cli("launch", *given).out


def test_a_clients_configuration_is_printed_with_its_place_and_nothing_is_written(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = (
        "launch",
        "gpt-oss-20b",
        "-p",
        "rtx-4090",
        "-e",
        "llama.cpp",
        "--for",
        "opencode",
        "--for",
        "zed",
    )
    answer = cli(*asked)
    assert answer.code == 0, answer.err
    assert (
        "# opencode: opencode.json\n" in answer.out and "# zed: ~/.config/zed/settings.json\n" in answer.out
    )
    assert "merge into what is there" in answer.err
    document = json.loads(cli(*asked, "--json").out)
    assert [file["client"] for file in document["clients"]] == ["opencode", "zed"]
    assert "--alias gpt-oss-20b --jinja" in document["command"]
    assert list(tmp_path.iterdir()) == []
    unknown = cli(*asked[:-1], "vim")
    assert unknown.code == 2 and "--for 'vim' is not known; one of: opencode" in unknown.err
