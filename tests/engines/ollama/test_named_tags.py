"""A tag of the Ollama library is the file that `ollama run` loads."""

from __future__ import annotations

import pytest

import planner


@pytest.mark.parametrize(
    ("tag", "quant"),
    [("qwen3.6:27b", "Q4_K_M"), ("qwen3.6:27b-q8_0", "Q8_0"), ("gpt-oss:20b", "MXFP4")],
)
def test_ollama_plans_what_the_tag_holds(tag: str, quant: str) -> None:
    plan = planner.plan(tag, "rtx-5090", engine="ollama")
    assert plan.quant == quant
    made_from = [content for name, content in planner.launch(plan).files if name == "Modelfile"]
    assert plan.source == tag or any(f"FROM {tag}\n" in content for content in made_from)


def test_a_tag_that_spells_its_quantisation_is_that_one_on_every_engine() -> None:
    assert planner.load_model("qwen3.6:27b-q8_0").quant == "Q8_0"
    assert planner.plan("qwen3.6:27b-q8_0", "rtx-4090").quant == "Q8_0"


def test_a_tag_without_one_leaves_other_engines_their_choice() -> None:
    assert planner.load_model("qwen3.6:27b").quant is None


def test_quant_overrides_a_tag() -> None:
    assert planner.plan("qwen3.6:27b", "rtx-5090", engine="ollama", quant="Q8_0").quant == "Q8_0"
