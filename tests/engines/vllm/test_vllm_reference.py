"""Weights and blocks that vLLM 0.33.0's own planning code gave for models beyond the measured file."""

from __future__ import annotations

import pytest

from benchmarks.vllm_rows import command_settings, row_gpu
from planner.engines.vllm.memory.kv_cache import KvLayout, kv_layout
from planner.engines.vllm.memory.storage import scheme_for
from planner.engines.vllm.memory.weights import weights_per_rank
from planner.engines.vllm.settings import settings_from
from planner.models.catalogue.catalogue import find_entry

MTP = """ --speculative-config '{"method":"mtp","num_speculative_tokens":1}'"""


def run(line: str, kind: str) -> tuple[list[float], KvLayout]:
    """Weights (GiB) of each pipeline stage and the cache's layout of a `vllm serve` line."""
    command = f"vllm serve {line}"
    arch = find_entry(command.split()[2]).architecture()
    gpu = row_gpu({"machine": {"gpus": [{"name": kind}]}})
    assert gpu is not None
    settings = settings_from(command_settings(command)).resolved(gpu, arch.n_ctx_train)
    scheme = scheme_for(arch, settings.quantization or "native", online=settings.quantization is not None)
    weights = weights_per_rank(arch, scheme, settings, gpu)
    return [w / (1 << 30) for w in weights], kv_layout(arch, settings, gpu)


@pytest.mark.parametrize(
    ("line", "kind", "gib"),
    [
        ("deepseek-ai/DeepSeek-R1 -tp 8", "h200", 79.55),
        ("deepseek-ai/DeepSeek-R1 -dp 8 -ep", "h200", 95.84),
        ("deepseek-ai/DeepSeek-R1 -tp 8" + MTP, "h200", 79.55 + 1.55),
        ("zai-org/GLM-4.5-Air -tp 4" + MTP, "h100", 49.81 + 1.15),
        ("meta-llama/Llama-3.3-70B-Instruct -tp 2 --quantization fp8", "h100", 33.87),
        ("openai/gpt-oss-120b --moe-backend marlin", "h100", 65.93),
        ("openai/gpt-oss-20b", "b200", 13.719),
    ],
)
def test_weights(line: str, kind: str, gib: float) -> None:
    (weights,), _ = run(line, kind)
    assert weights == pytest.approx(gib, rel=5e-4)


def test_uneven_pipeline() -> None:
    """R1 over eight stages: three dense layers make the first light, MLA's copies the others heavy."""
    weights, layout = run("deepseek-ai/DeepSeek-R1 -pp 8", "h200")
    assert round(min(weights)) == 46 and round(max(weights)) == 86
    assert len(layout.bytes_per_block) == 8


@pytest.mark.parametrize(
    ("line", "kind", "block"),
    [
        ("deepseek-ai/DeepSeek-R1 -tp 8", "h200", 16),
        ("deepseek-ai/DeepSeek-R1 -tp 8 --kv-cache-dtype fp8", "h200", 64),
        ("deepseek-ai/DeepSeek-R1 -tp 8", "b200", 32),
        ("Qwen/Qwen3.5-35B-A3B", "h200", 1088),
        ("Qwen/Qwen3.5-27B", "h100", 832),
    ],
)
def test_blocks(line: str, kind: str, block: int) -> None:
    _, layout = run(line, kind)
    assert {part.page.block for group in layout.groups for part in group.parts} == {block}


def test_latent_rows_are_on_every_rank() -> None:
    """70,272 bytes a token for 61 layers, whatever the tensor parallel size."""
    for tp in (1, 8):
        _, layout = run(f"deepseek-ai/DeepSeek-R1 -tp {tp}", "h200")
        assert layout.bytes_per_block[0] == 16 * 70272


@pytest.mark.parametrize(
    ("line", "kind", "block", "groups", "size", "blocks"),
    [
        ("", "h200", 640, 6, 7441408, 218),
        (" --max-model-len 1048576", "h200", 640, 6, 7441408, 1652),
        (" --no-enable-prefix-caching", "h200", 640, 6, 7441408, 210),
        (" --kv-cache-dtype fp8", "h200", 1152, 6, 6906368, 127),
        (" --kv-cache-dtype fp8_ds_mla", "h200", 1152, 5, 8732672, 124),
        (MTP.replace(":1", ":3"), "h200", 640, 5, 8118272, 224),
        ("", "b200", 1152, 6, 6914048, 127),  # FP8 unless told otherwise, in pages of 32 rows
    ],
)
def test_pooled_index(line: str, kind: str, block: int, groups: int, size: int, blocks: int) -> None:
    """GLM-5.3-Flash on eight GPUs: rows, pooled keys and rings of 11 layers beside KDA states of 34."""
    length = "" if "max-model-len" in line else " --max-model-len 131072"
    _, layout = run("zai-org/GLM-5.3-Flash -tp 8" + length + line, kind)
    assert max(part.page.block for group in layout.groups for part in group.parts) == block
    assert len(layout.groups) == groups
    assert layout.bytes_per_block == (size,)
    assert layout.blocks_per_request(1048576 if not length else 131072) == blocks


@pytest.mark.parametrize(("ranks", "gib"), [(1, 31.979), (2, 15.995)])
def test_the_vendors_blocks(ranks: int, gib: float) -> None:
    """Qwen3-32B-FP8 by its own layout, as vLLM's planning code gave for it: blocks of 128 × 128."""
    arch = find_entry("Qwen/Qwen3-32B").architecture()
    gpu = row_gpu({"machine": {"gpus": [{"name": "h100"}]}})
    assert gpu is not None
    settings = settings_from({"tensor_parallel_size": ranks}).resolved(gpu, arch.n_ctx_train)
    (weights,) = weights_per_rank(arch, scheme_for(arch, "FP8"), settings, gpu)
    assert weights / (1 << 30) == pytest.approx(gib, rel=1e-4)
