"""A named checkpoint is what is planned and fetched, and its size is the checkpoint's or has an interval."""

from __future__ import annotations

import pytest

import planner
from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.vllm.memory.storage import scheme_for
from planner.models.catalogue.catalogue import lookup
from planner.reason import ReasonKind

CHECKPOINTS = [
    ("Qwen/Qwen3-4B-AWQ", "AWQ"),
    ("Qwen/Qwen3-4B-FP8", "FP8"),
    ("Qwen/Qwen3-32B-AWQ", "AWQ"),
    ("Qwen/Qwen3-32B-FP8", "FP8"),
    ("RedHatAI/Qwen3-32B-NVFP4", "NVFP4"),
    ("Qwen/Qwen3-235B-A22B-GPTQ-Int4", "GPTQ-Int4"),
    ("Qwen/Qwen3-235B-A22B-FP8", "FP8"),
    ("nvidia/Qwen3-235B-A22B-NVFP4", "NVFP4"),
    ("Qwen/Qwen2.5-7B-Instruct-AWQ", "AWQ"),
    ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "GPTQ-Int4"),
    ("Qwen/Qwen3.5-35B-A3B-FP8", "FP8"),
    ("Qwen/Qwen3.5-35B-A3B-GPTQ-Int4", "GPTQ-Int4"),
    ("Qwen/Qwen3.6-27B-FP8", "FP8"),
    ("nvidia/Qwen3.6-27B-NVFP4", "NVFP4"),
    ("RedHatAI/Qwen3.6-27B-FP8", "FP8"),
    ("unsloth/Qwen3.6-27B-NVFP4", "NVFP4"),
    ("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8", "FP8"),
    ("nvidia/Llama-3.3-70B-Instruct-FP8", "FP8"),
    ("nvidia/DeepSeek-R1-NVFP4", "NVFP4"),
    ("Qwen/Qwen3-VL-30B-A3B-Instruct-FP8", "FP8"),
]


@pytest.mark.parametrize(("repository", "quant"), CHECKPOINTS)
def test_what_is_named_is_what_is_planned_and_fetched(repository: str, quant: str) -> None:
    plan = planner.plan(repository, "8x h100-sxm", engine="vllm", workload=planner.Workload(context="8k"))
    assert plan.quant == quant
    assert (plan.command or "").split()[2] == repository


def test_nvfp4_of_which_no_more_is_known_carries_an_interval() -> None:
    """NVIDIA's checkpoint of this model holds 20.57 GiB where all matrices in NVFP4 would be less than 19."""
    plan = planner.plan(
        "nvidia/Qwen3.6-27B-NVFP4", "rtx-5090", engine="vllm", workload=planner.Workload(context="8k")
    )
    (said,) = [w for w in plan.warnings if w.kind is ReasonKind.WEIGHTS_ESTIMATED]
    low, high = said.values["low"], said.values["high"]
    assert isinstance(low, int) and isinstance(high, int)
    assert low < 20.57 * 2**30 < high


def test_it_fits_only_where_the_larger_checkpoint_does() -> None:
    """24 GB hold the 17.6 GiB that the rule gives, not the 23 that a publisher may have made of it."""
    plan = planner.plan(
        "Qwen3.8-27B", "rtx-4090", engine="vllm", quant="NVFP4", workload=planner.Workload(context="4k")
    )
    assert not plan.fits


def test_of_a_mixture_only_what_is_beside_the_experts_may_be_larger() -> None:
    dense, mixture = lookup("Qwen/Qwen3.6-27B"), lookup("deepseek-ai/DeepSeek-R1")
    assert dense is not None and mixture is not None
    assert (
        scheme_for(mixture.architecture(), "NVFP4").excess
        < 0.1
        < scheme_for(dense.architecture(), "NVFP4").excess
    )


@pytest.mark.parametrize("quant", ["F16", "Q8_0", "Q4_K_M", "Q2_K", "UD-Q4_K_XL", "MXFP4"])
def test_published_files_of_gpt_oss_hold_their_experts_in_mxfp4(quant: str) -> None:
    entry = lookup("gpt-oss-20b")
    assert entry is not None
    table = weight_table(entry.architecture(), quant, published=True)
    assert table.kind(3, "ffn_down_exps.weight") == "MXFP4"
    assert 11e9 < table.file_bytes < 14e9  # as unsloth/gpt-oss-20b-GGUF has them, 11.5 (Q2_K) to 13.8 (F16)
