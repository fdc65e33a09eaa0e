"""GGUF headers over HTTP: one range request that is closed where the header ends, cached with its ETag.

A dropped connection is resumed with another range, at most three requests in all. With no network the
cache answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from planner.bounded_http import NoAnswerError, brief, origin
from planner.errors import InputError
from planner.models.gguf.header import GgufHeader, drive, join_shards, shard_names
from planner.models.gguf.scan import MAX_HEADER, GgufArray, GgufTensor, RawHeader, Value
from planner.models.gguf.types import GGML_TYPES
from planner.models.hub.cache import load_entry, store_entry
from planner.models.hub.client import offline
from planner.models.hub.range_request import DEADLINE, Answer, get
from planner.outside_numbers import MAX_BYTES, elements, whole

MAX_REQUESTS: Final = 3
ALL_SECONDS: Final = 300.0  # for all files of a split model together
CHUNK: Final = 1 << 18
_KIND: Final = "gguf"
Progress = Callable[[str], None]


def read_remote_gguf(
    url: str, secret: Mapping[str, str] | None = None, progress: Progress | None = None
) -> GgufHeader:
    """Read the header of a GGUF file at an http(s) address; of a split model, of all its files.

    `secret` headers (Authorization) go to the address's own host only. `progress` hears what is being read.
    Raises InputError: refused, not found, not a GGUF, or no network and nothing in the cache.
    """
    base, name = _split_url(url)
    deadline = time.monotonic() + ALL_SECONDS
    parts: list[tuple[str, RawHeader, int]] = []
    for part in shard_names(name) or [name]:
        address = base(part)
        if progress is not None:
            progress(f"reading the header of {part}")
        raw, size = _read_one(address, secret or {}, deadline)
        parts.append((address, raw, size))
    return join_shards(parts)


def _split_url(url: str) -> tuple[Callable[[str], str], str]:
    """Return how to build the address of a file beside this one, and this one's name."""
    origin(url)  # no address is refused here
    split = urlsplit(url)
    folder, _, last = split.path.rpartition("/")

    def address(name: str) -> str:
        path = f"{folder}/{quote(name)}" if name != unquote(last) else split.path
        return urlunsplit((split.scheme, split.netloc, path, split.query, ""))

    return address, unquote(last)


def _read_one(url: str, secret: Mapping[str, str], deadline: float) -> tuple[RawHeader, int]:
    entry = load_entry(_KIND, url)
    cached = header_of_entry(entry) if entry is not None else None
    if offline():
        if cached is None:
            raise NoAnswerError(
                f"{brief(url)}: not in the cache, and HF_HUB_OFFLINE is set; name a local .gguf file"
            )
        return cached
    said = entry.get("etag") if entry is not None and cached is not None else None
    # The cache is a file like any other: what could not have been a header's value is none.
    etag = said if isinstance(said, str) and said.isascii() and said.isprintable() else None
    reader = _Reader(url, secret, etag, min(deadline, time.monotonic() + DEADLINE))
    try:
        if reader.unchanged() and cached is not None:
            return cached
        raw = drive(url, reader.total, reader.grow)
    except NoAnswerError:
        if cached is None:
            raise
        return cached
    finally:
        reader.close()
    # A server that doesn't say how large the file is: what the header implies.
    size = raw.data_offset + raw.data_size if reader.total is None else reader.total
    store_entry(_KIND, url, {"etag": reader.etag, "size": size, "header": _encode(raw)})
    return raw, size


