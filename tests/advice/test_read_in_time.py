"""An open context is no longer than the machine reads in five minutes, and no shorter than a page or two."""

from __future__ import annotations

import pytest

import planner
from planner.fast_dataclass import replace
from planner.plan import Plan, Workload
from planner.speed import estimate_plan
from planner.units import nice_context

FIVE_MINUTES = 300.0


def seconds_to_read(plan: Plan, tokens: int) -> float:
    """The expected seconds before the first token of an answer to so long a prompt."""
    workload = replace(plan.request.workload, prompt=tokens)
    filled = replace(plan, request=replace(plan.request, workload=workload))
    return estimate_plan(filled).ttft_s.expected


@pytest.mark.parametrize("model", ["qwen3.6-35b-a3b", "gpt-oss-20b", "qwen3.5-4b"])
def test_a_chat_on_a_server_without_gpu_is_read_in_five_minutes(model: str) -> None:
    plan = planner.plan(model, "epyc-7003", engine="llama.cpp")
    wanted, opened = 32_768, plan.settings["n_ctx"]
    assert 8192 < opened < wanted < plan.max_context  # else nothing bounds it
    assert seconds_to_read(plan, opened) <= FIVE_MINUTES
    # In proportion to what a chat wants, as a round number: reading slows down as it goes on.
    assert opened == nice_context(int(wanted * FIVE_MINUTES / seconds_to_read(plan, wanted)), wanted)


def test_a_slow_machine_still_gets_enough_for_a_conversation() -> None:
    plan = planner.plan("qwen3-4b", "raspberry-pi-5-8gb", engine="llama.cpp")
    assert plan.max_context > 16_384
    assert plan.settings["n_ctx"] == 16_384
    assert seconds_to_read(plan, 16_384) > FIVE_MINUTES


def test_a_context_that_is_asked_for_is_not_shortened() -> None:
    plan = planner.plan("qwen3-4b", "raspberry-pi-5-8gb", Workload(context=16_384), engine="llama.cpp")
    assert plan.settings["n_ctx"] == 16_384
