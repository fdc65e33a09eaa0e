"""Drafting with another model: it is named, its weights and cache are counted, and no gain is claimed without rows."""

from __future__ import annotations

import pytest

from planner.engines.register import get_engine
from planner.engines.vllm.command import vllm_serve
from planner.engines.vllm.memory.drafts import DRAFTLESS
from planner.errors import RefusedError
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import find_entry
from planner.models.load import from_entry
from planner.plan import Plan, PlanRequest, Workload
from planner.speed.plans import estimate_plan
from planner.units import GIB


def planned(name: str, spec: str = "h100-sxm", quant: str = "FP8", **settings: object) -> Plan:
    model = from_entry(find_entry(name))
    request = PlanRequest(model, quant, load_profile(spec), Workload(context=8192), dict(settings))
    return get_engine("vllm").plan(request)


def weights(plan: Plan) -> int:
    return plan.memory.devices[0].weights


def test_a_model_that_drafts_is_loaded_in_16_bits_beside_the_other() -> None:
    alone = planned("qwen3-32b")
    drafted = planned(
        "qwen3-32b",
        speculative_method="draft_model",
        speculative_model="Qwen/Qwen3-0.6B",
        num_speculative_tokens=3,
    )
    assert weights(drafted) - weights(alone) == pytest.approx(1.12 * GIB, rel=0.01)
    assert "--speculative-config.model Qwen/Qwen3-0.6B" in vllm_serve(drafted, drafted.request.model).command
    # 64 layers of 8 heads, and 28 of 8 beside them: a request takes 92/64 of the cache
    assert drafted.max_concurrency < alone.max_concurrency / (92 / 64) * 1.05


def test_an_eagle_head_has_the_dimensions_of_its_model() -> None:
    """EAGLE-3 heads of Qwen3-8B: 0.4 billion weights, a layer and the 32,000 most frequent tokens."""
    head = {"speculative_method": "eagle3", "speculative_model": "someone/head", "num_speculative_tokens": 3}
    added = weights(planned("qwen3-8b", quant="BF16", **head)) - weights(planned("qwen3-8b", quant="BF16"))
    assert added == pytest.approx(0.8e9, rel=0.05)


@pytest.mark.parametrize("method", ["dflash", "eagle3", "draft_model"])
def test_a_method_that_loads_a_model_needs_its_name(method: str) -> None:
    with pytest.raises(RefusedError, match="without speculative model"):
        planned("qwen3-8b", speculative_method=method, num_speculative_tokens=3)


@pytest.mark.parametrize("method", sorted(DRAFTLESS))
def test_what_has_no_measured_gain_claims_none(method: str) -> None:
    plain = estimate_plan(planned("qwen3.8-27b"))
    drafted = estimate_plan(planned("qwen3.8-27b", speculative_method=method, num_speculative_tokens=4))
    own = estimate_plan(planned("qwen3.8-27b", speculative_method="mtp", num_speculative_tokens=4))
    assert drafted.decode_tps.expected == pytest.approx(plain.decode_tps.expected, rel=0.02)
    assert own.decode_tps.expected > 1.3 * plain.decode_tps.expected
    assert not any("speculative" in hint for hint in drafted.faster)


def test_n_gram_tables_stay_in_the_hosts_memory() -> None:
    """51.2 billion elements of Qwen3.8-Flash-Next: vLLM pins them in RAM (config/engram.py), in the checkpoint's
    type.
    """
    plan = planned("Qwen3.8-Flash-Next", "rtx-pro-6000-ws x2", "FP8")
    host = plan.memory.devices[-1]
    assert plan.fits and host.kind == "cpu" and host.weights == pytest.approx(51.2e9, rel=0.01)
    assert sum(d.weights for d in plan.memory.devices if d.kind == "gpu") < 140e9


def test_weights_in_ram_are_read_over_the_link_each_step() -> None:
    """14 GiB over PCIe 4.0 x16 take half a second: two tokens a second, not sixty."""
    whole = estimate_plan(planned("qwen2.5-7b-instruct", "rtx-4090", "BF16"))
    spilt = planned("qwen2.5-7b-instruct", "rtx-4090", "BF16", cpu_offload_gb=14)
    assert whole.decode_tps.expected > 40 and estimate_plan(spilt).decode_tps.expected < 3
    half = estimate_plan(planned("qwen2.5-7b-instruct", "rtx-4090", "BF16", cpu_offload_gb=7))
    assert 3 < half.decode_tps.expected < 6 and half.prefill_tps.expected < whole.prefill_tps.expected


def test_without_graphs_the_host_launches_every_kernel() -> None:
    """gpt-oss-120b on a DGX Spark: 59 tokens/s with CUDA graphs, 26 without (published)."""
    graphs = estimate_plan(planned("gpt-oss-120b", "dgx-spark", "MXFP4"))
    eager = estimate_plan(planned("gpt-oss-120b", "dgx-spark", "MXFP4", enforce_eager=True))
    assert eager.decode_tps.expected < 0.7 * graphs.decode_tps.expected
    assert eager.decode_tps.low <= 26 <= eager.decode_tps.high


def test_a_narrower_cache_is_read_faster() -> None:
    long = {"context": 100_000}
    speeds = [
        estimate_plan(planned("qwen3-32b", "h100-sxm", "FP8", **kind), long["context"]).decode_tps.expected
        for kind in ({}, {"kv_cache_dtype": "fp8"}, {"kv_cache_dtype": "int4_per_token_head"})
    ]
    assert speeds == sorted(speeds) and speeds[0] < speeds[1]