class _Reader:
    """Feeds the scanner from one address, over as many requests as it takes (three at most)."""

    def __init__(self, url: str, secret: Mapping[str, str], known: str | None, deadline: float) -> None:
        self.url = url
        self.headers = {"If-None-Match": known} if known else {}
        self.secret = secret
        self.known = known
        self.requests = 0
        self.deadline = deadline
        self.answer: Answer | None = None
        self.etag: str | None = None
        self.total: int | None = None

    def ask(self, start: int) -> Answer:
        """Send the next request, from byte `start`."""
        if self.requests >= MAX_REQUESTS:
            raise NoAnswerError(
                f"{brief(self.url)}: the connection broke {MAX_REQUESTS} times; try again later"
            )
        self.close()
        answer = get(self.url, (start, MAX_HEADER - 1), self.headers, self.secret, self.deadline)
        if answer.status == 304 and "If-None-Match" not in self.headers:
            answer.close()
            raise NoAnswerError(
                f"{brief(self.url)}: the server answered 304 to a question without a condition"
            )
        if self.requests and (answer.etag, answer.total) != (self.etag, self.total):
            answer.close()
            raise InputError(f"{brief(self.url)}: the file changed while it was read; try again")
        self.requests += 1
        self.answer, self.etag, self.total = answer, answer.etag, answer.total
        return answer

    def unchanged(self) -> bool:
        """Send the first request; True where the cached header still holds."""
        answer = self.ask(0)
        same = answer.status == 304 or (self.known is not None and answer.etag == self.known)
        self.headers.pop("If-None-Match", None)
        return same

    def grow(self, buf: bytearray, wanted: int) -> None:
        """Append a chunk to the buffer, over a new request where the connection ended too early."""
        while self.total is None or len(buf) < self.total:
            answer = self.answer or self.ask(len(buf))
            try:
                chunk = answer.read(CHUNK)
            except NoAnswerError:
                if time.monotonic() > self.deadline:
                    raise
                chunk = b""
            if not chunk:
                self.close()
                continue
            fresh = chunk[len(buf) - answer.position :]  # a server without ranges starts again from 0
            answer.position += len(chunk)
            if fresh:
                buf += fresh
                return

    def close(self) -> None:
        """Close the open answer."""
        if self.answer is not None:
            self.answer.close()
            self.answer = None


def _encode(raw: RawHeader) -> dict[str, Any]:
    """Return a header as JSON: a skipped array as {"of", "length"}."""
    metadata = {
        key: {"of": value.element, "length": value.length} if isinstance(value, GgufArray) else value
        for key, value in raw.metadata.items()
    }
    return {
        "version": raw.version,
        "metadata": metadata,
        "tensors": [[t.name, t.shape, t.type.id, t.offset, t.nbytes] for t in raw.tensors],
        "alignment": raw.alignment,
        "data_offset": raw.data_offset,
        "data_size": raw.data_size,
    }


def header_of_entry(entry: Mapping[str, Any]) -> tuple[RawHeader, int] | None:
    """Return the header of a cache entry; None where it isn't what _encode writes of a header that was read.

    The file is the user's, and may be damaged: every figure is checked as the scanner checks the file's own.
    """
    try:
        header = entry["header"]
        metadata = {str(key): _value(value) for key, value in header["metadata"].items()}
        tensors = tuple(_tensor(*fields) for fields in header["tensors"])
        numbers = [
            whole(header[key], 0, MAX_BYTES) for key in ("version", "alignment", "data_offset", "data_size")
        ]
        size = whole(entry["size"], 0, MAX_BYTES)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    version, alignment, data_offset, data_size = numbers
    if version is None or not alignment or data_offset is None or data_size is None or size is None:
        return None
    if any(tensor.offset + tensor.nbytes > data_size for tensor in tensors):
        return None
    return RawHeader(version, metadata, tensors, alignment, data_offset, data_size), size


def _value(value: Any) -> Value:
    if isinstance(value, dict):
        length = whole(value["length"])
        if length is None:
            raise ValueError("the length of an array")
        return GgufArray(str(value["of"]), length)
    kept = tuple(value) if isinstance(value, list) else value
    for one in kept if isinstance(kept, tuple) else (kept,):
        if not isinstance(one, str | int | float):
            raise ValueError("a value that no GGUF holds")
    result: Value = kept
    return result


def _tensor(name: Any, shape: Any, kind: Any, offset: Any, nbytes: Any) -> GgufTensor:
    checked = [whole(extent, 0, MAX_BYTES) for extent in shape]
    start, size = whole(offset, 0, MAX_BYTES), whole(nbytes, 0, MAX_BYTES)
    type_ = GGML_TYPES[kind]
    count = elements(shape)
    if (
        not isinstance(name, str)
        or start is None
        or count is None
        or size != count // type_.block * type_.bytes
    ):
        raise ValueError("a tensor whose bytes are not those of its shape")
    return GgufTensor(name, tuple(extent for extent in checked if extent is not None), type_, start, size)
