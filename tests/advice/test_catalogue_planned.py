"""Every model of the catalogue can be planned on a machine that can run it, or its card says why not."""

from __future__ import annotations

import pytest

import planner
from planner.errors import PlannerError
from planner.models.catalogue.catalogue import find_entry, load_catalogue

# Systems that the source articles name, in the words that they use or their tags
NAMED = (
    "gpt-oss-20b", "gpt-oss-120b", "gpt2", "gpt2-xl", "deepseek-r1", "deepseek-v3", "qwen3-0.6b", "qwen3-1.7b",
    "qwen3-4b", "qwen3-8b", "qwen3-14b", "qwen3-32b", "qwen3-30b-a3b", "qwen3-235b-a22b", "kimi-k2", "minimax-m1",
    "llama-2-7b", "llama-3-8b", "llama-3.1-405b", "llama-3.3-70b", "llama-4-scout", "llama-4-maverick", "gemma-2-9b",
    "gemma-3-27b", "mistral-small-3.2", "granite-3.3-8b", "granite-4.0-h-small", "snowflake-arctic-instruct",
    "glm-4-9b", "glm-4.5", "glm-4.5-air",
)  # fmt: skip


def planned(ref: str) -> planner.Plan:
    machine = planner.load_profile("8x h200", ram=4 << 40)
    return planner.plan(ref, machine, planner.Workload(context=512))


@pytest.mark.parametrize("name", NAMED)
def test_what_the_articles_name_is_planned(name: str) -> None:
    plan = planned(name)
    assert plan.fits
    assert plan.command


def test_all_but_those_without_published_dimensions_are_planned() -> None:
    missed = {}
    entries = load_catalogue().all_entries()
    for entry in entries:
        try:
            if planned(entry.id).fits:
                continue
            missed[entry.id] = "does not fit"
        except PlannerError as error:
            missed[entry.id] = str(error)
    unknown = {ident: reason for ident, reason in missed.items() if "vLLM 0.33.0 has no" not in reason}
    assert len(unknown) <= len(entries) * 0.03, unknown
    for ident, reason in missed.items():
        assert not find_entry(ident).verified or "vLLM" in reason or "implementation" in reason, (
            ident,
            reason,
        )
