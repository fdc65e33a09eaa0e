"""MLX's rules beside mlx-lm's own classes, published files and logged peaks, and what a plan says and types."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.accuracy_memory import compare, read_rows
from planner.advice.plan.choose import plan_model
from planner.advice.plan.question import PlanQuestion
from planner.engines.commands import read_command
from planner.engines.register import get_engine
from planner.errors import RefusedError, UnsupportedError
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.load import load_model
from planner.plan import Plan, PlanRequest, Workload
from planner.reason import ReasonKind

ORACLE = Path(__file__).parents[3] / "benchmarks" / "data" / "mlx_oracle.jsonl"


def plan(name: str, quant: str | None, profile: str, **workload: object) -> Plan:
    question = PlanQuestion(
        load_model(name), load_profile(profile), Workload(**workload), engine="mlx", quant=quant
    )
    return plan_model(question)


def test_weights_caches_and_refusals_are_mlx_lms_own_to_the_byte() -> None:
    results = [compare(row) for row in read_rows(ORACLE)]
    wrong = [r for r in results if r.status not in ("ok", "refused")]
    assert not wrong, [(r.id, r.reason) for r in wrong[:5]]
    inexact = [r.id for r in results for figures in r.parts.values() if figures["error"]]
    assert not inexact
    assert len({r.model for r in results if r.status == "ok"}) >= 250


def published() -> Iterator[tuple[str, str, int]]:
    for entry in load_catalogue().entries():
        for file in entry.files:
            if file.format == "mlx":
                for quant, size in file.sizes.items():
                    yield entry.id, quant, size


def test_files_of_mlx_community_are_as_large_as_the_rules_say() -> None:
    engine, mac = get_engine("mlx"), load_profile("apple-m3-ultra-512gb")
    near = []
    for name, quant, size in published():
        model = load_model(name)
        if engine.supports(model, quant, mac) is None:
            weights = engine.estimate(PlanRequest(model, quant, mac)).devices[0].weights
            near.append(abs(weights / size - 1) < 0.0005)
    # Others are stated in whole GiB, or hold a vision tower or prediction layers, which mlx-lm leaves out.
    assert sum(near) >= 15


def test_a_plan_says_what_it_takes_and_bounds_what_would_grow() -> None:
    found = plan("qwen3-8b", "4bit", "apple-m4-max-64gb", context=32768)
    device = found.memory.devices[0]
    assert found.fits and found.settings["context"] == 32768
    assert device.kv_cache == 32768 * 36 * 8 * 128 * 2 * 2
    words = shlex.split(found.command)
    assert words[:3] == ["mlx_lm.server", "--model", "mlx-community/Qwen3-8B-4bit"]
    limit = int(words[words.index("--prompt-cache-bytes") + 1])
    assert device.kv_cache <= limit <= device.available - device.weights - device.compute
    assert words[words.index("--decode-concurrency") + 1] == "1"


def test_commands_are_read_back_as_they_were_meant() -> None:
    for name, quant in (("qwen3-8b", "4bit"), ("gpt-oss-20b", "MXFP4-Q8"), ("qwen3.8-27b", "6bit")):
        found = plan(name, quant, "apple-m4-max-64gb", context=16384)
        serving = found.command.splitlines()[-1]
        read = read_command(serving)
        assert not read.uncounted and not read.kept
        assert read.settings["decode_concurrency"] == 1


def test_what_nobody_published_is_converted_and_never_invented() -> None:
    found = plan("qwen3-8b", "mixed_4_6", "apple-m4-max-64gb")
    convert, serve = found.command.splitlines()
    assert convert.startswith("mlx_lm.convert --hf-path Qwen/Qwen3-8B ")
    assert "--quant-predicate mixed_4_6" in convert
    made = shlex.split(convert)[shlex.split(convert).index("--mlx-path") + 1]
    assert shlex.split(serve)[2] == made
    assert "mlx-community" not in found.command


def test_more_than_metal_gives_is_short_and_the_limit_that_would_do_is_said() -> None:
    found = plan("llama-3.3-70b", "4bit", "apple-m4-pro-48gb", context=8192)
    assert not found.fits
    advice = next(r for r in found.why if r.kind is ReasonKind.WHAT_WOULD_FIT)
    assert "iogpu.wired_limit_mb=" in advice.text
    raised = int(advice.values["limit"])
    assert found.memory.devices[0].available < raised < load_profile("apple-m4-pro-48gb").host.ram_total


def test_a_model_without_a_class_is_refused_by_name() -> None:
    reason = get_engine("mlx").supports(load_model("bloom"), "4bit", load_profile("apple-m3-ultra-512gb"))
    assert reason is not None and "no class for bloom" in reason.text


def test_rotating_caches_are_not_quantised_and_that_is_said_before() -> None:
    gemma, mac = load_model("gemma-3-12b"), load_profile("apple-m4-max-64gb")
    request = PlanRequest(gemma, "4bit", mac, Workload(context=16384), {"kv_bits": 8})
    with pytest.raises(RefusedError, match="RotatingKVCache Quantization NYI"):
        get_engine("mlx").estimate(request)


def test_a_quantised_cache_is_smaller_only_from_token_5000_on() -> None:
    model, mac = load_model("qwen3-8b"), load_profile("apple-m4-max-64gb")

    def cache(tokens: int, **settings: int) -> int:
        request = PlanRequest(model, "4bit", mac, Workload(context=tokens), settings)
        return get_engine("mlx").estimate(request).devices[0].kv_cache

    assert cache(4999, kv_bits=8) == cache(4999)
    assert cache(8192, kv_bits=8) == cache(8192) * (8 + 0.5) / 16


def test_a_name_that_mlx_lm_makes_nothing_of_is_bad_input() -> None:
    with pytest.raises(UnsupportedError, match="no format of mlx-lm"):
        plan("qwen3-8b", "Q4_K_M", "apple-m4-max-64gb")


def test_the_longest_context_fits_and_one_step_more_does_not() -> None:
    found = plan("qwen2.5-14b-instruct", "8bit", "apple-m4-24gb")
    engine = get_engine("mlx")

    def fits(tokens: int) -> bool:
        request = PlanRequest(
            found.request.model,
            "8bit",
            found.request.machine,
            Workload(context=tokens),
            {"prefill_step_size": 256},  # the smallest chunks that a plan reads prompts in
        )
        return engine.estimate(request).fits

    assert fits(found.max_context)
    assert found.max_context == found.request.arch.n_ctx_train or not fits(found.max_context + 256)
