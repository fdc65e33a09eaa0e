"""The longest context is one that the exact figures allow, and the search stops close to where they end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from planner.engines.register import get_engine
from planner.errors import PlannerError
from planner.fast_dataclass import replace
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.load import load_model
from planner.plan import Placement, Plan, PlanRequest, Workload

STEP = 256  # contexts are multiples of it
RAM = {"rtx-4090": 128 << 30, "rtx-3090 x2": 256 << 30}
# Weights partly in RAM, and bounds of the search that lie below the exact figures near the end: without a last
# exact look these would be told 256 to 512 tokens that don't fit.
NEAR_THE_END = [
    ("rtx-3060-12gb", "google/gemma-4-31B-it"),
    ("rtx-3060-12gb", "codellama/CodeLlama-34b-Instruct-hf"),
    ("rtx-3060-12gb", "Qwen/Qwen2.5-32B-Instruct"),
    ("rtx-3060-12gb", "Qwen/Qwen3.5-27B"),
    ("rtx-4060-ti-16", "google/gemma-4-31B-it"),
    ("rtx-4060-ti-16", "codellama/CodeLlama-34b-Instruct-hf"),
    ("rtx-4060-ti-16", "mistralai/Mistral-Large-Instruct-2411"),
    ("rtx-4090", "nvidia/Llama-3_3-Nemotron-Super-49B-v1_5"),
    ("rtx-3090 x2", "meta-llama/Llama-3.1-405B-Instruct"),
]


def planned(profile: str, model: str) -> tuple[Plan, Callable[[int], bool], int]:
    """Return a plan, whether its placement fits with so many tokens by the exact figures, and the trained context."""
    request = PlanRequest(
        load_model(model), "Q4_K_M", load_profile(profile, ram=RAM.get(profile)), Workload()
    )
    engine = get_engine("llama.cpp")
    plan = engine.plan(request)

    def fits(tokens: int) -> bool:
        return engine.estimate(replace(request, settings={**plan.settings, "n_ctx": tokens})).fits

    return plan, fits, request.arch.n_ctx_train


@pytest.mark.parametrize(("profile", "model"), NEAR_THE_END)
def test_the_longest_context_fits_and_one_step_more_does_not(profile: str, model: str) -> None:
    plan, fits, trained = planned(profile, model)
    assert plan.placement is Placement.HYBRID
    assert fits(plan.max_context)
    assert plan.max_context + STEP <= trained
    assert not fits(plan.max_context + STEP)


@pytest.mark.parametrize("profile", ["rtx-3060-12gb", "rtx-4090", "rtx-3090 x2"])
def test_no_longest_context_is_too_long_or_far_too_short(profile: str) -> None:
    """Elsewhere the search ends by bounds on the safe side: a fifth of the context is never given away."""
    looked_at = 0
    for entry in load_catalogue().entries()[::3]:
        try:
            plan, fits, trained = planned(profile, entry.id)
        except PlannerError:
            continue
        if plan.placement is Placement.HYBRID and plan.fits and plan.max_context:
            looked_at += 1
            assert fits(plan.max_context), entry.id
            more = plan.max_context * 6 // 5 // STEP * STEP + STEP
            assert more > trained or not fits(more), entry.id
    assert looked_at >= 10
