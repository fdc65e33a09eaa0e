"""`planner launch`: what it prints makes the plan true."""

from __future__ import annotations

import json

from tests.cli.conftest import Cli

OLLAMA = ["launch", "gpt-oss-20b", "--engine", "ollama", "--profile", "rtx-4060-ti-16gb"]


def test_ollamas_own_defaults_need_no_modelfile(cli: Cli) -> None:
    assert cli(*OLLAMA).out == "ollama run gpt-oss:20b\n"


def test_another_context_goes_into_a_modelfile(cli: Cli) -> None:
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


def test_what_does_not_fit_is_not_launched(cli: Cli) -> None:
    answer = cli("launch", "deepseek-r1", "--profile", "rtx-4090")
    assert answer.code == 1
    assert answer.out == ""
    assert answer.err.count("\n") == 1
