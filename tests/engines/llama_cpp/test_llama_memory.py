"""Weights, caches, state and output buffer against figures of llama.cpp's own accounting (b11434)."""

from __future__ import annotations

from typing import Any

import pytest

from planner.engines.llama_cpp.allocation import Devices, LlamaMemory, allocate
from planner.engines.llama_cpp.builds import Build, build_of
from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings, resolve
from planner.errors import InputError, RefusedError
from planner.models.catalogue.catalogue import find_entry
from planner.models.tensors import TensorInfo
from tests.engines.llama_cpp.llama_shapes import shape

FREE = 1 << 46


def run(name: str, quant: str, devices: int = 1, **settings: Any) -> LlamaMemory:
    table = weight_table(shape(name), quant, imatrix=False)
    return allocate(table, LlamaCppSettings.of(settings), Devices((FREE,) * devices))


def test_llama_8b_whole_on_the_gpu() -> None:
    memory = run("LLAMA_8B", "Q4_K_M", n_ctx=8192)
    assert memory.caches.kv == (2 * 32 * 8192 * 1024 * 2,)
    assert memory.weights.host == 128256 * 4096 // 256 * 144
    assert memory.output == 4 * 128256
    assert not memory.placement.any_on_host


def test_experts_on_the_cpu() -> None:
    """gpt-oss-20b, --n-cpu-moe 12, context 8192: the engine's bytes."""
    memory = run("GPT_OSS_20B", "MXFP4", n_ctx=8192, n_cpu_moe=12, n_outputs_max=1)
    assert memory.weights.devices == (6391808512,)
    assert memory.weights.host == 5704773120
    assert memory.caches.kv == (220200960,)


def test_latent_attention_keeps_one_row_and_no_v() -> None:
    memory = run("DEEPSEEK_V2_LITE", "Q4_K_M", n_ctx=4096, n_parallel=4)
    assert memory.weights.devices == (10246016768,)
    assert memory.weights.host == 117964800
    assert memory.caches.kv == (127401984,)


def test_repacking_on_a_cpu_is_counted_apart() -> None:
    memory = run("DEEPSEEK_V2_LITE", "Q4_K_M", devices=0, n_ctx=4096)
    assert (memory.weights.host, memory.weights.repacked) == (4549400576, 5814558720)
    plain = run("DEEPSEEK_V2_LITE", "Q4_K_M", devices=0, n_ctx=4096, repack_weights=False)
    assert (plain.weights.host, plain.weights.repacked) == (10363959296, 0)


def test_sliding_windows_and_streams() -> None:
    unified = run("GPT_OSS_20B", "MXFP4", n_ctx=16384, n_parallel=4, kv_unified=True)
    apart = run("GPT_OSS_20B", "MXFP4", n_ctx=16384, n_parallel=4)
    row = 2 * 512 * 2  # K and V, 8 heads of 64, f16
    assert unified.caches.kv[0] == 12 * row * (16384 + 1024)  # 4 × 128 + 512
    assert apart.caches.kv[0] == 12 * row * 4 * (4096 + 768)  # 128 + 512 -> 768
    full = run("GPT_OSS_20B", "MXFP4", n_ctx=16384, swa_full=True)
    assert full.caches.kv[0] == 24 * row * 16384


def test_quantised_cache() -> None:
    memory = run("LLAMA_8B", "Q4_K_M", n_ctx=8192, cache_type_k="q8_0", cache_type_v="q4_0")
    assert memory.caches.kv[0] == 32 * 8192 * 1024 // 32 * (34 + 18)


def test_partial_offload_takes_the_last_layers_and_the_output() -> None:
    memory = run("LLAMA_8B", "Q4_K_M", n_ctx=4096, n_gpu_layers=9)
    assert memory.placement.layers == (-1,) * 24 + (0,) * 8
    assert memory.placement.output == 0
    assert memory.caches.kv_host == 3 * memory.caches.kv[0]


def test_old_builds_offload_the_output_last() -> None:
    table = weight_table(shape("LLAMA_8B"), "Q4_0")
    settings = LlamaCppSettings.of({"n_ctx": 4096, "n_gpu_layers": 32})
    old = allocate(table, settings, Devices((FREE,)), build_of("b6000"))
    assert old.placement.output == -1
    assert old.placement.layers == (0,) * 32
    assert build_of("b9849 (799fcc04a)") == Build("b9849", one_input=True)
    assert build_of(None).all_outputs


def test_two_devices_share_layers_by_free_memory() -> None:
    table = weight_table(shape("LLAMA_8B"), "Q4_K_M")
    memory = allocate(table, LlamaCppSettings.of({"n_ctx": 4096}), Devices((3 << 30, 1 << 30)))
    assert memory.placement.layers.count(0) == 25
    split = allocate(
        table, LlamaCppSettings.of({"n_ctx": 4096, "tensor_split": (1, 1)}), Devices((3 << 30, 1 << 30))
    )
    assert split.placement.layers.count(0) == 17
    alone = allocate(
        table,
        LlamaCppSettings.of({"n_ctx": 4096, "split_mode": "none", "main_gpu": 1}),
        Devices((FREE, FREE)),
    )
    assert set(alone.placement.layers) == {1}


