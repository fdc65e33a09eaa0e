"""Read what others wrote, as far as a bound: regular files only, never a pipe or a device that doesn't end.

A file that is named, or that lies where the planner looks, may be a FIFO (opening one waits for a writer), a
device such as /dev/zero (whose size reads 0) or larger than the memory. Every reader of foreign files goes
through here. What cannot be read is an OSError with a text for people, what is no UTF-8 a ValueError.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO, Final

from planner.errors import InputError

KIB: Final = 1 << 10
MIB: Final = 1 << 20
_STEP: Final = 1 << 20
_BINARY: Final = getattr(os, "O_BINARY", 0)
# Without a writer a FIFO would hold the opening back; regular files don't know the flag.
_Bytes = io.FileIO | BinaryIO
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | _BINARY


def open_regular(path: str | os.PathLike[str]) -> io.FileIO:
    """Open a regular file for reading, unbuffered.

    Raises OSError: as open does, for a folder (EISDIR), and for anything else that is no regular file (EINVAL:
    a FIFO, a socket, a device). A NUL in the name is an OSError too (ENOENT).
    """
    name = os.fspath(path)
    if "\0" in name:
        raise FileNotFoundError(errno.ENOENT, "the name holds a NUL", name.replace("\0", " "))
    descriptor = os.open(name, _FLAGS)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", name)
        return io.FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the bytes of a regular file of at most `most` bytes.

    Raises OSError: as `open_regular`, and EFBIG for a larger file, of which no more than `most` + 1 are read.
    """
    with open_regular(path) as file:
        return _read(file, most, os.fspath(path))


def read_text(path: str | os.PathLike[str], most: int, *, signature: bool = False) -> str:
    """Return the UTF-8 text of a regular file of at most `most` bytes; `signature`: a BOM may lead it.

    Raises OSError as `read_bytes`, ValueError (UnicodeDecodeError) where it is not UTF-8.
    """
    return read_bytes(path, most).decode("utf-8-sig" if signature else "utf-8")


def read_start(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the first `most` bytes of a regular file, or all of it; for files of the kernel (/proc, /sys)."""
    with open_regular(path) as file:
        return _up_to(file, most)


def read_end(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the last `most` bytes of a regular file, or all of it; for a journal whose newest lines count."""
    with open_regular(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return _up_to(file, most)


def read_stdin(most: int, what: str, *, part: bool = False) -> str:
    """Return what comes on standard input, at most `most` bytes.

    `part`: of a longer text the start will do, and bytes that are not UTF-8 are replaced. Raises InputError (`what`
    names what was expected) where it is closed, or without `part` is longer, or not UTF-8.
    """
    if sys.stdin is None:
        raise InputError(f"standard input is closed; give {what} there, or name a file")
    # Who calls the command from Python may have put text there, which has no bytes below it.
    stream = getattr(sys.stdin, "buffer", None) or io.BytesIO(sys.stdin.read(most + 1).encode())
    try:
        if part:
            return _up_to(stream, most).decode("utf-8", "replace")
        return _read(stream, most, "standard input").decode("utf-8")
    except (OSError, ValueError) as error:
        reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else _text(error)
        raise InputError(f"standard input holds no {what}: {reason}") from None


def file_size(path: str | os.PathLike[str]) -> int | None:
    """Return the bytes of a regular file, None for anything else or where it may not be seen."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def size_words(most: int) -> str:
    """Return a bound for a message: "4 MiB"."""
    return f"{most // MIB} MiB" if most >= MIB else f"{most // KIB} KiB" if most >= KIB else f"{most} bytes"


def stdin_is_terminal() -> bool:
    """True where a person would have to type what is read from standard input."""
    return sys.stdin is not None and sys.stdin.isatty()


def _read(file: _Bytes, most: int, name: str) -> bytes:
    raw = _up_to(file, most + 1)
    if len(raw) > most:
        raise OSError(errno.EFBIG, f"larger than {size_words(most)}", name)
    return raw


def _up_to(file: _Bytes, most: int) -> bytes:
    pieces: list[bytes] = []
    left = most
    while left > 0 and (piece := file.read(min(left, _STEP))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _text(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
