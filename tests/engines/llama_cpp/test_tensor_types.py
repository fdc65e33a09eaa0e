"""What each of ggml's types can, stated as llama.cpp b11434 has it, beside the table that the engine asks."""

from __future__ import annotations

from planner.engines.llama_cpp.settings import CACHE_TYPES
from planner.engines.llama_cpp.tensor_types import TENSOR_TYPES, TypeTraits, type_traits
from planner.quant.formats import GGML_FORMATS


def those(trait: str) -> set[str]:
    return {name for name, row in TENSOR_TYPES.items() if getattr(row, trait)}


def test_rows_are_of_types_that_there_are() -> None:
    assert TENSOR_TYPES.keys() <= GGML_FORMATS.keys()
    assert type_traits("Q3_K") == TypeTraits()


def test_cache_types_are_those_of_its_parser() -> None:
    assert CACHE_TYPES == ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1")


def test_what_cuda_computes() -> None:
    fives = {"F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"}
    assert those("flash") == fives and those("cuda_set_rows") == fives | {"IQ4_NL"}
    assert those("flash_vector") == {"F32", "F16", "BF16", "Q4_0", "Q8_0"}
    assert TENSOR_TYPES.keys() - those("cuda") == {"TQ1_0", "TQ2_0"}
    assert {n for n, row in TENSOR_TYPES.items() if row.cuda_get_rows_of == 256} == {"IQ4_NL", "MXFP4"}


def test_what_the_cpu_repacks() -> None:
    x86 = {"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"}
    assert those("repacked_avx2") == x86 and those("repacked_avx512") == x86 | {"Q2_K"}
    assert those("repacked_arm") == x86 | {"Q5_K", "Q6_K", "Q8_0"}
