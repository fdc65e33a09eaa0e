"""Scan the header of a GGUF file from a growing buffer: bounded work whatever the bytes say.

The scanner is a generator, so that a local file, a sequence of range requests and a streaming answer are
read by the same code: it yields how many bytes (from the start of the file) it needs at least, the caller
appends what it has and resumes. The checks are those of gguf_init_from_reader in llama.cpp
b11434, ggml/src/gguf.cpp, and limits beyond which no real header goes.
"""

from __future__ import annotations

import struct
from collections.abc import Generator
from typing import Final

from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.models.gguf.types import (
    ARRAY,
    GGML_TYPES,
    REMOVED_GGML_TYPES,
    SCALARS,
    STRING,
    VALUE_NAMES,
    GgmlType,
)

# The largest real header (Gemma 3: 262,144 tokens, 514,906 merges) is below 24 MiB.
MAX_HEADER: Final = 64 << 20
MAX_KEYS: Final = 1 << 14
MAX_TENSORS: Final = 1 << 16
MAX_ARRAY: Final = 1 << 22  # elements of one array of strings
MAX_STRINGS: Final = 1 << 22  # strings of all arrays together
KEEP_ELEMENTS: Final = 4096  # a longer array is skipped, only its length is kept
KEEP_TOTAL: Final = 1 << 20  # elements kept of all arrays together
KEEP_STRING: Final = 1 << 20  # bytes of one string (chat templates are the longest)
KEEP_STRINGS: Final = 1 << 24  # bytes of all strings together
MAX_KEY_LENGTH: Final = 1 << 16
MAX_NAME_LENGTH: Final = 63  # GGML_MAX_NAME - 1
MAX_DIMS: Final = 4
INT64_MAX: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class GgufArray:
    """An array that was skipped: what it holds and how many."""

    element: str  # "string", "float32" …
    length: int


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor of a GGUF file, shape in ggml's order (row length first)."""

    name: str
    shape: tuple[int, ...]
    type: GgmlType
    offset: int  # from the start of the data section
    nbytes: int
    shard: int = 0  # which file of a split model holds it


Scalar = int | float | bool | str
Value = Scalar | tuple[Scalar, ...] | GgufArray


@dataclass(frozen=True, slots=True)
class RawHeader:
    """What one file says."""

    version: int
    metadata: dict[str, Value]
    tensors: tuple[GgufTensor, ...]
    alignment: int
    data_offset: int  # where the data section starts
    data_size: int  # to the last tensor's end


Scan = Generator[int, None, RawHeader]

_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")
_HEAD: Final = struct.Struct("<4sIQQ")


def scan_header(buf: bytearray, size: int | None) -> Scan:
    """Scan a header from `buf`, which holds the file's first bytes; `size` is the file's length if known.

    Yields how many bytes from the start of the file are needed at least to go on (never above MAX_HEADER);
    the caller appends more of the file to `buf` and resumes. Raises InputError (one line,
    without the file's name) for whatever llama.cpp would refuse and for what no real header holds.
    """
    return (yield from _Scanner(buf, size).run())


