"""What MLX takes while it reads a prompt, beside peaks that people published, and how a plan keeps it small."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from benchmarks.accuracy_memory import compare, read_rows
from planner.engines.register import get_engine
from planner.hardware.profiles.load import load_profile
from planner.models.load import load_model
from planner.plan import Plan, PlanRequest, Workload
from planner.reason import ReasonKind

DATA = Path(__file__).parents[3] / "benchmarks" / "data"
GB = 1e9


def errors(*names: str) -> list[float]:
    rows = [row for name in names for row in read_rows(DATA / name) if row["engine"] == "mlx"]
    return [abs(r.parts["peak"]["error"]) for r in map(compare, rows) if "peak" in r.parts]


def test_published_peaks_are_as_computed() -> None:
    found = sorted(errors("memory.jsonl", "mlx_peaks.jsonl"))
    assert len(found) >= 46
    assert statistics.median(found) <= 0.03
    assert found[round(0.9 * len(found))] <= 0.08


def test_the_ladders_of_mlx_lm_itself_are_within_a_percent() -> None:
    rows = [
        r
        for r in read_rows(DATA / "mlx_peaks.jsonl")
        if str(r["source"]["url"]).endswith(("1480", "1781", "839"))
    ]
    assert len(rows) >= 16  # 4,096 to 192,000 tokens, chunks of 256 to 2,048, three kinds of attention
    assert all(abs(compare(row).parts["peak"]["error"]) < 0.01 for row in rows)


def compute(name: str, tokens: int, mac: str = "apple-m3-ultra-512gb", **settings: int) -> int:
    request = PlanRequest(load_model(name), "4bit", load_profile(mac), Workload(context=tokens), settings)
    return get_engine("mlx").estimate(request).devices[0].compute


def test_scores_are_held_where_no_fused_kernel_takes_the_heads() -> None:
    # heads of 128 are fused, those of 256 not: 24 heads x 2,048 rows x 98,304 tokens more, 2 bytes each
    assert compute("qwen3-32b", 131072) - compute("qwen3-32b", 32768) < 1 * GB
    more = compute("qwen3.8-27b", 131072) - compute("qwen3.8-27b", 32768)
    assert more == pytest.approx(24 * 2048 * 98304 * 2 + 98304 * 4096, rel=0.001)


def test_matrix_units_read_whole_chunks_fused() -> None:
    assert compute("qwen3.8-27b", 131072, "apple-m5-max-128gb") < 0.6 * compute("qwen3.8-27b", 131072)


def test_a_quantised_cache_costs_scores() -> None:
    assert compute("qwen3-32b", 32768, kv_bits=8) > compute("qwen3-32b", 32768) + 4 * GB


def asked(context: int | None, mac: str, **settings: int) -> Plan:
    request = PlanRequest(
        load_model("qwen3.8-27b"), "4bit", load_profile(mac), Workload(context=context), settings
    )
    return get_engine("mlx").plan(request)


def test_prompts_are_read_in_smaller_chunks_only_where_that_makes_it_fit() -> None:
    roomy = asked(65536, "apple-m4-max-64gb")
    assert roomy.fits and "prefill_step_size" not in roomy.settings
    tight = asked(90112, "apple-m3-pro-36gb")
    assert tight.fits and tight.settings["prefill_step_size"] < 2048
    (said,) = (r for r in tight.why if r.kind is ReasonKind.SETTING_CHANGED)
    assert int(said.values["saved"]) > 1 * GB
    assert not asked(90112, "apple-m3-pro-36gb", prefill_step_size=2048).fits


def test_the_longest_context_is_that_of_the_smallest_chunks_and_fits() -> None:
    found = asked(None, "apple-m4-pro-24gb")
    assert found.max_context > asked(None, "apple-m4-pro-24gb", prefill_step_size=2048).max_context
    assert asked(found.max_context, "apple-m4-pro-24gb").fits
