"""Where llama.cpp's own --fit does as well as the plan's flags, the plan says so and gives the command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import planner
from planner.engines.llama_cpp.allocation import Devices
from planner.engines.llama_cpp.fit import FitLimits, fit
from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.hardware.machine import Machine
from planner.hardware.profiles.load import load_profile
from planner.plan import Plan, UseCase, Workload
from planner.reason import ReasonKind
from planner.units import GIB, MIB


def _plan(model: str, machine: Machine, context: int | None = 16384, **settings: Any) -> Plan:
    workload = Workload(context=context)
    return planner.plan(model, machine, workload, engine="llama.cpp", quant="Q4_K_M", settings=settings)


def _busy(machine: Machine, held: int) -> Machine:
    """The machine as detected, with so much of its first GPU held by others."""
    host = machine.hosts[0]
    gpu = host.accelerators[0]
    gpu = replace(gpu, memory_free=gpu.memory_total - (gpu.memory_reserved or 0) - held)
    return replace(machine, detected=True, hosts=(replace(host, accelerators=(gpu,)),))


def test_a_profile_does_not_know_what_is_free() -> None:
    plan = _plan("llama-3.1-8b", load_profile("rtx-4090"))
    assert plan.fit is not None and plan.fit.reason.kind is ReasonKind.FREE_MEMORY_UNKNOWN
    words = plan.fit.command.split()
    assert words[words.index("-fit") + 1] == "on"
    assert words[words.index("-c") + 1] == "16384", "a context that was asked for stays"
    assert not {"-ngl", "-ts", "-sm", "-fitc"} & set(words), "--fit gives up where these are set"
    assert "-fit off" in plan.command and "-ngl" in plan.command, "the plan's own flags stay the default"


def test_a_context_that_nobody_asked_for_is_left_to_fit_too() -> None:
    plan = _plan("llama-3.1-8b", load_profile("rtx-4090"), context=None)
    assert plan.fit is not None
    words = plan.fit.command.split()
    assert "-c" not in words and words[words.index("-fitc") + 1] == "4096"


@pytest.mark.parametrize("model", ["llama-3.1-8b", "qwen3-32b", "gpt-oss-20b"])
def test_fit_then_keeps_everything_where_the_plan_does(model: str) -> None:
    machine = load_profile("rtx-4090")
    plan = _plan(model, machine)
    assert plan.fit is not None
    table = weight_table(planner.load_model(model).architecture, "Q4_K_M")
    settings = LlamaCppSettings.of({"n_ctx": 16384, "n_outputs_max": 1})
    free = machine.hosts[0].accelerators[0].memory_free
    choice = fit(table, settings, Devices((free,)), FitLimits(plan.fit.target * MIB))
    assert (choice.n_ctx, choice.n_gpu_layers, choice.overrides) == (16384, -1, ())


def test_a_detected_gpu_that_others_use_may_change() -> None:
    machine = load_profile("rtx-4090")
    busy = _plan("llama-3.1-8b", _busy(machine, 3 * GIB))
    assert busy.fit is not None and "other programs hold 3.0 GiB" in busy.fit.reason.text
    assert _plan("llama-3.1-8b", _busy(machine, GIB // 2)).fit is None


def test_explicit_flags_alone_where_they_are_better() -> None:
    card = load_profile("rtx-4090")
    assert _plan("llama-3.1-8b", load_profile("rtx-3090 x2")).fit is None, "several GPUs"
    assert _plan("llama-3.1-8b", load_profile("apple-m4-max-64gb")).fit is None, "unified memory"
    assert _plan("qwen3-235b-a22b", load_profile("rtx-4090", ram=256 * GIB)).fit is None, "experts on the CPU"
    assert _plan("llama-3.1-8b", card, n_gpu_layers=0).fit is None, "nothing on the GPU"
    assert _plan("llama-3.1-8b", card, override_tensor="ffn_up=CPU").fit is None, "tensors moved by hand"
    seen = Workload(context=8192, use_case=UseCase.VISION)
    assert planner.plan("gemma-3-27b", card, seen, engine="llama.cpp", quant="Q4_K_M").fit is None, "mmproj"
    assert planner.plan("llama-3.1-8b", card, Workload(), engine="ollama").fit is None
