"""A context beyond what the vendor states is never advised, but planned where it is asked for."""

from __future__ import annotations

import pytest

import planner
from planner.errors import UnsupportedError
from planner.plan import Workload

SERVER = "8x h200-sxm"
STATED = 1_000_000
CONFIGURED = 10_240_000


@pytest.mark.parametrize(
    ("name", "machine", "engine", "stated"),
    [
        ("minimax-m1", SERVER, "llama.cpp", STATED),
        ("mistral-small-4-119b-2603", "4x h100-sxm", "vllm", 262_144),
        ("mistral-small-4-119b-2603", "apple-m3-ultra-512gb", "llama.cpp", 262_144),
    ],
)
def test_no_more_is_advised_than_the_vendor_states(name: str, machine: str, engine: str, stated: int) -> None:
    model = planner.load_model(name)
    assert model.architecture.n_ctx_train > stated  # else this asks nothing
    plan = planner.plan(model, machine, engine=engine)
    assert plan.fits
    assert plan.max_context == stated
    chosen = plan.settings.get("n_ctx") or plan.settings["max_model_len"]
    assert chosen <= stated + 255  # llama.cpp rounds up to 256
    assert str(chosen) in plan.command
    assert not any("vendor states" in w.text for w in plan.warnings)


def test_more_is_planned_where_it_is_asked_for_and_said_to_be_beyond() -> None:
    plan = planner.plan("minimax-m1", SERVER, Workload(context=1 << 21))
    assert plan.settings["n_ctx"] == 1 << 21
    assert plan.max_context == STATED
    assert any("beyond the 1,000,000 that the vendor states" in w.text for w in plan.warnings)


def test_the_engines_default_stays_the_configurations() -> None:
    """llama.cpp takes -c 0 as the header's context_length, whatever a card says: the memory must hold that."""
    model = planner.load_model("minimax-m1")
    plan = planner.plan(model, SERVER, engine="llama.cpp", settings={"n_ctx": 0})
    assert plan.settings["n_ctx"] >= CONFIGURED
    assert plan.max_context <= STATED


def test_what_states_no_less_is_left_alone() -> None:
    model = planner.load_model("gpt-oss-20b")
    assert model.usable_context == model.architecture.n_ctx_train


def test_vllm_reads_the_configuration_too() -> None:
    """A length that the configuration allows is not refused because a card says less."""
    model = planner.load_model("mistral-small-4-119b-2603")
    machine = planner.load_profile("4x h100-sxm")
    plan = planner.plan(model, machine, engine="vllm", settings={"max_model_len": 500_000})
    assert plan.settings["max_model_len"] == 500_000
    with pytest.raises(UnsupportedError, match="max_model_len"):
        planner.plan(model, machine, engine="vllm", settings={"max_model_len": 2_000_000})
