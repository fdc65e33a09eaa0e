"""-sm tensor in llama.cpp: every tensor cut as the engine cuts it, to the byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

import planner
from planner.engines.llama_cpp.allocation import Devices, allocate
from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.errors import RefusedError, UnsupportedError
from planner.models.catalogue.catalogue import find_entry
from planner.plan import Workload

CASES: Final[list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("llama_tensor_split_cases.json").read_text()
)["cases"]
PLENTY: Final = 1 << 42


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['model']} on {c['devices']}")
def test_slices_are_the_engines_to_the_byte(case: dict[str, Any]) -> None:
    table = weight_table(find_entry(case["model"]).architecture(), case["quant"])
    settings = LlamaCppSettings.of({**case["settings"], "split_mode": "tensor"})
    found = allocate(table, settings, Devices((PLENTY,) * case["devices"]))
    caches = found.caches
    assert list(found.weights.devices) == case["weights"]
    assert [kv + state for kv, state in zip(caches.kv, caches.state, strict=True)] == case["caches"]
    assert set(found.compute.devices) == {case["compute"]}, "each device has the buffers of one alone"
    host = [found.weights.host, caches.kv_host + caches.state_host, found.compute.host]
    assert host == case["host"]


@pytest.mark.parametrize(
    ("model", "extra", "error", "reason"),
    [
        ("deepseek-ai/DeepSeek-R1", {}, RefusedError, "not implemented for architecture 'deepseek2'"),
        ("allenai/OLMo-2-0425-1B-Instruct", {}, RefusedError, "not implemented for architecture 'olmo2'"),
        ("nvidia/Llama-3_1-Nemotron-Ultra-253B-v1", {}, RefusedError, "crashes"),
        ("meta-llama/Llama-3.1-8B-Instruct", {"flash_attn": "off"}, RefusedError, "requires flash_attn"),
        ("deepseek-ai/DeepSeek-V4-Flash", {}, UnsupportedError, "plan -sm layer"),
        ("Qwen/Qwen3.5-27B", {"spec_type": "draft-mtp"}, UnsupportedError, "leave out one"),
    ],
)
def test_what_cannot_be_cut_is_refused(
    model: str, extra: dict[str, Any], error: type[Exception], reason: str
) -> None:
    table = weight_table(find_entry(model).architecture(), "Q8_0")
    settings = LlamaCppSettings.of({"n_ctx": 4096, "split_mode": "tensor", **extra})
    with pytest.raises(error, match=reason):
        allocate(table, settings, Devices((PLENTY, PLENTY)))


def test_a_plan_keeps_the_mode_that_was_asked_for_and_says_what_it_is() -> None:
    settings = {"split_mode": "tensor"}
    plan = planner.plan(
        "llama-3.1-8b",
        "rtx-3090 x2",
        Workload(context=8192),
        engine="llama.cpp",
        quant="Q4_K_M",
        settings=settings,
    )
    one, two, host = plan.memory.devices
    assert plan.fits and one.weights == two.weights > 0 and one.kv_cache == two.kv_cache > 0
    assert host.weights > 0 and plan.max_concurrency > 1
    assert "-sm tensor" in plan.command and "-fit off" in plan.command
    assert any("experimental" in warning.text for warning in plan.warnings)


def test_it_needs_a_device() -> None:
    table = weight_table(find_entry("meta-llama/Llama-3.1-8B-Instruct").architecture(), "Q8_0")
    with pytest.raises(RefusedError, match="needs >= 1 devices"):
        allocate(table, LlamaCppSettings.of({"split_mode": "tensor"}), Devices(()))


def test_what_is_too_large_for_the_gpus_alone_is_split_with_the_host_or_does_not_fit() -> None:
    for model, fits in (("llama-3.3-70b", True), ("qwen3-235b-a22b", False)):
        plan = planner.plan(
            model,
            "rtx-4060-ti-16gb x2",
            Workload(context=8192),
            engine="llama.cpp",
            quant="Q4_K_M",
            settings={"split_mode": "tensor"},
        )
        assert plan.fits is fits and plan.settings["split_mode"] == "tensor"
