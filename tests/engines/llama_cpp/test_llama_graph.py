"""llama.cpp's compute buffers: to the byte what its own allocator says, whatever the graph."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.graph import reserve as llama_graph
from planner.engines.llama_cpp.graph.buffers import ComputeBuffers
from planner.engines.llama_cpp.graph.ggml.allocator import (
    CPU_BUFFER,
    CUDA_BUFFER,
    Allocator,
    Pool,
    alloc_size,
)
from planner.engines.llama_cpp.graph.ggml.tensor import F16, F32, Tensor
from planner.engines.llama_cpp.graph.reserve import compute_buffers, flash_attention_stays
from planner.engines.llama_cpp.placing.placement import place
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import WeightTable, weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings, resolve
from planner.engines.llama_cpp.traits import Rule
from planner.hardware.machine import Backend
from planner.models.catalogue.catalogue import find_entry, load_catalogue
from planner.quant.formats import ggml_format
from tests.engines.llama_cpp.llama_shapes import shape

CASES: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("llama_graph_cases.json").read_text())
PLENTY: Final = 1 << 42


@cache
def _table(model: str, quant: str) -> WeightTable:
    return weight_table(find_entry(model).architecture(), quant)


def _case(table: WeightTable, given: dict[str, Any], devices: int = 1) -> Run:
    settings = LlamaCppSettings.of({k: v for k, v in given.items() if v is not None})
    backend = Backend.CUDA if devices else Backend.CPU
    context = resolve(table.arch, settings, backend)
    placement = place(table.arch, settings, (PLENTY,) * devices)
    run = Run(table, placement, settings, context, backend)
    if context.flash_attn and settings.flash_attn == "auto" and not flash_attention_stays(run):
        run = replace(run, context=replace(context, flash_attn=False))
    return run


@pytest.mark.parametrize("model", CASES["buffers"])
def test_buffers_are_the_engines_to_the_byte(model: str) -> None:
    found, expected = {}, CASES["buffers"][model]
    for name in expected:
        how = CASES["settings"][name]
        buffers = compute_buffers(_case(_table(model, how["quant"]), how["settings"], how["devices"]))
        found[name] = [*buffers.devices, buffers.host]
    assert found == expected


@pytest.mark.parametrize(
    "model",
    [
        "meta-llama/Llama-3.2-1B-Instruct",
        "google/gemma-3-27b-it",
        "google/gemma-4-E4B-it",
        "Qwen/Qwen3.5-35B-A3B",
        "openai/gpt-oss-120b",
        "deepseek-ai/DeepSeek-R1",
        "nvidia/Nemotron-H-8B-Base-8K",
        "mistralai/Mistral-Small-4-119B-2603",
    ],
)
@pytest.mark.parametrize(
    ("extra", "devices"), [({}, 1), ({}, 2), ({"n_gpu_layers": 11}, 1), ({"cpu_moe": True}, 2)]
)
def test_repeated_layers_need_what_building_them_all_does(
    model: str, extra: dict[str, Any], devices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _case(_table(model, "Q8_0"), {"n_ctx": 8192, "n_outputs_max": 1, **extra}, devices)
    repeated = compute_buffers(case)
    monkeypatch.setattr(llama_graph, "_BUILT", 1000)
    assert compute_buffers(case) == repeated


@pytest.mark.parametrize(("model", "most"), [("Qwen/Qwen3-235B-A22B", 5), ("google/gemma-3-27b-it", 26)])
@pytest.mark.parametrize("extra", [{}, {"cpu_moe": True}, {"n_cpu_moe": 30}, {"n_gpu_layers": 20}])
def test_few_layers_of_many_are_built(
    model: str, most: int, extra: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _case(_table(model, "Q8_0"), {"n_ctx": 8192, **extra})
    built: list[int] = []
    build = vars(llama_graph)["build"]

    def count(builder: Any, layers: list[Any], *rest: Any) -> None:
        built.append(len(layers))
        build(builder, layers, *rest)

    monkeypatch.setattr(llama_graph, "build", count)
    compute_buffers(case)
    stretches = 2 if {"n_gpu_layers", "n_cpu_moe"} & set(extra) else 1
    assert len(built) == 1 and built[0] <= most * stretches


@pytest.mark.parametrize(
    ("model", "extra", "stays"),
    [
        ("LiquidAI/LFM2-1.2B", {}, True),
        ("LiquidAI/LFM2-1.2B", {"n_gpu_layers": 8}, False),
        ("ai21labs/AI21-Jamba2-3B", {"kv_offload": False}, False),
        ("meta-llama/Llama-3.2-1B-Instruct", {"n_gpu_layers": 8}, True),
        ("meta-llama/Llama-3.2-1B-Instruct", {"kv_offload": False}, True),
    ],
)
def test_flash_attention_is_turned_off_at_some_borders(
    model: str, extra: dict[str, Any], stays: bool
) -> None:
    table = _table(model, "Q8_0")
    settings = LlamaCppSettings.of({"n_ctx": 8192, "n_outputs_max": 1, **extra})
    context, placement = resolve(table.arch, settings), place(table.arch, settings, (PLENTY,))
    assert context.flash_attn
    assert flash_attention_stays(Run(table, placement, settings, context)) is stays


def test_graphs_that_are_not_followed_have_a_figure() -> None:
    seen = set()
    for entry in load_catalogue().entries():
        if not entry.config:
            continue  # nothing published
        arch = entry.architecture()
        if traits(arch).graph is Rule.FOLLOWED or arch.gguf_arch in seen:
            continue
        seen.add(arch.gguf_arch)
        buffers = compute_buffers(_case(weight_table(arch, "Q8_0"), {"n_ctx": 8192, "n_outputs_max": 1}))
        logits = 4 * arch.vocab_size
        assert buffers.devices[0] > logits and buffers.host > 4 * 512 * arch.hidden_size
    assert seen


def test_a_graph_without_an_expected_tensor_has_a_figure() -> None:
    arch = shape("LLAMA_8B")
    groups = tuple(
        replace(g, tensors=tuple(t for t in g.tensors if t.name != "ffn_down.weight")) for g in arch.groups
    )
    table = weight_table(replace(arch, groups=groups), "Q8_0")
    buffers = compute_buffers(_case(table, {"n_ctx": 4096}))
    assert isinstance(buffers, ComputeBuffers) and buffers.devices[0] > 0


def test_sizes_grow_with_what_is_asked() -> None:
    table = weight_table(shape("LLAMA_8B"), "Q4_K_M")

    def device(**extra: Any) -> int:
        return compute_buffers(_case(table, {"n_ctx": 16384, "n_outputs_max": 1, **extra})).devices[0]

    assert device() < device(n_ctx=65536) < device(n_ctx=65536, n_ubatch=2048)
    assert device() < device(n_outputs_max=512)
    assert device(flash_attn="off") > 2 * device()


# the allocator's own rules (ggml_dyn_tallocr in ggml-alloc.c)


def test_an_allocation_takes_the_smallest_block_that_holds_it() -> None:
    pool = Pool(128)
    at = [pool.alloc(size) for size in (1024, 100, 512, 100, 256, 100)]
    assert at == [0, 1024, 1152, 1664, 1792, 2048] and pool.peak == 2176
    for offset, size in ((0, 1024), (1152, 512), (1792, 256)):
        pool.free(offset, size)
    assert pool.alloc(300) == 1152  # the block of 512, not of 256 or 1024
    assert pool.alloc(200) == 1792
    assert pool.alloc(2000) == 2176 and pool.peak == 2176 + 2048


def test_free_blocks_side_by_side_are_joined() -> None:
    pool = Pool(32)
    for _ in range(4):
        pool.alloc(64)
    pool.free(0, 64)
    pool.free(128, 64)
    assert pool.blocks[:2] == [[0, 64], [128, 64]]
    pool.free(64, 64)
    assert pool.blocks[0] == [0, 192]
    pool.free(192, 60)  # rounded up as it was when allocated
    assert len(pool.blocks) == 1 and pool.blocks[0][0] == 0
    assert pool.peak == 256


def test_a_parent_of_the_same_layout_is_reused_unless_it_is_wanted_later() -> None:
    def peak(*, wanted: bool) -> int:
        a, b = Tensor("cpy", F32, (1024, 1, 1, 1)), Tensor("cpy", F32, (1024, 1, 1, 1))
        both = Tensor("add", F32, a.ne, (a, b))
        last = Tensor("mul", F32, a.ne, (both, a, b) if wanted else (both,))
        return Allocator([CUDA_BUFFER]).run([], [[(t, 0) for t in (a, b, both, last)]])[0]

    assert peak(wanted=False) == 2 * 4096  # the sum lies where a was
    assert peak(wanted=True) == 3 * 4096


def test_quantised_rows_are_filled_up_on_cuda() -> None:
    tensor = Tensor("none", ggml_format("Q8_0"), (2880, 4, 1, 1))
    assert alloc_size(tensor, CPU_BUFFER) == tensor.nbytes == 2880 * 4 // 32 * 34
    assert alloc_size(tensor, CUDA_BUFFER) == tensor.nbytes + 192 // 32 * 34


def test_flash_attention_keeps_copies_of_other_caches() -> None:
    def size(kind: str, tokens: int) -> int:
        k = Tensor("none", ggml_format(kind), (128, 4096, 8, 1))
        query, mask = Tensor("none", F32, (128, tokens, 32, 1)), Tensor("none", F16, (4096, tokens, 1, 1))
        result = Tensor(
            "flash_attn", F32, (128, 32, tokens, 1), (query, k, Tensor("none", k.kind, k.ne), mask)
        )
        return alloc_size(result, CUDA_BUFFER) - result.nbytes

    assert size("F16", 512) == 0
    assert size("Q8_0", 512) == 2 * (2 * 128 * 4096 * 8)
    assert size("Q8_0", 1) == 0  # one token's kernel reads quantised values as they are
    assert size("Q5_1", 1) > 0  # but not every type has one
