"""The longest context is the longest over all placements: asking for it fits, asking for a step more doesn't."""

from __future__ import annotations

import random

import pytest

from planner.engines.register import get_engine
from planner.errors import PlannerError
from planner.fast_dataclass import replace
from planner.hardware.machine import Machine
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.load import load_model
from planner.plan import Placement, Plan, PlanRequest, Workload
from planner.units import GIB

STEP = 256  # contexts are multiples of it
ENGINE = get_engine("llama.cpp")
# Every quantity as it is asked: no eight-bit cache in its place.
PLAIN = {"cache_type_k": "f16", "cache_type_v": "f16"}
# Models of which neither all fits on the GPU nor all of it, with a long context, in RAM.
BETWEEN = [
    ("rtx-3060-12gb", 24, "google/gemma-4-31B-it"),
    ("rtx-3060-12gb", 24, "codellama/CodeLlama-34b-Instruct-hf"),
    ("rtx-4060-ti-16", 16, "Qwen/Qwen2.5-32B-Instruct"),
    ("rtx-4060-ti-16", 64, "mistralai/Mistral-Large-Instruct-2411"),
    ("rtx-4060-ti-8", 16, "openai/gpt-oss-20b"),
    ("rtx-3090 x2", 212, "meta-llama/Llama-3.1-405B-Instruct"),
]


def planned(machine: Machine, model: str, context: int | None = None) -> Plan:
    request = PlanRequest(load_model(model), "Q4_K_M", machine, Workload(context=context), PLAIN)
    if "gpt-oss" in model:
        request = replace(request, quant="MXFP4")
    return ENGINE.plan(request)


@pytest.mark.parametrize(("profile", "ram", "model"), BETWEEN)
def test_the_longest_context_fits_and_one_step_more_does_not(profile: str, ram: int, model: str) -> None:
    machine = load_profile(profile, ram=ram * GIB)
    plan = planned(machine, model)
    trained = plan.request.arch.n_ctx_train
    assert plan.fits and plan.max_context
    assert planned(machine, model, plan.max_context).fits
    assert plan.max_context == trained or not planned(machine, model, plan.max_context + STEP).fits


@pytest.mark.parametrize(
    ("profile", "model", "least"),
    [
        ("rtx-3090 x2", "gemma-4-31B-it", 262144),  # 51k on one card
        ("rtx-4090", "Qwen3-Coder-Next", 262144),
        ("rtx-4060-ti-8", "gpt-oss-20b", 131072),
        ("rtx-3060-12gb", "Qwen3.6-35B-A3B", 262144),
    ],
)
def test_the_longest_context_is_not_that_of_one_placement(profile: str, model: str, least: int) -> None:
    assert planned(load_profile(profile, ram=64 * GIB), model).max_context == least


def test_the_longest_context_never_falls_as_memory_grows() -> None:
    """A sample of benchmarks/longest_contexts.py, which tries thousands of pairs."""
    from benchmarks.longest_contexts import falls

    assert falls(60, seed=1) == []


def test_no_longest_context_over_the_catalogue_is_too_long_or_too_short() -> None:
    chosen = random.Random(3).sample(list(load_catalogue().entries()), 24)
    looked_at = 0
    machine = load_profile("rtx-4060-ti-16", ram=32 * GIB)
    for entry in chosen:
        try:
            plan = planned(machine, entry.id)
            if not plan.fits or plan.placement is Placement.CPU:
                continue
            assert planned(machine, entry.id, plan.max_context).fits, entry.id
            if plan.max_context < plan.request.arch.n_ctx_train:
                looked_at += 1
                assert not planned(machine, entry.id, plan.max_context + STEP).fits, entry.id
        except PlannerError:
            continue
    assert looked_at