class _Scanner:
    """The state of one scan: the buffer, the position in it, what was kept so far."""

    def __init__(self, buf: bytearray, size: int | None) -> None:
        self.buf = buf
        self.limit = MAX_HEADER if size is None else min(size, MAX_HEADER)
        self.size = size
        self.pos = 0
        self.strings = 0  # strings stepped over
        self.kept = 0  # array elements kept
        self.text = 0  # bytes of strings kept

    def run(self) -> Scan:
        """Scan magic, metadata and tensor infos."""
        yield from self.need(4)
        magic = bytes(self.buf[:4])
        if magic != b"GGUF":
            raise InputError(f"not a GGUF file: it starts with {_printable(magic)}, not with 'GGUF'")
        yield from self.need(_HEAD.size)
        _, version, n_tensors, n_kv = _HEAD.unpack_from(self.buf, 0)
        self.pos = _HEAD.size
        _check_version(version)
        if n_tensors > MAX_TENSORS or n_kv > MAX_KEYS:
            raise InputError(
                f"damaged GGUF header: it announces {n_kv} metadata keys and {n_tensors} tensors,"
                f" more than any model has ({MAX_KEYS} and {MAX_TENSORS})"
            )
        metadata = yield from self.metadata(n_kv)
        alignment = _alignment(metadata)
        tensors, data_size = yield from self.tensors(n_tensors, alignment)
        data_offset = -(-self.pos // alignment) * alignment if tensors else self.pos
        return RawHeader(version, metadata, tensors, alignment, data_offset, data_size)

    def need(self, count: int) -> Generator[int, None, None]:
        """Wait until `count` bytes from the position are in the buffer."""
        end = self.pos + count
        if end > self.limit:
            raise self.beyond(end)
        while len(self.buf) < end:
            yield end

    def beyond(self, end: int) -> InputError:
        """Say why a header can't go on to `end`."""
        if self.size is not None and end > self.size:
            return InputError(
                f"truncated or damaged GGUF: its header would go on to byte {end},"
                f" the file has {self.size}; download it again"
            )
        return InputError(f"damaged GGUF header: longer than {MAX_HEADER >> 20} MiB, more than any model has")

    def string(self, what: str, longest: int) -> Generator[int, None, bytes]:
        """Read one string of at most `longest` bytes."""
        yield from self.need(8)
        length = _U64.unpack_from(self.buf, self.pos)[0]
        if length > longest:
            raise InputError(f"damaged GGUF header: {what} is {length} bytes long (limit {longest})")
        self.text += length
        if self.text > KEEP_STRINGS:
            raise InputError(
                f"damaged GGUF header: more than {KEEP_STRINGS >> 20} MiB of text beside the vocabulary"
            )
        self.pos += 8
        yield from self.need(length)
        raw = bytes(self.buf[self.pos : self.pos + length])
        self.pos += length
        return raw

    def metadata(self, n_kv: int) -> Generator[int, None, dict[str, Value]]:
        """Read the key-value pairs."""
        metadata: dict[str, Value] = {}
        for index in range(n_kv):
            key = _text((yield from self.string(f"metadata key {index}", MAX_KEY_LENGTH)))
            if not key or key in metadata:
                raise InputError(
                    f"damaged GGUF header: metadata key {index} is "
                    + (f"a duplicate of {key[:80]!r}" if key else "empty")
                )
            yield from self.need(4)
            kind = _U32.unpack_from(self.buf, self.pos)[0]
            self.pos += 4
            metadata[key] = yield from self.value(key, kind)
        return metadata

    def value(self, key: str, kind: int) -> Generator[int, None, Value]:
        """Read one value of a known type."""
        if kind in SCALARS:
            fmt, width = SCALARS[kind]
            yield from self.need(width)
            value: Scalar = struct.unpack_from("<" + fmt, self.buf, self.pos)[0]
            self.pos += width
            return value
        if kind == STRING:
            return _text((yield from self.string(f"the value of {key[:80]!r}", KEEP_STRING)))
        if kind != ARRAY:
            raise InputError(f"damaged GGUF header: {key[:80]!r} has the unknown value type {kind}")
        yield from self.need(12)
        element = _U32.unpack_from(self.buf, self.pos)[0]
        count = _U64.unpack_from(self.buf, self.pos + 4)[0]
        self.pos += 12
        if element == ARRAY:
            raise InputError(f"damaged GGUF header: {key[:80]!r} nests arrays, which llama.cpp doesn't read")
        if element in SCALARS:
            return (yield from self.numbers(element, count))
        if element == STRING:
            return (yield from self.string_array(key, count))
        raise InputError(f"damaged GGUF header: {key[:80]!r} is an array of the unknown type {element}")

    def numbers(self, element: int, count: int) -> Generator[int, None, Value]:
        """Read a short array of numbers, skip a long one."""
        fmt, width = SCALARS[element]
        span = count * width
        yield from self.need(span)
        start = self.pos
        self.pos += span
        if count > KEEP_ELEMENTS or self.kept + count > KEEP_TOTAL:
            return GgufArray(VALUE_NAMES[element], count)
        self.kept += count
        return struct.unpack_from(f"<{count}{fmt}", self.buf, start)

    def string_array(self, key: str, count: int) -> Generator[int, None, Value]:
        """Step over an array of strings by their lengths; keep it where it is short."""
        if count > MAX_ARRAY or self.strings + count > MAX_STRINGS:
            raise InputError(
                f"damaged GGUF header: {key[:80]!r} announces {count} strings, more than any vocabulary has"
            )
        if self.pos + 8 * count > self.limit:
            raise self.beyond(self.pos + 8 * count)
        self.strings += count
        first = self.pos
        done = 0
        while done < count:
            stepped, pos = _step(self.buf, self.pos, count - done)
            if pos > self.limit:
                raise self.beyond(pos)
            done += stepped
            self.pos = pos
            # The last length may point past the buffer: need(0) waits for what it spans.
            yield from self.need(8 if done < count else 0)
        if count > KEEP_ELEMENTS or self.pos - first > KEEP_STRING or self.kept + count > KEEP_TOTAL:
            return GgufArray("string", count)
        self.kept += count
        self.text += self.pos - first
        return self.collect(first, count)

    def collect(self, pos: int, count: int) -> tuple[str, ...]:
        """Decode the strings of a short array that was stepped over."""
        out = []
        for _ in range(count):
            length = _U64.unpack_from(self.buf, pos)[0]
            out.append(_text(bytes(self.buf[pos + 8 : pos + 8 + length])))
            pos += 8 + length
        return tuple(out)

    def tensors(
        self, n_tensors: int, alignment: int
    ) -> Generator[int, None, tuple[tuple[GgufTensor, ...], int]]:
        """Read the tensor infos; return them and the size of the data section."""
        tensors: dict[str, GgufTensor] = {}
        total = end = 0
        for index in range(n_tensors):
            raw = yield from self.string(f"the name of tensor {index}", MAX_NAME_LENGTH)
            name = _text(raw)
            if name in tensors:
                raise InputError(f"damaged GGUF header: duplicate tensor name {name!r}")
            yield from self.need(4)
            n_dims = _U32.unpack_from(self.buf, self.pos)[0]
            if n_dims > MAX_DIMS:
                raise InputError(f"damaged GGUF header: tensor {name!r} has {n_dims} dimensions (limit 4)")
            self.pos += 4
            yield from self.need(8 * n_dims + 12)
            *shape, type_id, offset = struct.unpack_from(f"<{n_dims}QIQ", self.buf, self.pos)
            self.pos += 8 * n_dims + 12
            tensor = _tensor(name, tuple(shape) or (1,), type_id, offset)
            if offset != total:
                raise InputError(
                    f"damaged GGUF header: tensor {name!r} starts at offset {offset}, expected {total}"
                )
            end = total + tensor.nbytes
            total = -(-end // alignment) * alignment
            if total > INT64_MAX:
                raise InputError(f"damaged GGUF header: tensor {name!r} ends beyond any file")
            tensors[name] = tensor
        return tuple(tensors.values()), end


def _step(buf: bytearray, pos: int, count: int) -> tuple[int, int]:
    """Step over up to `count` strings from `pos`; return how many, and the position after them.

    The position may lie past the buffer's end (by the last string's length). This is the hot loop of a
    header: some 100 ns a string.
    """
    unpack = _U64.unpack_from
    step = 0
    try:
        for step in range(count):  # noqa: B007 (read where a string is cut off)
            pos += 8 + unpack(buf, pos)[0]
    except (struct.error, IndexError, OverflowError):  # a hostile length points past any memory
        return step, pos
    return count, pos


def _tensor(name: str, shape: tuple[int, ...], type_id: int, offset: int) -> GgufTensor:
    kind = GGML_TYPES.get(type_id)
    if kind is None:
        if type_id in REMOVED_GGML_TYPES:
            raise InputError(
                f"tensor {name!r} has the type {REMOVED_GGML_TYPES[type_id]}, which llama.cpp no longer"
                " reads; get the file in a current quantisation"
            )
        raise InputError(
            f"tensor {name!r} has the unknown type {type_id}: damaged, or for a fork or a newer llama.cpp"
        )
    elements = 1
    for extent in shape:
        elements *= max(extent, 1)
        if extent > INT64_MAX or elements > INT64_MAX:
            raise InputError(f"damaged GGUF header: the shape of tensor {name!r} overflows: {shape}")
    if 0 in shape:
        elements = 0
    if shape[0] % kind.block:
        raise InputError(
            f"damaged GGUF header: tensor {name!r} has rows of {shape[0]} elements, {kind.name} needs a"
            f" multiple of {kind.block}"
        )
    nbytes = elements // kind.block * kind.bytes
    if nbytes > INT64_MAX:
        raise InputError(f"damaged GGUF header: tensor {name!r} is larger than any file")
    return GgufTensor(name, shape, kind, offset, nbytes)


def _check_version(version: int) -> None:
    if version & 0xFFFF == 0 and version:
        raise InputError(
            "this GGUF is big-endian: llama.cpp on this machine doesn't read it; get the little-endian file"
        )
    if version == 1:
        raise InputError("this GGUF is of version 1, which llama.cpp no longer reads; get a current file")
    if version not in (2, 3):
        raise InputError(f"unknown GGUF version {version}: llama.cpp reads versions 2 and 3")


def _alignment(metadata: dict[str, Value]) -> int:
    value = metadata.get("general.alignment", 32)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0 or value & (value - 1):
        raise InputError(f"damaged GGUF header: general.alignment is {value!r}, not a power of two")
    if value > 1 << 20:
        raise InputError(f"damaged GGUF header: general.alignment is {value}, more than any file needs")
    return value


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _printable(raw: bytes) -> str:
    return repr(raw.decode("latin-1")) if raw else "nothing"
