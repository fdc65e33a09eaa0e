"""The estimate as physics: what must be slower is slower, what is not known is said to be uncertain."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

import planner
from planner.hardware.machine import Accelerator, Backend
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import find_entry
from planner.plan import Interval, Workload
from planner.speed import estimate, estimate_plan
from planner.speed.count_work import model_work
from planner.speed.estimate import decode, prefill, speculative_gain
from planner.speed.job import Job, Load, Traffic
from planner.speed.model_work import ModelWork, WeightBits
from planner.speed.situation import HostFacts, Situation, device_of
from planner.speed.weights import weight_bits

LLAMA = model_work(find_entry("llama-3.1-8b").architecture())
QWEN = model_work(find_entry("qwen3-30b-a3b").architecture())
Q4 = weight_bits("Q4_K_M", LLAMA)
Q4_MOE = weight_bits("Q4_K_M", QWEN)


def on(profile: str, count: int = 1, **changes: object) -> Situation:
    device = device_of(load_profile(profile).accelerators[0])
    return replace(Situation(devices=(device,) * count), **changes)


def tps(
    s: Situation, depth: float = 512, w: ModelWork = LLAMA, b: WeightBits = Q4, batch: float = 1
) -> float:
    return decode(Job(w, b, s), depth, Load(batch))[0].expected


@pytest.mark.parametrize(
    ("profile", "low", "high"),
    # llama.cpp, 8B Q4_K_M or near it at short depth: the range of what is published for each card
    [("rtx-4090", 110, 165), ("rtx-3090", 95, 145), ("apple-m2-ultra-192gb", 70, 110), ("dgx-spark", 30, 48)],
)
def test_well_known_speeds(profile: str, low: float, high: float) -> None:
    assert low < tps(on(profile), 64) < high


def test_decode_falls_with_depth_and_with_bits() -> None:
    s = on("rtx-4090")
    speeds = [tps(s, d) for d in (0, 4096, 32768, 131072)]
    assert speeds == sorted(speeds, reverse=True) and speeds[0] > 1.3 * speeds[-1]
    assert tps(s) > 1.3 * tps(s, b=weight_bits("Q8_0", LLAMA)) > 1.3 * tps(s, b=weight_bits("F16", LLAMA))


def test_users_share_the_weights_but_not_the_cache() -> None:
    s = on("h100-sxm", engine="vllm")
    bits = weight_bits("FP8", LLAMA)
    alone, many = tps(s, 2048, b=bits), tps(s, 2048, b=bits, batch=32)
    assert many < alone and 32 * many > 5 * alone
    short = tps(s, 512, b=bits, batch=32)
    assert short > many


def test_a_batch_touches_more_experts() -> None:
    s = on("h100-sxm", engine="vllm")
    dense_loss = tps(s, 512, batch=8) / tps(s, 512)
    moe_loss = tps(s, 512, QWEN, Q4_MOE, 8) / tps(s, 512, QWEN, Q4_MOE)
    assert moe_loss < dense_loss


def test_experts_in_ram_cost_speed_in_proportion() -> None:
    host = HostFacts(80e9, 8, "desktop", True)
    speeds = [
        tps(on("rtx-4090", host=host, gpu_experts=share), 512, QWEN, Q4_MOE) for share in (1, 0.75, 0.5, 0.0)
    ]
    assert speeds == sorted(speeds, reverse=True)
    cpu = tps(Situation(host=host), 512, QWEN, Q4_MOE)
    assert cpu < speeds[-1] < speeds[0] / 2


def test_faster_ram_makes_a_processor_faster() -> None:
    slow, fast = (tps(Situation(host=HostFacts(b, 16, "desktop", True))) for b in (50e9, 100e9))
    assert 1.2 < fast / slow <= 2.0


def test_tensor_parallel_beats_a_layer_split_on_nvlink() -> None:
    bits = weight_bits("BF16", LLAMA)
    layer = tps(on("h100-sxm", 4, engine="vllm", mode="layer"), b=bits)
    tensor = tps(on("h100-sxm", 4, engine="vllm", mode="tensor"), b=bits)
    assert tensor > 1.3 * layer


def test_prefill_falls_with_depth_and_depends_on_compute() -> None:
    s = on("rtx-4090")
    at = [prefill(Job(LLAMA, Q4, s), 2048, d)[0].expected for d in (0, 16384, 65536)]
    assert at == sorted(at, reverse=True)
    assert at[0] > 1.5 * prefill(Job(LLAMA, Q4, on("apple-m4-max-128gb")), 2048)[0].expected


def test_the_less_is_known_the_wider() -> None:
    known = on("rtx-4090")
    card = Accelerator("RTX 9999", "nvidia", Backend.CUDA, 24 << 30, 24 << 30, compute_capability=(8, 9))
    card = replace(card, memory_bandwidth=1.008e12, rates=load_profile("rtx-4090").accelerators[0].rates)
    alike = replace(known, devices=(device_of(card),))
    strange = replace(known, devices=(device_of(replace(card, vendor="other", compute_capability=None)),))

    def width(s: Situation) -> float:
        interval = decode(Job(LLAMA, Q4, s), 512)[0]
        return interval.high / interval.low

    assert width(known) < width(alike) < width(strange)
    assert tps(alike) == pytest.approx(tps(known), rel=0.15)


def test_a_card_without_facts_still_gets_an_answer() -> None:
    card = Accelerator("Mystery", "other", Backend.OTHER, 8 << 30, 8 << 30)
    speed = estimate(Job(LLAMA, Q4, Situation(devices=(device_of(card),))), Traffic(512))
    assert 0 < speed.decode_tps.low < speed.decode_tps.expected < speed.decode_tps.high
    assert speed.decode_tps.high > 4 * speed.decode_tps.low  # nothing is known of it
    assert "assumed" in speed.basis


def ordered(i: Interval) -> bool:
    return 0 < i.low < i.expected < i.high


def test_a_plan_gets_speed_reasons_and_basis() -> None:
    plan = planner.plan("gpt-oss-20b", "rtx-4090")
    speed = plan.speed
    assert speed is not None
    assert ordered(speed.decode_tps) and ordered(speed.prefill_tps) and ordered(speed.ttft_s)
    assert "%" in speed.limited_by and "rtx" not in speed.limited_by
    assert "measurements" in speed.basis


def test_depth_of_a_plan_is_honoured() -> None:
    plan = planner.plan("llama-3.1-8b", "rtx-4090")
    near, far = (estimate_plan(plan, depth).decode_tps.expected for depth in (256, 30000))
    assert near > far
    assert estimate_plan(plan, 300).depth == 300


def test_several_users_wait_longer_and_produce_more() -> None:
    plan = planner.plan(
        "llama-3.1-8b", "h100-sxm", Workload(users=16, context=4096), engine="vllm", quant="FP8"
    )
    one = planner.plan(
        "llama-3.1-8b", "h100-sxm", Workload(users=1, context=4096), engine="vllm", quant="FP8"
    )
    assert plan.speed and plan.speed.total_output_tps and one.speed
    assert plan.speed.total_output_tps.expected > 3 * one.speed.decode_tps.expected
    assert plan.speed.ttft_s.expected > one.speed.ttft_s.expected
    assert plan.speed.ttft_p95_s and plan.speed.ttft_at_once_s
    assert plan.speed.ttft_s.expected < plan.speed.ttft_p95_s.expected
    assert (
        plan.speed.ttft_s.expected < plan.speed.ttft_at_once_s.expected
    )  # the middle one of a burst waits for half
    assert one.speed.ttft_p95_s is None and one.speed.ttft_at_once_s is None


def test_who_finds_no_place_waits_before_the_first_token() -> None:
    job = Job(LLAMA, Q4, on("rtx-4090"))
    fits, waits = (estimate(job, Traffic(1024, users=32, places=n)) for n in (32, 8))
    assert waits.total_output_tps and fits.total_output_tps
    assert waits.decode_tps.expected > fits.decode_tps.expected  # eight run at once
    assert waits.total_output_tps.expected < fits.total_output_tps.expected
    assert waits.ttft_s.expected > 512 / waits.decode_tps.expected  # a place comes free when an answer ends


def test_prompts_of_others_cost_the_more_the_longer_they_are() -> None:
    job = Job(LLAMA, Q4, on("h100-sxm", engine="vllm"))
    speeds = [decode(job, 4096, Load(32, prompt, 256))[0].expected for prompt in (0, 512, 8192)]
    assert speeds == sorted(speeds, reverse=True) and speeds[0] > 1.2 * speeds[2]


def test_a_latent_cache_is_copied_to_every_rank_of_tensor_parallelism() -> None:
    deepseek = model_work(find_entry("deepseek-v3").architecture())
    assert deepseek.kv_elements(1000, 8) == 8 * deepseek.kv_elements(1000, 1)
    assert LLAMA.kv_elements(1000, 8) == LLAMA.kv_elements(1000, 1)  # eight heads for eight ranks
    assert LLAMA.kv_elements(1000, 16) == 2 * LLAMA.kv_elements(1000, 1)


def test_speculative_decoding_is_an_explicit_factor() -> None:
    assert speculative_gain(0) == 1.0
    # three drafts, 70 % accepted: 1 + 0.7 + 0.49 + 0.343 tokens for 1.18 steps
    assert speculative_gain(3) == pytest.approx(2.533 / 1.18, rel=0.01)
    assert speculative_gain(1, accepted=0.0) == 1.0


def test_what_would_help_is_named() -> None:
    host = HostFacts(80e9, 8, "desktop", True)
    hybrid = estimate(Job(QWEN, Q4_MOE, on("rtx-4090", host=host, gpu_experts=0.0)), Traffic(512))
    assert "RAM" in hybrid.limited_by and any("GPU memory" in f for f in hybrid.faster)
    full = estimate(Job(LLAMA, weight_bits("F16", LLAMA), on("rtx-4090")), Traffic(512))
    assert any("4-bit" in f for f in full.faster)
    deep = estimate(Job(LLAMA, Q4, on("rtx-4090")), Traffic(100_000))
    assert any("KV cache" in f for f in deep.faster)


def test_an_estimate_costs_microseconds() -> None:
    plan = planner.plan("qwen3-30b-a3b", "rtx-4090")
    best = 1.0
    for _ in range(5):
        start = time.process_time()
        for _ in range(20):
            estimate_plan(plan)
        best = min(best, (time.process_time() - start) / 20)
    assert best < 1e-3
