"""Speeds measured on this machine: kept in the user's own folder, read by who corrects estimates by them."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Final

from planner.bounded_read import read_end
from planner.errors import InputError, cause_of
from planner.fast_dataclass import dataclass
from planner.outside_numbers import real
from planner.own_files import locked, state_dir, write_whole
from planner.safe_text import shown

_MOST: Final = 500  # records kept
_BYTES: Final = 1 << 20
_NEWEST: Final = 24  # that count: engines and drivers change


@dataclass(frozen=True, slots=True)
class SpeedRecord:
    """One measured speed beside what was estimated for it without any correction."""

    engine: str
    backend: str
    what: str  # prefill or decode
    measured: float
    expected: float
    time: float = 0.0  # seconds since 1970


def speeds_file() -> Path | None:
    """Where they are kept; None for a user without a home."""
    folder = state_dir()
    return None if folder is None else folder / "speeds.jsonl"


def record_speeds(records: list[SpeedRecord]) -> Path | None:
    """Append; None where there is no folder, or it can't be written."""
    path = speeds_file()
    if path is None:
        return None
    now = time.time()
    lines = [json.dumps({**asdict(r), "time": now}) for r in records]
    try:
        with locked(path):
            write_whole(path, "\n".join([*_lines(path), *lines][-_MOST:]) + "\n")
    except OSError:
        return None
    _all.cache_clear()
    return path


def append_lines(path: Path, lines: list[str]) -> None:
    """Add lines to a file of the user's. Raises InputError where it can't be written."""
    try:
        write_whole(path, "\n".join([*_lines(path), *lines]) + "\n")
    except OSError as error:
        raise InputError(f"cannot write {shown(str(path))}: {cause_of(error)}") from None


def forget_speeds() -> bool:
    """Remove what was measured; True where there was something."""
    path = speeds_file()
    _all.cache_clear()
    try:
        if path is None or not path.exists():
            return False
        path.unlink()
    except OSError:
        return False
    return True


def ratios_here(engine: str, backend: str, what: str) -> list[float]:
    """Measured over expected of the newest measurements under an engine and a backend."""
    found = [r for r in _all() if (r.engine, r.backend, r.what) == (engine, backend, what)]
    return [r.measured / r.expected for r in found[-_NEWEST:]]


@cache
def _all() -> tuple[SpeedRecord, ...]:
    path = speeds_file()
    return tuple(r for line in (_lines(path) if path else ()) if (r := _record(line)))


def _record(line: str) -> SpeedRecord | None:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(raw, dict):
        return None
    measured, expected = real(raw.get("measured"), 1e-6, 1e9), real(raw.get("expected"), 1e-6, 1e9)
    words = [raw.get(k) for k in ("engine", "backend", "what")]
    if measured is None or expected is None or not all(isinstance(w, str) for w in words):
        return None
    return SpeedRecord(str(words[0]), str(words[1]), str(words[2]), measured, expected)


def _lines(path: Path) -> list[str]:
    try:
        return read_end(path, _BYTES).decode("utf-8", "replace").splitlines()
    except OSError:
        return []
