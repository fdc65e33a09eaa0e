"""Safetensors headers: names, types and shapes of a checkpoint, without its weights.

The format: 8 bytes of little-endian length, then JSON {name: {"dtype", "shape", "data_offsets"}}.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final, TypeGuard

from planner.errors import InputError

MAX_HEADER: Final = 25_000_000  # huggingface_hub's own limit
MAX_DIMS: Final = 8
_BITS: Final = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "F8_E8M0": 8,
    "F4": 4,
    "F6_E2M3": 6,
    "F6_E3M2": 6,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "I64": 64,
    "U64": 64,
    "F64": 64,
    "C64": 64,
}


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a checkpoint, shape in PyTorch's order (rows first)."""

    name: str
    dtype: str  # safetensors' own name: "BF16", "F8_E4M3", "U8" (packed MXFP4, int4) …
    shape: tuple[int, ...]
    nbytes: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All tensors of a checkpoint."""

    tensors: tuple[StoredTensor, ...]
    files: int

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(t.nbytes for t in self.tensors)

    def by_dtype(self) -> dict[str, int]:
        """Return the bytes stored in each type."""
        sizes: dict[str, int] = {}
        for tensor in self.tensors:
            sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.nbytes
        return sizes


def read_safetensors(path: Path) -> Checkpoint:
    """Read the headers of a .safetensors file, or of all those in a folder.

    Raises InputError for a file that is missing, truncated, hostile or no safetensors.
    """
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path}: no .safetensors file in this folder")
    tensors: list[StoredTensor] = []
    for file in files:
        tensors += _read_file(file)
    return Checkpoint(tensors=tuple(tensors), files=len(files))


def parse_tensors(source: str, entries: Mapping[str, Any], data_size: int | None) -> list[StoredTensor]:
    """Check a decoded header; `data_size` is what the file holds after it, where known."""
    tensors = []
    for name, entry in entries.items():
        if name != "__metadata__":
            tensors.append(_tensor(source, name, entry, data_size))
    return tensors


def join(parts: Iterable[list[StoredTensor]]) -> Checkpoint:
    """Join the tensors of several files."""
    lists = list(parts)
    return Checkpoint(tensors=tuple(t for part in lists for t in part), files=len(lists))


def _read_file(path: Path) -> list[StoredTensor]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            prefix = file.read(8)
            length = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or not 2 <= length <= MAX_HEADER or 8 + length > size:
                raise InputError(f"{path}: not a safetensors file, or truncated inside its header")
            raw = file.read(length)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    try:
        entries = json.loads(raw)
    except (ValueError, RecursionError):
        raise InputError(f"{path}: damaged safetensors header: not JSON") from None
    if not isinstance(entries, dict):
        raise InputError(f"{path}: damaged safetensors header: not a JSON object")
    return parse_tensors(str(path), entries, size - 8 - length)


def _tensor(source: str, name: str, entry: Any, data_size: int | None) -> StoredTensor:
    def damaged(what: str) -> InputError:
        return InputError(f"{source}: damaged safetensors header: tensor {name[:80]!r}: {what}")

    if not isinstance(entry, dict):
        raise damaged("not an object")
    dtype, shape, span = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise damaged(f"unknown dtype {str(dtype)[:20]!r}")
    if not _whole(shape, MAX_DIMS) or not _whole(span, 2) or len(span) != 2:
        raise damaged("shape and data_offsets must be lists of whole numbers")
    nbytes = span[1] - span[0]
    if nbytes < 0 or nbytes * 8 != prod(shape) * _BITS[dtype]:
        raise damaged(f"{nbytes} bytes don't hold {dtype} {shape}")
    if data_size is not None and span[1] > data_size:
        raise damaged("its data ends beyond the file: download the file again")
    return StoredTensor(name, dtype, tuple(shape), nbytes)


def _whole(value: Any, longest: int) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and len(value) <= longest
        and all(isinstance(v, int) and not isinstance(v, bool) and 0 <= v < 1 << 62 for v in value)
    )
