"""A toy engine and a toy launch format, each one file and one line, used like the others by API and command line."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

import planner
from planner.engines.launch import Launch
from planner.engines.register import ENGINES, get_engine, title_of
from planner.errors import InputError
from planner.launching.formats import FORMATS
from planner.models.model import Model
from planner.plan import Plan
from tests.toy_engine import Toy

from .conftest import Cli

yaml = pytest.importorskip("yaml", reason="PyYAML reads what the emitter wrote")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "toy", "tests.toy_engine:ToyFacts")


def test_the_register_knows_it_by_every_name(toy: None) -> None:
    assert isinstance(get_engine("Toy-Serve"), Toy) and title_of("toy") == "Toy Serve"
    with pytest.raises(
        InputError,
        match=r"choose one of llama\.cpp, ollama, vllm, mlx, whisper\.cpp, toy \(launch: also sglang, lm-studio\)",
    ):
        get_engine("tgi")


def test_the_api_plans_and_launches_it(toy: None) -> None:
    plan = planner.plan("qwen3-8b", "rtx-4090", planner.Workload(context=8192), engine="toy")
    assert (plan.engine, plan.quant, plan.settings) == ("toy", "Q8_0", {"length": 8192})
    assert plan.speed is not None and plan.speed.decode_tps.expected > 10
    assert plan.command == "toy serve Qwen3-8B --length 8192"
    launch = planner.launch(plan, format="compose")
    (service,) = yaml.safe_load(dict(launch.files)["compose.yaml"])["services"].values()
    assert service["image"] == "toy/serve:1" and service["ports"] == ["127.0.0.1:7000:7000"]
    assert "http://localhost:7000/up" in service["healthcheck"]["test"][1]


def test_it_is_tried_where_it_suits(toy: None) -> None:
    """It serves many on Metal, where no other engine does."""
    machine = "apple-m3-ultra-256gb"
    assert planner.plan("qwen3-8b", machine, planner.Workload(users=8, context=4096)).engine == "toy"
    assert planner.plan("qwen3-8b", machine, planner.Workload(users=1, context=4096)).engine == "llama.cpp"
    assert planner.plan("qwen3-8b", machine, settings={"length": 512}).engine == "toy", (
        "it alone has the setting"
    )


def test_the_command_line_plans_and_checks_it(toy: None, cli: Cli) -> None:
    answer = cli("plan", "qwen3-8b", "--engine", "toy", "--profile", "rtx-4090", "--length", "2048")
    assert answer.code == 0, answer.err
    assert "Toy Serve" in answer.out and "toy serve Qwen3-8B --length 2048" in answer.out
    checked = cli("check", "--profile", "rtx-4090", "--engine", "toy", "--limit", "3", "--json")
    assert {p["engine"] for p in json.loads(checked.out)["plans"]} == {"toy"}
    assert "Toy Serve" in cli("check", "--profile", "rtx-4090", "--engine", "toy", "--limit", "3").out


@pytest.mark.parametrize("format", ["shell", "compose"])
def test_the_command_line_launches_it(toy: None, cli: Cli, format: str) -> None:
    answer = cli("launch", "qwen3-8b", "-e", "toy", "--profile", "rtx-4090", "--format", format)
    assert answer.code == 0, answer.err
    assert ("toy serve Qwen3-8B" if format == "shell" else "toy/serve:1") in answer.out


def test_what_it_does_not_do_is_said(toy: None, cli: Cli) -> None:
    asked = ("launch", "qwen3-8b", "-e", "toy", "--profile", "rtx-4090")
    ray = cli(*asked, "--format", "ray")
    assert (ray.code, ray.err.strip()) == (
        2,
        "planner: --format ray renders vLLM plans; toy does not run on Ray",
    )
    nothing = cli("plan", "qwen3-8b", "--engine", "toy", "--ram", "64GiB")
    assert nothing.code == 2 and "toy serve needs a GPU" in nothing.err


def render(plan: Plan, model: Model, shell: Launch) -> Launch:
    """The toy format: this very module is its file."""
    return Launch(f"play {plan.engine}.toy", files=((f"{plan.engine}.toy", f"run {shell.command}\n"),))


@pytest.fixture
def toy_format(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(FORMATS, "toybox", __name__)
    yield


@pytest.mark.parametrize("engine", ["llama.cpp", "ollama", "vllm"])
def test_a_format_renders_every_engine(toy_format: None, cli: Cli, engine: str) -> None:
    answer = cli("launch", "qwen3-8b", "-e", engine, "--profile", "rtx-4090", "--format", "toybox")
    assert answer.code == 0, answer.err
    assert answer.out.rstrip().endswith(f"play {engine}.toy")
    plan = planner.plan("qwen3-8b", "rtx-4090", engine=engine)
    assert planner.launch(plan, format="toybox").files[0][1] == f"run {plan.command}\n"


def test_a_format_that_is_not_known_names_those_that_are(toy_format: None, cli: Cli) -> None:
    answer = cli("launch", "qwen3-8b", "--profile", "rtx-4090", "--format", "nomad")
    assert answer.code == 2
    assert (
        "one of: shell, compose, systemd, kubernetes, ray, launchd, llama-swap, toybox, sglang" in answer.err
    )
