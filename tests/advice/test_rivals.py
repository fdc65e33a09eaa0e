"""Two engines for a Mac: the better wins, the reason is said, and where the other is faster."""

from __future__ import annotations

import pytest

import planner
from planner.advice.plan.rivals import rather_than
from planner.fast_dataclass import replace
from planner.plan import UseCase, Workload
from planner.reason import ReasonKind
from planner.speed import estimate_plan

MACS = (
    "apple-m2-pro-16gb",
    "apple-m4-16gb",
    "apple-m4-pro-24gb",
    "apple-m3-max-64gb",
    "apple-m4-max-128gb",
    "apple-m3-ultra-256gb",
)


# On the largest, the best models are some of which mlx-lm has no class, or nobody publishes a conversion.
SMALL = MACS[:4]


@pytest.mark.parametrize("mac", MACS)
def test_a_mac_gets_the_better_of_both_and_hears_why(mac: str) -> None:
    plans = planner.recommend(mac, limit=4).plans
    assert {plan.engine for plan in plans} <= {"mlx", "llama.cpp"}
    assert mac not in SMALL or any(plan.engine == "mlx" for plan in plans)
    for plan in plans:
        if plan.engine == "mlx":
            assert plan.command.startswith("mlx_lm.server --model ")  # published, nothing to convert first
    dense = planner.plan("qwen3.5-9b", mac)
    (reason,) = (r for r in dense.why if r.kind is ReasonKind.ENGINE_CHOSEN)
    assert reason.values["engine"] == dense.engine
    assert {reason.values["engine"], reason.values["other"]} == {"mlx", "llama.cpp"}


def test_elsewhere_nobody_hears_of_it() -> None:
    assert "mlx" not in {plan.engine for plan in planner.recommend("rtx-4090", limit=4).plans}


def test_who_shows_pictures_gets_an_engine_that_sees_them() -> None:
    plans = planner.recommend("apple-m4-max-64gb", Workload(use_case=UseCase.VISION), limit=3).plans
    assert {plan.engine for plan in plans} == {"llama.cpp"}


def test_speed_deep_in_the_context_is_compared_too() -> None:
    plan = planner.plan("qwen3.6-27b", "apple-m3-max-64gb", engine=None)
    reason = next(r for r in plan.why if r.kind is ReasonKind.ENGINE_CHOSEN)
    deep = {r: planner.plan("qwen3.6-27b", "apple-m3-max-64gb", engine=r) for r in ("mlx", "llama.cpp")}
    assert {reason.values["engine"], reason.values["other"]} == deep.keys()
    if "deep_speed" in reason.values:
        assert float(reason.values["other_deep_speed"]) > float(reason.values["deep_speed"])


def test_the_depth_that_is_compared_is_128k_or_what_both_hold() -> None:
    best = planner.plan("qwen3-8b", "apple-m4-max-128gb", engine="mlx")
    other = planner.plan("qwen3-8b", "apple-m4-max-128gb", engine="llama.cpp")
    for holds, depth in (
        (262_144, 131_072),
        (65_536, 65_536),
        (16_384, 16_384),
        (16_383, None),
        (12_288, None),
    ):
        at = depth or holds
        mine, theirs = (estimate_plan(plan, depth=at).decode_tps.expected for plan in (best, other))
        first, second = (best, other) if theirs > mine else (other, best)
        first, second = (replace(plan, max_context=holds) for plan in (first, second))
        ratio = max(mine, theirs) / min(mine, theirs)
        said = rather_than(first, second, Workload()).values.get("depth")
        assert said == (depth if ratio > 1.1 else None)


@pytest.mark.parametrize(("quant", "said"), [("Q6_K", False), ("Q8_0", True)])
def test_a_tenth_more_speed_deep_in_the_context_is_worth_a_word(quant: str, said: bool) -> None:
    """At 32k tokens four bits are a twelfth faster than six here, and a fifth faster than eight."""
    small, large = (planner.plan("qwen3-8b", MACS[4], quant=q, engine="llama.cpp") for q in ("Q4_K_M", quant))
    small, large = (replace(plan, max_context=32_768) for plan in (small, large))
    quick, slow = (estimate_plan(plan, depth=32_768).decode_tps.expected for plan in (small, large))
    assert (1.12 if said else 1.02) < quick / slow < (1.3 if said else 1.099)
    assert ("depth" in rather_than(large, small, Workload()).values) is said


@pytest.mark.parametrize(("holds", "said"), [(16_384, True), (16_383, False)])
def test_what_holds_less_than_16k_has_no_depth_to_compare(holds: int, said: bool) -> None:
    small, large = (
        planner.plan("qwen3-8b", MACS[4], quant=q, engine="llama.cpp") for q in ("Q4_K_M", "Q8_0")
    )
    small, large = (replace(plan, max_context=holds) for plan in (small, large))
    assert ("depth" in rather_than(large, small, Workload()).values) is said


def test_on_a_server_what_batches_requests_runs_wherever_it_fits() -> None:
    """One user on an H100 heard of llama.cpp's Q8_0, a quarter slower than vLLM's FP8."""
    plan = planner.plan("qwen3.8-27b", "h100-80gb")
    assert (plan.engine, plan.quant) == ("vllm", "FP8")
    assert planner.plan("qwen3-8b", "2x dgx-spark").engine == "vllm"
    assert planner.plan("qwen3-8b", "h100-80gb", engine="llama.cpp").engine == "llama.cpp"
    assert planner.plan("qwen3.8-flash-next", "h100-80gb").engine == "llama.cpp"  # nothing else fits 80 GB


def test_tensors_are_split_over_hosts_that_a_quick_network_joins() -> None:
    two = planner.plan("minimax-m2.7", "2x dgx-spark", Workload(context=32768))
    assert two.settings["tensor_parallel_size"] == 2
    piped = {"tensor_parallel_size": 1, "pipeline_parallel_size": 2}
    other = planner.plan("minimax-m2.7", "2x dgx-spark", Workload(context=32768), settings=piped)
    assert two.speed is not None and other.speed is not None
    assert two.speed.decode_tps.expected > 1.3 * other.speed.decode_tps.expected


def test_where_one_engine_alone_runs_a_model_the_others_reasons_are_said() -> None:
    plan = planner.plan("k2-horizon-7b", "rtx-4090")
    (reason,) = (r for r in plan.why if r.kind is ReasonKind.ONLY_ENGINE)
    assert reason.values["engine"] == "vllm"
    assert "llama.cpp b" in reason.text and "has no implementation of" in reason.text
    mac = planner.plan("minimax-m2.7", "apple-m4-max-64gb")
    assert not any(r.kind is ReasonKind.ONLY_ENGINE for r in mac.why if mac.fits)
