"""The type of each tensor in llama.cpp's mixes, against what its quantiser picks."""

from __future__ import annotations

import time

import pytest

from planner.errors import UnsupportedError
from planner.models.architecture import Architecture
from planner.quant.mixes import find_mix, mix_types, nearest_mix
from planner.quant.quantisations import QUANTISATIONS
from tests.engines.llama_cpp.llama_shapes import shape

MIXES = [q for q in QUANTISATIONS.values() if q.base]


def types_of(arch: Architecture, mix: str, imatrix: bool | None = None) -> dict[str, str]:
    """Full name -> type."""
    types = mix_types(arch, QUANTISATIONS[mix], imatrix=imatrix)
    found = {t.name: k for t, k in zip(arch.tensors, types.outside, strict=True)}
    for group, kinds in zip(arch.groups, types.groups, strict=True):
        for tensor, kind in zip(group.tensors, kinds, strict=True):
            for at, i in enumerate(group.layers):
                found[f"blk.{i}.{tensor.name}"] = kind if isinstance(kind, str) else kind[at]
    return found


def test_q4_k_m_gives_more_bits_to_some_layers() -> None:
    types = types_of(shape("LLAMA_8B"), "Q4_K_M")
    more = [i for i in range(32) if types[f"blk.{i}.ffn_down.weight"] == "Q6_K"]
    # the first and last eighth, and every third between
    assert more == [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
    assert [i for i in range(32) if types[f"blk.{i}.attn_v.weight"] == "Q6_K"] == more
    assert types["output.weight"] == "Q6_K"
    assert types["token_embd.weight"] == "Q4_K"
    assert types["blk.0.attn_norm.weight"] == "F32"


def test_shared_embeddings_are_quantised_like_the_output() -> None:
    assert types_of(shape("LLAMA_1B"), "Q4_K_M")["token_embd.weight"] == "Q6_K"
    assert types_of(shape("LLAMA_1B"), "Q8_0")["token_embd.weight"] == "Q8_0"


def test_rows_that_blocks_do_not_divide_fall_back() -> None:
    types = types_of(shape("GPT_OSS_20B"), "Q4_K_M")  # rows of 2880 = 11.25 × 256
    assert types["blk.5.attn_q.weight"] == "Q5_0"
    assert types["blk.0.ffn_down_exps.weight"] == "Q8_0"
    assert types["output.weight"] == "Q8_0"


def test_mxfp4_holds_experts_only() -> None:
    types = types_of(shape("GPT_OSS_20B"), "MXFP4_MOE")
    assert types["blk.0.ffn_up_exps.weight"] == "MXFP4"
    assert types["blk.0.ffn_up_exps.bias"] == "F32"
    assert types["blk.0.attn_q.weight"] == "Q8_0"
    assert types["blk.0.ffn_gate_inp.weight"] == "F32"


def test_importance_matrix_changes_iq4_xs() -> None:
    assert types_of(shape("LLAMA_8B"), "IQ4_XS", imatrix=False)["blk.0.ffn_down.weight"] == "Q5_K"
    assert types_of(shape("LLAMA_8B"), "IQ4_XS")["blk.0.ffn_down.weight"] == "IQ4_XS"


def test_floating_point_files_are_as_converted() -> None:
    assert types_of(shape("QWEN3_30B"), "F16")["blk.0.ffn_gate_inp.weight"] == "F32"
    assert types_of(shape("QWEN3_30B"), "BF16")["blk.0.ffn_up_exps.weight"] == "BF16"
    assert set(types_of(shape("LLAMA_8B"), "F32").values()) == {"F32"}


def test_names() -> None:
    assert find_mix("mxfp4") is QUANTISATIONS["MXFP4_MOE"]
    assert find_mix("q4-k-m") is QUANTISATIONS["Q4_K_M"]
    assert nearest_mix("UD-Q4_K_XL") == (QUANTISATIONS["Q4_K_M"], False)
    assert nearest_mix("UD-IQ2_M") == (QUANTISATIONS["IQ2_M"], False)
    with pytest.raises(UnsupportedError, match="AWQ"):
        nearest_mix("AWQ")


def test_a_one_bit_type_without_fallback_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="2880"):
        mix_types(shape("GPT_OSS_20B"), QUANTISATIONS["Q1_0"])


def test_every_mix_of_a_model_is_quick() -> None:
    arch = shape("QWEN3_30B")
    mix_types(arch, QUANTISATIONS["Q4_K_M"])
    start = time.process_time()
    for mix in MIXES:
        mix_types(arch, mix)
    assert (time.process_time() - start) / len(MIXES) < 0.003
