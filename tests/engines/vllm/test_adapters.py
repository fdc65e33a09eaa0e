"""LoRA: vLLM reserves the slots when it loads the model, whatever is put in later."""

from __future__ import annotations

import pytest

from planner.engines.register import get_engine
from planner.engines.vllm.command import vllm_serve
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import find_entry
from planner.models.load import from_entry
from planner.plan import Plan, PlanRequest, Workload


def planned(name: str, spec: str = "h100-sxm", quant: str = "BF16", **settings: object) -> Plan:
    model = from_entry(find_entry(name))
    return get_engine("vllm").plan(
        PlanRequest(model, quant, load_profile(spec), Workload(context=8192), dict(settings))
    )


def slots(name: str, **settings: object) -> float:
    more = planned(name, **settings, enable_lora=True, max_loras=4, max_lora_rank=64)
    return more.memory.devices[0].weights - planned(name, **settings).memory.devices[0].weights


def test_slots_of_a_dense_model() -> None:
    """Qwen3-8B: inputs and outputs of a layer's seven matrices, 36 layers, 4 × 64 rows in 16 bits."""
    widths = [
        (4096, 4096),
        (4096, 1024),
        (4096, 1024),
        (4096, 4096),
        (4096, 12288),
        (4096, 12288),
        (12288, 4096),
    ]
    assert slots("qwen3-8b") == 36 * sum(a + b for a, b in widths) * 4 * 64 * 2


def test_half_of_each_pair_is_split_over_ranks() -> None:
    widths = [(4096, 2048), (4096, 512), (4096, 512), (2048, 4096), (4096, 6144), (4096, 6144), (6144, 4096)]
    model, two = from_entry(find_entry("qwen3-8b")), load_profile("h100-sxm x2")
    settings = {"tensor_parallel_size": 2}
    lora = {"enable_lora": True, "max_loras": 4, "max_lora_rank": 64}
    with_, without = (
        get_engine("vllm").plan(PlanRequest(model, "BF16", two, Workload(context=8192), {**settings, **more}))
        for more in (lora, {})
    )
    added = with_.memory.devices[0].weights - without.memory.devices[0].weights
    assert added == 36 * sum(a + b for a, b in widths) * 4 * 64 * 2


def test_every_expert_has_slots() -> None:
    """128 experts a layer: what costs a dense model a gibibyte costs this one thirty."""
    one = planned("qwen3-30b-a3b", "h200-sxm", enable_lora=True, max_lora_rank=16)
    plain = planned("qwen3-30b-a3b", "h200-sxm")
    added = one.memory.devices[0].weights - plain.memory.devices[0].weights
    experts = 48 * 128 * 3 * (2048 + 768) * 16 * 2
    assert added == pytest.approx(experts, rel=0.05)


def test_the_command_says_what_was_counted() -> None:
    plan = planned("qwen3-8b", enable_lora=True, max_loras=4, max_lora_rank=64)
    command = vllm_serve(plan, plan.request.model).command
    assert all(flag in command for flag in ("--enable-lora", "--max-loras 4", "--max-lora-rank 64"))
