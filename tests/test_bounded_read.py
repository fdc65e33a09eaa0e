"""Files that don't end, that wait for a writer, or that are none: an error in time and with little memory."""

from __future__ import annotations

import io
import os
import socket
import sys
from pathlib import Path

import pytest

from planner import bounded_read
from planner.errors import InputError

READERS = [
    lambda path: bounded_read.read_bytes(path, 1000),
    lambda path: bounded_read.read_text(path, 1000),
    lambda path: bounded_read.read_start(path, 1000),
    lambda path: bounded_read.read_end(path, 1000),
]


@pytest.mark.parametrize("read", READERS)
def test_only_regular_files(tmp_path: Path, read: object) -> None:
    assert callable(read)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "socket"))
    for path in (fifo, Path("/dev/zero"), tmp_path, tmp_path / "socket", tmp_path / "none", "a\0b"):
        with pytest.raises(OSError) as caught:
            read(path)
        assert caught.value.strerror
    listener.close()
    (tmp_path / "link").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not a regular file"):
        read(tmp_path / "link")


def test_a_larger_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="larger than 4 MiB"):
        bounded_read.read_bytes(path, 4 << 20)
    assert bounded_read.file_size(path) == 1 << 40
    assert bounded_read.read_start(path, 10) == bounded_read.read_end(path, 10) == bytes(10)


def test_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfabc\n")
    assert bounded_read.read_bytes(path, 7) == b"\xef\xbb\xbfabc\n"
    assert bounded_read.read_text(path, 7, signature=True) == "abc\n"
    assert bounded_read.read_start(path, 4) == b"\xef\xbb\xbfa"
    assert bounded_read.read_end(path, 2) == b"c\n"
    with pytest.raises(OSError, match="larger than 6 bytes"):
        bounded_read.read_bytes(path, 6)
    path.write_bytes(b"\xff")
    with pytest.raises(ValueError):
        bounded_read.read_text(path, 10)
    assert bounded_read.file_size(tmp_path) is None
    assert bounded_read.file_size("a\0b") is None
    assert bounded_read.read_start("/proc/self/status", 4) == b"Name"  # its size reads 0


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/null")):
        with pytest.raises(OSError):
            bounded_read.read_bytes(path, 10)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


class Stdin:
    def __init__(self, raw: bytes) -> None:
        self.buffer = io.BytesIO(raw)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    for stdin, words in (
        (None, "standard input is closed; give a list of nodes there"),
        (Stdin(b"x" * 11), "larger than 10 bytes"),
        (Stdin(b"\xff"), "not UTF-8"),
    ):
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(InputError, match=words):
            bounded_read.read_stdin(10, "a list of nodes")
    monkeypatch.setattr(sys, "stdin", Stdin("é".encode()))
    assert bounded_read.read_stdin(10, "text") == "é"
