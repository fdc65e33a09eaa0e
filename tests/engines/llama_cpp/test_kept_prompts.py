"""What llama-server keeps of earlier prompts: sizes that it logged, and limits that hold on every host."""

from __future__ import annotations

import pytest

from planner.api import load_model, load_profile, plan, plan_command
from planner.engines.llama_cpp.allocation import Devices, allocate
from planner.engines.llama_cpp.kept_prompts import KeptPrompts, fitting, kept_prompts
from planner.engines.llama_cpp.placing.weights import weights_of
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.plan import Workload
from planner.reason import ReasonKind
from planner.units import GIB, MIB


def kept(name: str, **settings: object) -> KeptPrompts:
    model = load_model(name)
    given = LlamaCppSettings.of({"n_outputs_max": 1, **settings})
    memory = allocate(weights_of(model, "Q4_K_M"), given, Devices((1 << 46,)))
    return kept_prompts(model.architecture, given, memory)


@pytest.mark.parametrize(
    ("model", "settings", "mib"),
    [
        # ggml-org/llama.cpp pull request 23561: 5,332.8 MiB, of which 307.4 are a draft's, for 146,764 tokens
        ("Qwen/Qwen3.6-27B", {"n_ctx": 146764, "cache_type_k": "q8_0", "cache_type_v": "q8_0"}, 5025.4),
        ("google/gemma-4-31B-it", {"n_ctx": 28960}, 3462.9),
    ],
)
def test_the_state_of_a_prompt_is_what_the_server_said(
    model: str, settings: dict[str, object], mib: float
) -> None:
    assert kept(model, **settings).state / MIB == pytest.approx(mib, rel=0.006)


def test_a_checkpoint_is_what_the_server_said() -> None:
    # ggml-org/llama.cpp pull request 22929
    assert kept("Qwen/Qwen3.6-27B", n_ctx=8192).checkpoint / MIB == pytest.approx(149.626, abs=0.01)
    # ollama/ollama pull request 16744: about 900 MB at the first request
    assert 3 * kept("gemma-4-26b-a4b", n_ctx=8192).checkpoint / 1e6 == pytest.approx(900, rel=0.05)
    assert kept("Qwen/Qwen3-32B", n_ctx=8192).checkpoint == 0  # all of it can be rolled back
    assert kept("gemma-4-26b-a4b", n_ctx=8192, swa_full=True).checkpoint == 0


@pytest.mark.parametrize("room", [-1, 0, 255 * MIB, 1 * GIB, 5 * GIB, 30 * GIB, 60 * GIB])
@pytest.mark.parametrize("checkpoint", [0, 18 * MIB, 1200 * MIB])
def test_limits_never_take_more_than_there_is(room: int, checkpoint: int) -> None:
    usual = KeptPrompts(4 * GIB, checkpoint, 8 * GIB, 32)
    limited = fitting(usual, room)
    assert limited.high <= max(room, 0)
    assert limited.expected <= limited.high
    assert (limited == usual) == (usual.high <= room)


def test_a_full_host_limits_them_and_a_roomy_one_keeps_the_defaults() -> None:
    model = load_model("gemma-4-31b")
    small = plan(model, load_profile("rtx-3090", ram="16GiB"), Workload(context=40000), quant="Q4_K_M")
    host = small.memory.devices[-1]
    assert small.fits and host.fits
    assert host.overhead > 4 * GIB, "a prompt's state and its checkpoints are there soon"
    assert f"--cache-ram {small.settings['cache_ram_mib']} --ctx-checkpoints" in small.command
    large = plan(model, load_profile("rtx-3090", ram="64GiB"), Workload(context=40000), quant="Q4_K_M")
    assert "--cache-ram" not in large.command


def test_stated_limits_count_and_written_commands_are_only_warned_of() -> None:
    model, machine = load_model("gemma-4-31b"), load_profile("rtx-3090", ram="16GiB")
    asked = plan(
        model,
        machine,
        Workload(context=40000),
        quant="Q4_K_M",
        settings={"cache_ram_mib": 16384},
        engine="llama.cpp",
    )
    assert not asked.fits
    off = plan(
        model, machine, Workload(context=40000), quant="Q4_K_M",
        settings={"cache_ram_mib": 0, "n_ctx_checkpoints": 0}, engine="llama.cpp",
    )  # fmt: skip
    assert off.fits and off.memory.devices[-1].overhead < GIB
    written = plan_command("llama-server -m gemma-4-31b -c 30000 -np 1 -fit off -ngl 99", machine)
    assert written.fits
    assert any(r.kind is ReasonKind.NOT_COUNTED and "--cache-ram" in r.text for r in written.warnings)


def test_ollama_is_limited_by_its_environment() -> None:
    machine = load_profile("rtx-3090", ram="16GiB")
    found = plan("gemma-4-31b", machine, Workload(context=40000), quant="Q4_K_M", engine="ollama")
    assert 0 <= int(found.env["LLAMA_ARG_CACHE_RAM"]) < 8192
    assert 0 <= int(found.env["LLAMA_ARG_CTX_CHECKPOINTS"]) < 32
    assert found.memory.devices[-1].fits
