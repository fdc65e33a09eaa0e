"""The planner's own files in the user's folders: where they lie, written whole or not at all, one writer at a time.

A user without a home (a container's, a service's) has no such folders: nothing is kept then, and nothing fails.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from planner.bounded_read import read_bytes
from planner.errors import InputError, cause_of
from planner.safe_text import shown

_LOCK_SECONDS: Final = 5.0


def cache_dir() -> Path | None:
    """Return the folder for what can be fetched again: $XDG_CACHE_HOME/planner or the like; None without a home."""
    return _user_dir("XDG_CACHE_HOME", ".cache", "Library/Caches", "LOCALAPPDATA")


def state_dir() -> Path | None:
    """Return the folder for what was measured here: $XDG_STATE_HOME/planner or the like; None without a home."""
    return _user_dir("XDG_STATE_HOME", ".local/state", "Library/Application Support", "LOCALAPPDATA")


def config_dir() -> Path | None:
    """Return the folder for what the user wrote: $XDG_CONFIG_HOME/planner or the like; None without a home."""
    return _user_dir("XDG_CONFIG_HOME", ".config", "Library/Application Support", "APPDATA")


def _user_dir(variable: str, linux: str, macos: str, windows: str) -> Path | None:
    chosen = os.environ.get(variable)
    if chosen and Path(chosen).is_absolute():  # a relative one is to be ignored (XDG base directories, 0.8)
        return Path(chosen) / "planner"
    if sys.platform == "win32" and os.environ.get(windows):
        return Path(os.environ[windows]) / "planner"
    try:
        home = Path.home()
    except RuntimeError:  # no HOME and no entry in the list of users
        return None
    return home / (macos if sys.platform == "darwin" else linux) / "planner"


def expanded(text: str) -> Path:
    """Return a path that a person wrote, with a leading ~ or ~user read. Raises InputError for nobody's home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise InputError(
            f"{shown(text)}: nobody's home folder is known by that; write the whole path"
        ) from None


def write_whole(path: Path, text: str) -> None:
    """Write a file of the user's own (mode 0600) so that a reader sees the old text or the new, never a part.

    Raises OSError, as for a full disk; the old text is kept then.
    """
    import tempfile  # brings the random numbers along, which most commands never need

    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_files(folder: Path, files: Mapping[str, str | bytes], *, replace: bool = False) -> None:
    """Write files for the user into a folder, the scripts among them executable.

    Raises InputError where a name is taken by anything but a regular file of the same content, or with `replace`
    of any content (a symbolic link is never followed), and where the folder can't be written. Nothing is written
    unless all names are free.
    """
    for name, content in files.items():
        path = folder / name
        if path.is_symlink() or (
            path.exists() and not (replace and path.is_file()) and not _holds(path, content)
        ):
            raise InputError(f"{path} exists and differs; move it away, or use another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / name
            if not _holds(path, content):
                path.unlink(missing_ok=True)
                with path.open("xb") as file:
                    file.write(content if isinstance(content, bytes) else content.encode())
            if name.endswith(".sh"):
                path.chmod(0o755)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: cannot be written: {cause_of(error)}") from None


def _holds(path: Path, content: str | bytes) -> bool:
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "backslashreplace")
    try:
        return read_bytes(path, len(raw)) == raw
    except OSError:
        return False


@contextlib.contextmanager
def locked(path: Path, seconds: float = _LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of a file that is read, changed and written again; whoever comes meanwhile waits.

    After `seconds`, or where the file system knows no locks, goes on without: a result is worth more than the
    certainty that another is not lost. Raises OSError where the folder can't be made or written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path.with_name(path.name + ".lock"), flags, 0o600)
    try:
        end = time.monotonic() + seconds
        while not _lock(descriptor) and time.monotonic() < end:
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)  # which gives the lock back


def _lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
