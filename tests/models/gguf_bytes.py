"""Write GGUF headers byte by byte, right and wrong ones."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_FORMATS = {
    U8: "B",
    I8: "b",
    U16: "H",
    I16: "h",
    U32: "I",
    I32: "i",
    F32: "f",
    BOOL: "?",
    U64: "Q",
    I64: "q",
    F64: "d",
}


def text(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(raw)) + raw


def scalar(kind: int, value: Any) -> bytes:
    return text(value) if kind == STRING else struct.pack("<" + _FORMATS[kind], value)


def pair(key: str, kind: int, value: Any) -> bytes:
    return text(key) + struct.pack("<I", kind) + scalar(kind, value)


def array(key: str, kind: int, values: Sequence[Any], count: int | None = None) -> bytes:
    n = len(values) if count is None else count
    return text(key) + struct.pack("<IIQ", ARRAY, kind, n) + b"".join(scalar(kind, v) for v in values)


def info(name: str, shape: Sequence[int], kind: int, offset: int) -> bytes:
    dims = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + dims + struct.pack("<IQ", kind, offset)


def header(
    pairs: Sequence[bytes] = (),
    infos: Sequence[bytes] = (),
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    n_kv: int | None = None,
    n_tensors: int | None = None,
) -> bytes:
    counts = struct.pack(
        "<IQQ",
        version,
        len(infos) if n_tensors is None else n_tensors,
        len(pairs) if n_kv is None else n_kv,
    )
    return magic + counts + b"".join(pairs) + b"".join(infos)


def padded(raw: bytes, alignment: int = 32, data: int = 0) -> bytes:
    """Pad a header to its data section and add `data` zero bytes."""
    return raw + bytes(-len(raw) % alignment) + bytes(data)
