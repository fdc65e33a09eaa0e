"""GGUF headers: shape, metadata and tensor types of a model, without its weights.

`read_gguf` reads a local file or all the files of a split one; remote files are in remote.py. A header
says everything that decides memory: see gguf_arch.py for the Architecture that it yields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from planner.bounded_read import open_regular
from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace
from planner.models.gguf.scan import GgufArray, GgufTensor, RawHeader, Value, scan_header
from planner.models.gguf.types import FILE_TYPES

__all__ = ["GgufArray", "GgufHeader", "GgufTensor", "Value", "quant_of_name", "read_gguf", "shard_names"]

READ_STEP: Final = 1 << 20
MAX_SHARDS: Final = 1024
_SHARD: Final = re.compile(r"^(?P<stem>.*)-(?P<no>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)
_QUANT: Final = re.compile(
    r"(?:^|[-._/])(?P<quant>(?:UD-)?(?:I?Q\d(?:_[A-Z0-9]+)*|TQ\d_\d|MXFP4(?:_MOE)?|NVFP4|BF16|F16|F32))"
    r"(?=$|[-._/])",
    re.IGNORECASE,
)

_HUB_URL: Final = re.compile(r"^https://huggingface\.co/([A-Za-z0-9][\w.-]*/[\w.-]+)/?\Z")
_ARCHITECTURE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")

T = TypeVar("T", int, float, bool, str)


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """The header of a model: of one file, or of all the files of a split one together.

    `metadata` holds scalars, short arrays (up to 4096 elements) as tuples, and longer ones as a GgufArray
    that only knows its length. Sizes are bytes.
    """

    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[GgufTensor, ...]
    file_size: int  # of all files together
    alignment: int
    data_offset: int  # where the first file's data section starts
    source: str  # path or URL of the first file
    shards: int = 1
    header_only: bool = False  # no file holds tensor data: good for planning, not for running

    @property
    def architecture(self) -> str:
        """llama.cpp's general.architecture, for example "qwen3moe"."""
        name = self.get("general.architecture", str)
        if not _ARCHITECTURE.fullmatch(name):
            raise InputError(f"{self.source}: general.architecture is {_brief(name)}: no architecture's name")
        return name

    @property
    def name(self) -> str:
        """The model's own name, fit to be printed, or the file's."""
        said = self.find("general.name", str) or ""
        clean = "".join(c if c.isprintable() else " " for c in said[:120]).strip()
        return clean or Path(self.source).name

    @property
    def hub_id(self) -> str | None:
        """The Hugging Face id of the model that the file was made from, where the file tells."""
        for key in ("general.base_model.0.repo_url", "general.repo_url", "general.source.repo_url"):
            said = self.metadata.get(key)
            match = _HUB_URL.match(said) if isinstance(said, str) else None
            if match:
                return match[1]
        return None

    @property
    def weight_bytes(self) -> int:
        """Bytes of all tensors, without alignment."""
        return sum(t.nbytes for t in self.tensors)

    @property
    def parameters(self) -> int:
        """Elements of all tensors."""
        return sum(t.nbytes // t.type.bytes * t.type.block for t in self.tensors)

    @property
    def quant(self) -> str:
        """What the file is called: from its name (which knows "UD-Q4_K_XL"), else general.file_type, else
        the type that most of its bytes have."""
        named = quant_of_name(Path(self.source).name)
        if named:
            return named
        file_type = self.find("general.file_type", int)
        if file_type in FILE_TYPES:
            return FILE_TYPES[file_type]
        share: dict[str, int] = {}
        for tensor in self.tensors:
            share[tensor.type.name] = share.get(tensor.type.name, 0) + tensor.nbytes
        return max(share, key=lambda name: share[name], default="F32")

    def find(self, key: str, kind: type[T]) -> T | None:
        """Return a scalar of the metadata, None where it is absent; InputError where its type is wrong."""
        value = self.metadata.get(key)
        if value is None:
            return None
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return kind(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InputError(f"{self.source}: {key} is {_brief(value)}, expected {kind.__name__}")
        return value

    def get(self, key: str, kind: type[T]) -> T:
        """Return a scalar of the metadata; InputError where it is absent or its type is wrong."""
        value = self.find(key, kind)
        if value is None:
            raise InputError(f"{self.source}: {key} is missing: not a model that llama.cpp can load")
        return value


def read_gguf(path: Path) -> GgufHeader:
    """Read the header of a GGUF file; of a split model (any of its files), the headers of all files.

    Raises InputError (one line: what, where, how to mend it) for a file that is missing, hostile, truncated
    or of a kind that llama.cpp b11434 doesn't read. A file without any tensor data is accepted.
    """
    if not path.name:
        raise InputError("the name of the .gguf file is empty; write for example ./model.gguf")
    raws: list[tuple[str, RawHeader, int]] = []
    for part in shard_names(path.name) or [path.name]:
        file = path.with_name(part)
        raws.append((str(file), *_read_one(file)))
    return join_shards(raws)


def shard_names(name: str) -> list[str] | None:
    """Return the names of all files of a split model, None for a name that is not of one."""
    match = _SHARD.match(name)
    if match is None:
        return None
    count = int(match["count"])
    if not 1 <= count <= MAX_SHARDS:
        raise InputError(f"{name}: a split of {count} files; at most {MAX_SHARDS} are read")
    return [f"{match['stem']}-{no:05d}-of-{count:05d}.gguf" for no in range(1, count + 1)]


def quant_of_name(name: str) -> str | None:
    """Return the quantisation that a file's name carries: "UD-Q4_K_XL" of "x-UD-Q4_K_XL-00001-of-…"."""
    found = None
    for match in _QUANT.finditer(name):
        found = match["quant"].upper()
    return found


def join_shards(parts: list[tuple[str, RawHeader, int]]) -> GgufHeader:
    """Join the headers of a model's files (source, header, file size) in their order.

    Follows llama_model_loader in llama.cpp b11434, src/llama-model-loader.cpp: metadata comes from the first
    file, tensor names must not repeat, split.count and split.tensors.count must be right.
    """
    source, first, _ = parts[0]
    tensors: list[GgufTensor] = []
    seen: set[str] = set()
    empty = 0
    for no, (name, raw, size) in enumerate(parts):
        _check_split(name, raw, no, len(parts))
        missing = raw.data_offset + raw.data_size - size
        if raw.tensors and size > raw.data_offset and missing > 0:
            raise InputError(
                f"{name}: truncated: {size} bytes of {size + missing}; finish the download or repeat it"
            )
        empty += bool(raw.tensors) and size <= raw.data_offset
        for tensor in raw.tensors:
            if tensor.name in seen:
                raise InputError(f"{name}: tensor {tensor.name!r} is in an earlier file of the split too")
            seen.add(tensor.name)
            tensors.append(replace(tensor, shard=no) if no else tensor)
    expected = first.metadata.get("split.tensors.count")
    if len(parts) > 1 and isinstance(expected, int) and expected != len(tensors):
        raise InputError(
            f"{source}: the split has {len(tensors)} tensors, split.tensors.count says {expected}"
        )
    return GgufHeader(
        version=first.version,
        metadata=first.metadata,
        tensors=tuple(tensors),
        file_size=sum(size for _, _, size in parts),
        alignment=first.alignment,
        data_offset=first.data_offset,
        source=source,
        shards=len(parts),
        header_only=empty > 0,
    )


def drive(source: str, size: int | None, grow: Callable[[bytearray, int], None]) -> RawHeader:
    """Run the scanner: `grow(buffer, wanted)` appends at least up to `wanted` bytes, if it can."""
    if size == 0:
        raise InputError(f"{source}: truncated GGUF: the file is empty; download it again")
    buf = bytearray()
    scan = scan_header(buf, size)

    def advance() -> int:
        try:
            return next(scan)
        except InputError as error:
            raise InputError(f"{source}: {error}") from None

    try:
        wanted = advance()
        while True:
            had = len(buf)
            grow(buf, wanted)
            if len(buf) == had:
                raise InputError(
                    f"{source}: truncated GGUF: the header goes on after byte {had}; download it again"
                )
            wanted = advance()
    except StopIteration as done:
        raw: RawHeader = done.value
        return raw


def _read_one(path: Path) -> tuple[RawHeader, int]:
    try:
        with open_regular(path) as file:
            size = file.seek(0, 2)
            file.seek(0)

            def grow(buf: bytearray, wanted: int) -> None:
                while len(buf) < wanted and (chunk := file.read(max(READ_STEP, wanted - len(buf)))):
                    buf += chunk

            return drive(str(path), size, grow), size
    except FileNotFoundError:
        if shard_names(path.name):
            raise InputError(f"{path} is missing: a split model needs all its files in one folder") from None
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; name a .gguf file in it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _check_split(name: str, raw: RawHeader, no: int, count: int) -> None:
    said = raw.metadata.get("split.count", 1)
    if not isinstance(said, int) or ((said > 1 or count > 1) and said != count):
        raise InputError(
            f"{name}: the file belongs to a split of {_brief(said)} files, its name to one of {count};"
            " keep the names of the download (…-00001-of-00003.gguf)"
        )
    if count > 1 and raw.metadata.get("split.no") != no:
        raise InputError(f"{name}: split.no is {_brief(raw.metadata.get('split.no'))}, expected {no}")


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
