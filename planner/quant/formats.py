"""How a tensor is stored: block sizes and bytes of ggml's types.

ggml's figures come from planner.models.gguf.types (llama.cpp b11434); allocation rules from
ggml/src/ggml-alloc.c, ggml/src/ggml-cuda/ggml-cuda.cu (get_alloc_size, get_alignment) and
ggml/src/ggml-backend.cpp of the same build.
"""

from __future__ import annotations

from math import prod
from typing import Final

from planner.errors import UnsupportedError
from planner.fast_dataclass import dataclass
from planner.models.gguf.types import GGML_TYPES
from planner.units import round_up

CUDA_ALIGNMENT: Final = 128
CPU_ALIGNMENT: Final = 32  # TENSOR_ALIGNMENT (ggml-impl.h), also of pinned and repacked host memory
CUDA_ROW_PADDING: Final = 512  # MATRIX_ROW_PADDING, elements


@dataclass(frozen=True, slots=True)
class QuantFormat:
    """A storage format: `block` elements take `bytes` bytes, scales included."""

    name: str
    block: int
    bytes: int

    @property
    def bits_per_weight(self) -> float:
        """Bits an element takes, scales included."""
        return self.bytes * 8 / self.block

    @property
    def quantised(self) -> bool:
        """True for ggml's block types (ggml_is_quantized)."""
        return self.block > 1

    def row_bytes(self, elements: int) -> int:
        """Bytes of one row of `elements` (ggml_row_size); elements must be whole blocks."""
        return elements // self.block * self.bytes


GGML_FORMATS: Final = {t.name: QuantFormat(t.name, t.block, t.bytes) for t in GGML_TYPES.values()}


def ggml_format(name: str) -> QuantFormat:
    """Return ggml's format of this name, for example "Q4_K"; case-insensitive (cache types are lower).

    Raises UnsupportedError for a type that llama.cpp b11434 doesn't have.
    """
    found = GGML_FORMATS.get(name) or GGML_FORMATS.get(name.upper())
    if found is None:
        raise UnsupportedError(f"tensor type '{name}' is not one of llama.cpp's")
    return found


def tensor_bytes(shape: tuple[int, ...], kind: QuantFormat) -> int:
    """Bytes of a tensor of `shape` (ggml's order, row length first), as in a file (ggml_nbytes)."""
    return prod(shape[1:]) * kind.row_bytes(shape[0])


def cuda_bytes(shape: tuple[int, ...], kind: QuantFormat) -> int:
    """Bytes that a CUDA buffer holds for a tensor: a quantised row is padded to 512 elements, once."""
    size = tensor_bytes(shape, kind)
    rest = shape[0] % CUDA_ROW_PADDING
    if kind.quantised and rest:
        size += kind.row_bytes(CUDA_ROW_PADDING - rest)
    return round_up(size, CUDA_ALIGNMENT)


def host_bytes(shape: tuple[int, ...], kind: QuantFormat) -> int:
    """Bytes that a host buffer holds for a tensor."""
    return round_up(tensor_bytes(shape, kind), CPU_ALIGNMENT)
