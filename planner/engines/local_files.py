"""What lies on this computer for an engine: its program, its version, its models. Nothing is run but the program.

Folders that are missing or may not be read are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from planner.fast_dataclass import dataclass
from planner.hardware.host.system import System

_VERSION: Final = re.compile(r"\d+(?:\.\d+)+[\w.+-]*|\bb?\d{3,}\b")


@dataclass(frozen=True, slots=True)
class PulledModel:
    """A model that lies on this computer. Size in bytes."""

    store: str
    """Ollama, LM Studio, llama.cpp or Hugging Face."""
    name: str
    """As the store names it."""
    size: int | None
    """Bytes; None where they may not be seen."""


def which(system: System, program: str) -> str | None:
    """The absolute path of a program on the PATH of the system, or None."""
    names = [program, f"{program}.exe"] if system.platform == "win32" else [program]
    for folder in system.env.get("PATH", "").split(";" if system.platform == "win32" else ":"):
        for name in names:
            if folder and system.exists(f"{folder}/{name}"):
                return f"{folder}/{name}"
    return None


def version_in(text: str | None) -> str | None:
    """The version in what a program prints, None where it says none."""
    for line in (text or "").splitlines():
        # "Warning: could not connect to a running instance" comes before Ollama's own version.
        match = _VERSION.search(line) if "version" in line.lower() else None
        if match:
            return match.group(0).rstrip(".,")
    return None


def gguf_files(system: System, store: str, folder: str) -> Iterator[PulledModel]:
    """The GGUF files below a folder."""
    base = system.path(folder)
    for path in walk(base, 4):
        if path.suffix.lower() == ".gguf":
            yield PulledModel(store, path.relative_to(base).as_posix(), size_of(path))


def size_of(path: Path) -> int | None:
    """A file's size in bytes, None where it can't be told."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def walk(base: Path, depth: int) -> Iterator[Path]:
    """Files below a folder, sorted, down to a depth; folders that may not be read are passed over."""
    try:
        entries = sorted(base.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            folder = entry.is_dir() and not entry.is_symlink()
        except OSError:
            continue
        if folder and depth > 1:
            yield from walk(entry, depth - 1)
        elif not folder:
            yield entry
