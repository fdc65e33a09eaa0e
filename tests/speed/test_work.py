"""What a model makes a machine do: bytes and operations against figures worked out by hand."""

from __future__ import annotations

import pytest

from planner.models.catalogue.catalogue import find_entry
from planner.speed.count_work import model_work
from planner.speed.model_work import ModelWork
from planner.speed.weights import quant_name, weight_bits


def work_of(name: str) -> ModelWork:
    return model_work(find_entry(name).architecture())


def test_dense_model_reads_every_matrix_once() -> None:
    w = work_of("llama-3.1-8b")
    # q and o 4096², k and v 4096×1024, three of 4096×14336; head 4096×128256
    layer = 2 * 4096**2 + 2 * 4096 * 1024 + 3 * 4096 * 14336
    assert w.linear == 32 * layer
    assert w.head == 4096 * 128256
    assert w.experts == 0 and not w.is_moe


def test_cache_grows_with_depth_and_stops_at_the_window() -> None:
    llama, oss = work_of("llama-3.1-8b"), work_of("gpt-oss-20b")
    assert llama.kv_elements(1000) == 32 * 2 * 8 * 128 * 1000
    # 12 of 24 layers see 128 tokens at most
    assert oss.kv_elements(10_000) == 12 * 2 * 8 * 64 * (10_000 + 128)


def test_latent_attention_caches_one_row() -> None:
    assert work_of("deepseek-v3").kv_elements(100) == 61 * 576 * 100


def test_experts_touched_by_a_batch() -> None:
    w = work_of("mixtral-8x7b")
    assert w.experts_touched(1) == pytest.approx(0.25)
    assert w.experts_touched(2) == pytest.approx(1 - 0.75**2)
    assert w.experts_touched(64) == pytest.approx(1.0, abs=1e-6)
    assert w.active_experts == w.experts / 4


def test_recurrent_layers_keep_a_state_instead_of_a_cache() -> None:
    w = work_of("qwen3.6-35b-a3b")
    assert w.n_recurrent == 30 and w.n_attention == 10
    # 30 layers × 32 heads × 128 × 128 in float32, with a little convolution history
    assert w.state == pytest.approx(30 * 32 * 128 * 128 * 4, rel=0.06)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Q4_K_M", "Q4_K_M"),
        ("UD-Q4_K_XL", "Q4_K_M"),
        ("Unsloth UD-Q4_K_XL (Apr 11)", "Q4_K_M"),
        ("IQ2_K_R4", "IQ2_K"),
        ("mlx-4bit", "MLX4"),
        ("AutoRound INT4", "INT4"),
        ("GPTQ-4bit", "GPTQ"),
        ("NVFP4", "NVFP4"),
        ("fp8", "FP8"),
        ("q8_0", "Q8_0"),
        ("bf16", "BF16"),
    ],
)
def test_quantisations_as_people_write_them(text: str, name: str) -> None:
    assert quant_name(text)[0] == name


def test_unknown_quantisation_is_not_guessed() -> None:
    with pytest.raises(KeyError):
        quant_name("ds4 default")


@pytest.mark.parametrize(
    ("model", "quant", "gib"),
    [("llama-3.1-8b", "Q4_K_M", 4.58), ("qwen3-30b-a3b", "Q4_K_M", 17.28), ("gpt-oss-120b", "MXFP4", 59.02)],
)
def test_bits_add_up_to_the_size_of_the_file(model: str, quant: str, gib: float) -> None:
    w = work_of(model)
    bits = weight_bits(quant, w, gib * 2**30, native="mxfp4" if "oss" in model else "")
    rest = w.parameters - w.linear - w.experts - w.head  # embedding: as the head
    total = (w.linear * bits.dense + w.experts * bits.expert + (w.head + rest) * bits.head) / 8
    assert total == pytest.approx(gib * 2**30, rel=0.02)


@pytest.mark.parametrize(
    ("model", "quant", "gib", "block"),
    [("gemma-4-26b-a4b", "UD-Q8_K_XL", 25.94, 8.5), ("llama-4-scout", "UD-Q4_K_XL", 57.73, 4.5)],
)
def test_experts_are_no_narrower_than_the_block_that_a_mix_is_named_after(
    model: str, quant: str, gib: float, block: float
) -> None:
    """Whoever reads a publisher's mix as wide beside its experts leaves them less than their format takes."""
    w = model_work(find_entry(model).architecture())
    bits = weight_bits(quant, w, gib * 2**30)
    assert bits.expert == block and block < bits.dense < 16
    stored = w.experts * bits.expert + (w.parameters - w.experts) * bits.dense
    assert stored / 8 == pytest.approx(gib * 2**30, rel=0.01)


def test_sixteen_bits_beside_four_bit_experts_are_read_as_such() -> None:
    w = model_work(find_entry("gpt-oss-120b").architecture())
    wide, narrow = (weight_bits("F16", w, gib * 2**30, native="mxfp4") for gib in (60.87, 59.02))
    assert (wide.kind, narrow.kind) == ("f16", "q8") and wide.expert_kind == narrow.expert_kind == "mxfp4"
