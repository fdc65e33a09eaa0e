"""What llama.cpp does with tensors and caches of one type: one row a type of ggml's, b11434."""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class TypeTraits:
    """One type's row."""

    cache: bool = False  # -ctk and -ctv take it: kv_cache_types in common/arg.cpp
    # ggml_backend_cuda_device_supports_op in ggml/src/ggml-cuda/ggml-cuda.cu
    cuda: bool = True  # False: the CPU alone multiplies with it and reads rows of it
    cuda_set_rows: bool = False  # rows are written in it
    cuda_get_rows_of: int = 1  # rows are read where they are multiples of so many elements
    # ggml/src/ggml-cuda/fattn.cu: read by flash attention (ggml_cuda_fattn_kv_type_supported), by its vector
    # kernel where K and V are both of it (GGML_CUDA_FA_QUANTS)
    flash: bool = False
    flash_vector: bool = False
    # Repacked on the CPU, eight rows at once: ggml_repack_get_optimal_repack_type in ggml/src/ggml-cpu/repack.cpp
    repacked_avx2: bool = False
    repacked_avx512: bool = False
    repacked_arm: bool = False  # dot product instructions


_PLAIN: Final = TypeTraits(cache=True, cuda_set_rows=True, flash=True, flash_vector=True)
_FIVES: Final = TypeTraits(cache=True, cuda_set_rows=True, flash=True)
_TERNARY: Final = TypeTraits(cuda=False)
# fmt: off
TENSOR_TYPES: Final[dict[str, TypeTraits]] = {
    "F32": _PLAIN,
    "F16": _PLAIN,
    "BF16": _PLAIN,
    "Q8_0": TypeTraits(cache=True, cuda_set_rows=True, flash=True, flash_vector=True, repacked_arm=True),
    "Q4_0": TypeTraits(
        cache=True, cuda_set_rows=True, flash=True, flash_vector=True, repacked_avx2=True, repacked_avx512=True,
        repacked_arm=True,
    ),
    "Q4_1": _FIVES,
    "IQ4_NL": TypeTraits(
        cache=True, cuda_set_rows=True, cuda_get_rows_of=256, repacked_avx2=True, repacked_avx512=True,
        repacked_arm=True,
    ),
    "Q5_0": _FIVES,
    "Q5_1": _FIVES,
    "Q2_K": TypeTraits(repacked_avx512=True),
    "Q4_K": TypeTraits(repacked_avx2=True, repacked_avx512=True, repacked_arm=True),
    "Q5_K": TypeTraits(repacked_arm=True),
    "Q6_K": TypeTraits(repacked_arm=True),
    "MXFP4": TypeTraits(cuda_get_rows_of=256, repacked_avx2=True, repacked_avx512=True, repacked_arm=True),
    "TQ1_0": _TERNARY,
    "TQ2_0": _TERNARY,
}
# fmt: on
_ORDINARY: Final = TypeTraits()


def type_traits(name: str) -> TypeTraits:
    """Return the row of a type by ggml's name; an ordinary one where it has none."""
    return TENSOR_TYPES.get(name, _ORDINARY)
