"""What is named is what is planned: repositories of a quantisation, files that are elsewhere."""

from __future__ import annotations

import pytest

import planner
from planner.models.named import known_by_name
from planner.reason import ReasonKind

CHECKPOINTS = [
    ("Qwen/Qwen2.5-7B-Instruct-AWQ", "AWQ"),
    ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "GPTQ-Int4"),
    ("Qwen/Qwen3-32B-AWQ", "AWQ"),
    ("Qwen/Qwen3-32B-FP8", "FP8"),
    ("Qwen/Qwen3-4B-AWQ", "AWQ"),
    ("Qwen/Qwen3-4B-FP8", "FP8"),
    ("Qwen/Qwen3-235B-A22B-FP8", "FP8"),
    ("Qwen/Qwen3-235B-A22B-GPTQ-Int4", "GPTQ-Int4"),
    ("Qwen/Qwen3.5-35B-A3B-FP8", "FP8"),
    ("Qwen/Qwen3.5-35B-A3B-GPTQ-Int4", "GPTQ-Int4"),
    ("Qwen/Qwen3.6-27B-FP8", "FP8"),
    ("nvidia/Qwen3.6-27B-NVFP4", "NVFP4"),
    ("Qwen/Qwen3-VL-30B-A3B-Instruct-FP8", "FP8"),
    ("nvidia/Llama-3.3-70B-Instruct-FP8", "FP8"),
    ("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", "FP8"),
    ("nvidia/DeepSeek-R1-NVFP4", "NVFP4"),
    ("RedHatAI/gemma-4-31B-it-FP8-dynamic", "FP8"),
]


@pytest.mark.parametrize(("repository", "quant"), CHECKPOINTS, ids=[r for r, _ in CHECKPOINTS])
def test_a_named_checkpoint_travels_to_the_end(repository: str, quant: str) -> None:
    plan = planner.plan(repository, "h100-80gb x8")
    assert (plan.model, plan.quant, plan.engine, plan.source) == (repository, quant, "vllm", repository)
    assert plan.command.startswith(f"vllm serve {repository} ")
    assert "--quantization" not in plan.command


def test_what_is_named_is_smaller_than_the_original() -> None:
    whole = planner.plan("Qwen/Qwen3-32B", "h100-80gb x2", quant="BF16").memory.devices[0].weights
    named = planner.plan("Qwen/Qwen3-32B-AWQ", "h100-80gb x2", settings={"tensor_parallel_size": 2})
    assert named.memory.devices[0].weights < 0.35 * whole


def test_quant_overrides_and_says_so() -> None:
    plan = planner.plan("Qwen/Qwen3-32B-AWQ", "h100-80gb x2", quant="BF16")
    assert (plan.quant, plan.source) == ("BF16", "Qwen/Qwen3-32B")
    said = next(str(w) for w in plan.warnings if w.kind is ReasonKind.ABOUT_MODEL)
    assert said.startswith("Qwen/Qwen3-32B-AWQ holds AWQ: planned in BF16 instead")


def test_a_repository_of_gguf_files_is_the_one_that_is_fetched() -> None:
    plan = planner.plan("bartowski/Qwen_Qwen3.6-27B-GGUF", "rtx-5090")
    assert plan.engine == "llama.cpp"
    assert f"-hf bartowski/Qwen_Qwen3.6-27B-GGUF:{plan.quant}" in plan.command


def test_a_conversion_for_mlx_is_planned_for_mlx_and_is_what_is_fetched() -> None:
    plan = planner.plan("mlx-community/Qwen3.6-27B-4bit", "apple-m4-max-64gb")
    assert (plan.engine, plan.quant) == ("mlx", "4bit")
    assert plan.command.startswith("mlx_lm.server --model mlx-community/Qwen3.6-27B-4bit ")


@pytest.mark.parametrize(
    ("ref", "ident", "quant"),
    [
        ("Qwen3-8B-Q4_K_M.gguf", "Qwen/Qwen3-8B", "Q4_K_M"),
        ("/models/qwen3-8b-q8_0.gguf", "Qwen/Qwen3-8B", "Q8_0"),
        ("C:\\models\\Qwen3-8B-Q6_K.gguf", "Qwen/Qwen3-8B", "Q6_K"),
        ("Qwen3-235B-A22B-IQ4_XS-00001-of-00003.gguf", "Qwen/Qwen3-235B-A22B", "IQ4_XS"),
        ("unsloth/Qwen3.6-27B-GGUF:Q4_K_M", "Qwen/Qwen3.6-27B", "Q4_K_M"),
        ("somebody/Qwen3-8B-GGUF:Q5_K_M", "Qwen/Qwen3-8B", "Q5_K_M"),
        ("model.gguf", None, None),
        ("somebody/else:Q4_K_M", None, None),
    ],
)
def test_a_file_that_is_elsewhere_by_its_name(ref: str, ident: str | None, quant: str | None) -> None:
    model = known_by_name(ref)
    assert (None if model is None else model.id, None if model is None else model.quant) == (ident, quant)