def test_overrides_by_pattern_equal_n_cpu_moe() -> None:
    by_number = run("QWEN3_30B", "Q4_K_M", n_ctx=4096, n_cpu_moe=10)
    by_pattern = run(
        "QWEN3_30B", "Q4_K_M", n_ctx=4096, override_tensor=((r"blk\.[0-9]\.ffn_.*_exps", "CPU"),)
    )
    assert by_pattern.weights == by_number.weights


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("DEEPSEEK_V2_LITE", {"cache_type_k": "q8_0"}, "does not support different K"),
        ("LLAMA_8B", {"cache_type_v": "q4_0", "flash_attn": "off"}, "requires flash_attn"),
    ],
)
def test_refusals_in_the_engines_words(name: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        run(name, "Q4_K_M", n_ctx=4096, **settings)


def test_row_split_is_gone() -> None:
    with pytest.raises(RefusedError, match="split buffers"):
        run("LLAMA_8B", "Q4_K_M", devices=2, n_ctx=4096, split_mode="row")


@pytest.mark.parametrize(
    "settings",
    [
        {"n_ctxx": 1},
        {"n_ctx": -1},
        {"n_parallel": 0},
        {"cache_type_k": "q3_0"},
        {"flash_attn": "maybe"},
        {"split_mode": "diagonal"},
    ],
)
def test_impossible_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        LlamaCppSettings.of(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"split_mode": "none", "main_gpu": 3},
        {"tensor_split": (1, 1, 1)},
        {"override_tensor": (("blk.(", "CPU"),)},
        {"override_tensor": (("blk", "DISK"),)},
    ],
)
def test_settings_that_the_machine_cannot_take(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        run("LLAMA_8B", "Q4_K_M", devices=2, n_ctx=4096, **settings)


def test_context_rounding() -> None:
    arch = shape("LLAMA_8B")
    context = resolve(arch, LlamaCppSettings.of({"n_ctx": 5000, "n_parallel": 3}))
    assert (context.n_ctx_seq, context.n_ctx, context.n_ubatch) == (1792, 5376, 512)
    assert resolve(arch, LlamaCppSettings.of({"n_ctx": 0})).n_ctx == 131072
    assert resolve(arch, LlamaCppSettings.of({"n_ctx": 300})).n_batch == 300


def test_a_files_own_types_decide() -> None:
    arch = shape("LLAMA_1B")
    tensors = [TensorInfo(t.name, t.shape, t.role, "F16") for t in arch.tensors]
    for group in arch.groups:
        for i in group.layers:
            tensors += [TensorInfo(f"blk.{i}.{t.name}", t.shape, t.role, "Q8_0") for t in group.tensors]
    # norms in Q8_0 are odd, but the file says so
    table = weight_table(arch, "anything", tensors=tuple(tensors))
    assert table.kind(3, "attn_q.weight") == "Q8_0"
    with pytest.raises(InputError, match=r"blk\.0"):
        weight_table(arch, "x", tensors=tuple(t for t in tensors if "blk.0." not in t.name))


def test_a_private_mix_is_scaled_to_the_published_size() -> None:
    size = 18 << 30
    table = weight_table(shape("QWEN3_30B"), "UD-Q4_K_XL", file_bytes=size)
    memory = allocate(table, LlamaCppSettings.of({"n_ctx": 4096}), Devices((FREE,)))
    assert not table.exact
    assert memory.weights.devices[0] + memory.weights.host == pytest.approx(size, rel=0.002)


@pytest.mark.parametrize(
    ("model", "weights"), [("tencent/Hy3", 180653010944), ("stepfun-ai/Step-3.5-Flash", 118423879936)]
)
def test_feed_forwards_of_some_prediction_layers_are_loaded_anyway(model: str, weights: int) -> None:
    """src/models/hy-v3.cpp and step35.cpp create them without TENSOR_SKIP."""
    table = weight_table(find_entry(model).architecture(), "Q4_K_M")
    settings = LlamaCppSettings.of({"n_ctx": 8192, "n_outputs_max": 1})
    assert allocate(table, settings, Devices((FREE,))).weights.devices == (weights,)


def test_prediction_layers_without_a_graph_are_never_loaded() -> None:
    table = weight_table(find_entry("LGAI-EXAONE/K-EXAONE-236B-A23B").architecture(), "Q4_K_M")
    plain, asked = (
        allocate(table, LlamaCppSettings.of({"n_ctx": 4096, "load_mtp": on}), Devices((FREE,)))
        for on in (False, True)
    )
    assert plain.weights == asked.weights
