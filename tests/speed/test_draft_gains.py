"""Drafting with a model's own prediction layers: said by what was measured, counted where an engine does it."""

from __future__ import annotations

import pytest

from planner.api import alternatives, load_profile, plan
from planner.plan import Workload
from planner.speed.draft_gains import measured_gain


def test_gains_are_told_apart_by_device_and_by_experts() -> None:
    dense, experts = (measured_gain("amd", "unified", experts=moe) for moe in (False, True))
    assert experts.alike and experts.count == 2
    assert experts.high < 1.2 < dense.expected
    apple = measured_gain("apple", "unified", experts=False)
    assert apple.low < 1.0 < apple.high, "it lost on one Mac and won on another"
    unknown = measured_gain("intel", "gddr", experts=False)
    assert not unknown.alike and unknown.count > 10


def test_a_plan_offers_drafting_with_its_memory_and_speed_and_claims_nothing_general() -> None:
    machine, workload = load_profile("rtx-4090"), Workload(context=32768)
    found = plan("qwen3.8-27b", machine, workload, quant="Q4_K_M", engine="llama.cpp")
    (line,) = (each for each in alternatives(found) if "--spec-type draft-mtp" in each)
    assert "tokens/s for" in line and "must hold the layers" in line
    assert found.speed is not None
    assert any("7 measurements of dense models on such devices" in each for each in found.speed.faster)
    without = plan("qwen3-32b", machine, Workload(context=8192), quant="Q4_K_M", engine="llama.cpp")
    assert without.speed is not None
    assert not any("draft" in each or "prediction" in each for each in without.speed.faster)
    drafting = plan(
        "qwen3.8-27b",
        machine,
        workload,
        quant="Q4_K_M",
        engine="llama.cpp",
        settings={"spec_type": "draft-mtp"},
    )
    assert drafting.speed is not None
    assert drafting.speed.decode_tps.expected > 1.3 * found.speed.decode_tps.expected
    assert drafting.memory.devices[0].total > found.memory.devices[0].total
    assert not any("--spec-type" in each for each in alternatives(drafting))


def test_ollama_drafts_unasked_with_its_own_tags_of_qwen() -> None:
    machine = load_profile("dgx-spark")
    tag = plan("qwen3.6-27b", machine, quant="Q4_K_M", engine="ollama")
    assert tag.settings["spec_type"] == "draft-mtp" and tag.settings["spec_draft_n_max"] == 4
    assert tag.speed is not None
    # published for Ollama on this machine: 26.5 tokens/s with it, 14.7 without
    assert tag.speed.decode_tps.expected == pytest.approx(26.5, rel=0.15)
    other = plan("qwen3-32b", machine, quant="Q4_K_M", engine="ollama")
    assert "spec_type" not in other.settings
