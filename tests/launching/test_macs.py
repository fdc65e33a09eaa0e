"""What starts a plan on a Mac: launchd's property list, LM Studio's commands, and what is said of containers."""

from __future__ import annotations

import plistlib
import shlex

import pytest

import planner
from planner.errors import InputError
from planner.plan import Plan, Workload

MAC = "apple-m4-max-64gb"


def mlx(name: str = "qwen3-8b", quant: str | None = "4bit") -> Plan:
    return planner.plan(name, MAC, Workload(context=16384), engine="mlx", quant=quant)


def test_launchd_runs_the_very_command_from_the_login_on() -> None:
    plan = mlx()
    launch = planner.launch(plan, format="launchd")
    ((name, content),) = launch.files
    listed = plistlib.loads(content.encode())
    shell, option, line = listed["ProgramArguments"]
    assert (shell, option) == (
        "/bin/zsh",
        "-lc",
    )  # a login shell: launchd's own PATH lacks Homebrew's folders
    assert line.startswith(f"exec {plan.command} >>")
    assert name == f"{listed['Label']}.plist" and listed["RunAtLoad"] is True
    assert "launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/planner.qwen3-8b.plist" in launch.command


def test_what_is_converted_first_is_not_converted_at_every_login() -> None:
    launch = planner.launch(mlx(quant="mixed_4_6"), format="launchd")
    assert launch.command.startswith("mlx_lm.convert ")
    assert "mlx_lm.convert" not in launch.files[0][1]


@pytest.mark.parametrize("engine", ["llama.cpp", "ollama"])
def test_other_engines_are_started_by_launchd_too(engine: str) -> None:
    launch = planner.launch(planner.plan("qwen3-8b", MAC, engine=engine), format="launchd")
    assert plistlib.loads(launch.files[0][1].encode())["ProgramArguments"][2].startswith("exec ")


def test_each_system_has_its_own() -> None:
    with pytest.raises(InputError, match="launchd starts programs on a Mac"):
        planner.launch(planner.plan("qwen3-8b", "rtx-4090"), format="launchd")
    for format in ("systemd", "compose", "kubernetes"):
        with pytest.raises(InputError, match="launchd"):
            planner.launch(mlx(), format=format)


def test_lm_studio_loads_what_is_published_with_the_planned_context() -> None:
    get, load, serve = (
        shlex.split(s) for s in planner.launch(mlx(), format="lm-studio").command.splitlines()
    )
    assert get == ["lms", "get", "https://huggingface.co/mlx-community/Qwen3-8B-4bit", "--yes"]
    assert load[load.index("--context-length") + 1] == "16384"
    assert serve[:3] == ["lms", "server", "start"]


def test_lm_studio_converts_nothing_and_that_is_said() -> None:
    with pytest.raises(InputError, match="choose another --quant"):
        planner.launch(mlx(quant="mixed_4_6"), format="lm-studio")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ik_llama.cpp", "llama.cpp"),
        ("ExLlamaV3", "llama.cpp"),
        ("ktransformers", "llama.cpp"),
        ("TensorRT-LLM", "vllm"),
        ("mlx-vlm", "mlx"),
    ],
)
def test_engines_that_are_not_planned_are_known_and_the_nearest_is_named(name: str, nearest: str) -> None:
    with pytest.raises(InputError, match=rf"not planned; --engine {nearest} comes nearest: "):
        planner.plan("qwen3-8b", "rtx-4090", engine=name)
