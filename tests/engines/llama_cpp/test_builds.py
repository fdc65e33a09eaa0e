"""Builds of llama.cpp: how they name themselves, and what one that is installed does otherwise than the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.api import adjust_machine, load_profile, plan, plan_command
from planner.engines.installed import followed_engines
from planner.engines.llama_cpp.builds import build_of, differences, number_of
from planner.engines.llama_cpp.engine import LlamaCpp
from planner.engines.llama_cpp.facts import LlamaCppFacts
from planner.hardware.host.system import System
from planner.models.load import load_model
from planner.plan import Workload
from planner.reason import ReasonKind


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("version: 0.6.0-dev (build 11549, commit unknown)", 11549),
        ("version: 9010 (6fe4ae9)", 9010),
        ("b11739-6fe4ae9", 11739),
        ("b9849", 9849),
        ("7896 (ec6c7421e)", 7896),
        ("0.6.0-dev", None),
        ("unknown", None),
        (None, None),
    ],
)
def test_a_build_is_known_by_what_it_says(said: str | None, number: int | None) -> None:
    assert number_of(said) == number


def test_the_rules_own_build_differs_in_nothing() -> None:
    assert differences("b11434") == ()
    assert differences("unknown") == ()


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("b4321", ["no --fit", "250 to 500 MiB more"]),
        ("b9010", ["250 to 500 MiB more"]),
        ("b10000", ["may differ by some MiB"]),
        ("b11549", ["port 9931", "--moe-cache-mib"]),
        ("b11739", ["port 9931", "not read"]),
    ],
)
def test_another_build_differs_in_one_line(version: str, says: list[str]) -> None:
    (line,) = differences(version)
    assert all(word in line for word in (version, "b11434", *says))
    assert ("no --fit" in line) == (version == "b4321")


def test_rules_of_each_build() -> None:
    assert build_of("b9010").all_outputs and not build_of("b9010").output_last
    assert build_of("b7000").output_last
    assert not build_of("b11434").early_rows
    assert build_of("0.6.0-dev (build 11549, commit unknown)").early_rows
    assert build_of(None, "2026-09-01").all_outputs is False, "no older than its model"


def test_an_installed_server_is_asked(tmp_path: Path) -> None:
    program = tmp_path / "usr/bin/llama-server"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho 'version: 0.6.0-dev (build 11549, commit unknown)'\n")
    program.chmod(0o755)
    said = "ggml_cuda_init: found 1 CUDA devices\nversion: 0.6.0-dev (build 11549, commit unknown)\n"
    system = System(root=tmp_path, env={"PATH": "/usr/bin"}, run=lambda command: said)
    facts = LlamaCppFacts()
    assert facts.installed_version(system, "/usr/bin/llama-server") == "b11549"
    (line,) = facts.differences_here(system)
    assert "b11549" in line
    nothing = System(root=tmp_path, env={"PATH": "/nowhere"}, run=lambda command: said)
    assert facts.differences_here(nothing) == ()


def test_an_architecture_of_a_later_build_is_said_to_be_one() -> None:
    model, machine = load_model("IFM/K2-Horizon-7B"), load_profile("h100-80gb")
    reason = LlamaCpp().supports(model, "Q4_K_M", machine)
    assert reason is not None
    assert "b11434 has no implementation of k2_horizon; b11549 has one" in reason.text


def test_every_command_says_its_port() -> None:
    machine = load_profile("rtx-4090")
    found = plan("gpt-oss-20b", machine, Workload(context=8192))
    assert found.fit is not None
    for command in (found.command, found.fit.command):
        assert "--port 8080" in command
    asked = plan_command("llama-server -m gpt-oss-20b --port 9000 -c 8192", machine)
    assert asked.fit is not None
    for command in (asked.command, asked.fit.command):
        assert command.count("--port") == 1 and "--port 9000" in command


def test_a_plan_follows_the_build_that_is_installed() -> None:
    """Logits of a whole micro-batch, in the build that reserved them, and the line that says so."""
    card = load_profile("rtx-4090")
    model, asked = load_model("qwen3-32b"), Workload(context=8192)
    plain, old = (
        plan(model, machine, asked, quant="Q4_K_M", engine="llama.cpp")
        for machine in (card, adjust_machine(card, engines={"llama.cpp": "b9010"}))
    )
    logits = 4 * model.architecture.vocab_size * 512
    gained = old.memory.devices[0].compute - plain.memory.devices[0].compute
    assert 0.25 * logits < gained <= logits  # part of it lies where other buffers were
    said = [w.text for w in old.warnings if w.kind is ReasonKind.OTHER_BUILD]
    assert len(said) == 1 and "installed b9010" in said[0]
    assert not any(w.kind is ReasonKind.OTHER_BUILD for w in plain.warnings)
    same = plan(model, adjust_machine(card, engines={"llama.cpp": "b11434"}), asked, engine="llama.cpp")
    assert not any(w.kind is ReasonKind.OTHER_BUILD for w in same.warnings)


def test_a_build_without_fit_is_not_given_its_flag() -> None:
    machine = adjust_machine(load_profile("rtx-4090"), engines={"llama.cpp": "b7000"})
    old = plan("qwen3-8b", machine, engine="llama.cpp")
    assert "-fit" not in old.command.split() and old.fit is None


def test_the_installed_build_is_asked_once_and_only_where_it_is(tmp_path: Path) -> None:
    def system(answer: str) -> System:
        path = tmp_path / "usr/bin/llama-server"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        return System(root=tmp_path, platform="linux", env={"PATH": "/usr/bin"}, run=lambda _: answer)

    assert followed_engines(system("version: 9010 (6fe4ae9)")) == {"llama.cpp": "b9010"}
    assert followed_engines(system("no idea")) == {}
    assert followed_engines(System(root=tmp_path / "empty", platform="linux", env={})) == {}
