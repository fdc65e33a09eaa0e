"""Hybrid models: no more sequences than state blocks, in the engine's words, and never at the price of CUDA graphs."""

from __future__ import annotations

from typing import Any

import pytest

from planner.engines.register import get_engine
from planner.engines.vllm.engine import Vllm
from planner.engines.vllm.outcome import Outcome
from planner.errors import PlannerError
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.load import from_entry, load_model
from planner.plan import Plan, PlanRequest, Workload

ENGINE = get_engine("vllm")


def request(model: str, quant: str, profile: str, settings: dict[str, Any], users: int = 1) -> PlanRequest:
    return PlanRequest(load_model(model), quant, load_profile(profile), Workload(32768, users), settings)


def outcome_of(plan: Plan, model: str, profile: str) -> Outcome:
    """What the engine makes of exactly the settings that the plan prints."""
    assert isinstance(ENGINE, Vllm)
    settings = {k: v for k, v in plan.settings.items() if v is not None}
    return ENGINE.outcome(request(model, plan.quant, profile, settings))


def test_the_default_of_1024_sequences_is_capped_below_the_state_blocks() -> None:
    plan = ENGINE.plan(request("qwen3.8-27b", "FP8", "h100-80gb", {}, users=8))
    outcome = outcome_of(plan, "qwen3.8-27b", "h100-80gb")
    assert plan.fits
    assert "enforce_eager" not in plan.settings
    blocks = outcome.most_sequences()
    assert blocks is not None
    assert 8 <= plan.settings["max_num_seqs"] <= blocks * 0.98
    assert any("max_num_seqs (1024) exceeds available Mamba cache blocks" in str(line) for line in plan.why)


def test_a_stated_number_above_the_blocks_is_refused_in_the_engine_s_words() -> None:
    plan = ENGINE.plan(request("qwen3.8-27b", "BF16", "h100-80gb", {"max_num_seqs": 1024}))
    assert not plan.fits
    assert "max_num_seqs (1024) exceeds available Mamba cache blocks (" in str(plan.why[0])
    assert "--max-num-seqs" in str(plan.why[1])


def test_eager_mode_and_models_without_a_state_are_not_limited() -> None:
    assert ENGINE.plan(
        request("qwen3.8-27b", "FP8", "h100-80gb", {"enforce_eager": True, "max_num_seqs": 1024})
    ).fits
    plan = ENGINE.plan(request("gemma-4-31b", "FP8", "h100-80gb", {}, users=8))
    assert outcome_of(plan, "gemma-4-31b", "h100-80gb").most_sequences() is None


@pytest.mark.parametrize(
    "profile", ["rtx-4090", "rtx-5090", "l40s", "h100-80gb", "rtx-pro-6000", "2x rtx-3090", "h200"]
)
def test_no_plan_of_the_catalogue_allows_more_sequences_than_it_has_states(profile: str) -> None:
    seen = 0
    machine = load_profile(profile)
    for entry in load_catalogue().entries():
        try:
            model = from_entry(entry)
        except PlannerError:  # a card without dimensions has no plan at all
            continue
        for quant in ENGINE.quants(model)[:2]:
            if ENGINE.supports(model, quant, machine) is not None:
                continue
            context = min(8192, model.architecture.n_ctx_train)
            plan = ENGINE.plan(PlanRequest(model, quant, machine, Workload(context, 8)))
            if plan.fits and not plan.settings.get("enforce_eager"):
                assert isinstance(ENGINE, Vllm)
                settings = {k: v for k, v in plan.settings.items() if v is not None}
                outcome = ENGINE.outcome(PlanRequest(model, plan.quant, machine, Workload(), settings))
                assert not outcome.allows_too_many(), f"{entry.id} {quant} on {profile}"
                seen += outcome.most_sequences() is not None
    assert seen or profile == "2x rtx-3090"
