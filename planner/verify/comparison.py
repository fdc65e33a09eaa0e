"""Predicted beside measured: what a comparison is, when it agrees, and where measurements are kept.

Sizes are bytes. Measurements lie in the user's state folder as JSON lines, newest last, so that other
commands can say "measured here".
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any, Final

from planner.bounded_read import read_end
from planner.fast_dataclass import dataclass
from planner.outside_numbers import MAX_BYTES, real, whole
from planner.own_files import locked, state_dir, write_whole
from planner.safe_text import one_line

MIB: Final = 1 << 20
# An engine's log rounds to whole MiB, down; a plan may be off by that and still be right.
SLACK: Final = 2 * MIB
TOLERANCE: Final = 0.02
MAX_RECORDS: Final = 2000
_LAST: Final = 253402300799.0  # the end of the year 9999, as time.time counts
MAX_READ: Final = 8 << 20  # bytes of the newest records


@dataclass(frozen=True, slots=True)
class Part:
    """One figure, predicted and measured."""

    device: str
    """CUDA0, host …, as the engine names it."""
    what: str
    """weights, cache, compute, context length …"""
    unit: str
    """bytes, tokens or sequences."""
    predicted: float
    """What the planner says."""
    measured: float
    """What the engine says."""
    margin: float = 0.0
    """Half the width of the interval that the prediction states itself."""
    tolerance: float = TOLERANCE
    """The relative error within which they agree."""

    @property
    def error(self) -> float:
        """Relative error of the prediction, against at least 64 MiB (as the accuracy benchmark counts)."""
        floor = 64 * MIB if self.unit == "bytes" else 1
        return (self.predicted - self.measured) / max(abs(self.measured), floor)

    @property
    def agrees(self) -> bool:
        """True where prediction and measurement are as close as the measurement is precise."""
        if self.unit == "bytes":
            off = abs(self.predicted - self.measured)
            return off <= SLACK + self.margin or abs(self.error) <= self.tolerance
        return abs(self.error) <= self.tolerance


@dataclass(frozen=True, slots=True)
class Verification:
    """One model on one engine: what was predicted, what the engine said, and which build said it."""

    engine: str
    """The engine's name in plans."""
    build: str
    """The engine's version, as it names it."""
    model: str
    """Hugging Face id where it is known, else the file's or server's name."""
    quant: str
    """The quantisation."""
    source: str
    """The file or the address."""
    parts: tuple[Part, ...]
    """One a figure."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The engine's settings by its own names."""
    notes: tuple[str, ...] = ()
    """What the reader should know beside the figures."""

    @property
    def agrees(self) -> bool:
        """True where every figure agrees; False where there was none to compare."""
        return bool(self.parts) and all(part.agrees for part in self.parts)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured on this machine earlier."""

    model: str
    quant: str
    engine: str
    build: str
    time: float  # seconds since 1970
    total: int  # bytes that the engine used, all devices together; 0 where it doesn't say
    settings: Mapping[str, Any]
    agrees: bool


def measurements_file() -> Path | None:
    """Return where measurements are kept; None for a user without a home."""
    folder = state_dir()
    return None if folder is None else folder / "measured.jsonl"


def record(verification: Verification) -> Path | None:
    """Append a verification to the measurements; None where there is no folder, or it can't be written."""
    path = measurements_file()
    if path is None:
        return None
    entry = {
        **asdict(verification),
        "settings": dict(verification.settings),
        "time": time.time(),
        "agrees": verification.agrees,
        "total": _total(verification.parts),
    }
    line = json.dumps(entry, default=str)
    try:
        with locked(path):
            lines = [*_lines(path)[-MAX_RECORDS + 1 :], line]
            write_whole(path, "\n".join(lines) + "\n")
    except OSError:
        return None
    return path


def measured_here(model: str, quant: str, engine: str) -> Measurement | None:
    """Return the newest measurement of a model, quantisation and engine on this machine, or None."""
    wanted = (model.lower(), quant.lower(), engine.lower())
    for line in reversed(_lines(measurements_file())):
        found = measurement_of(line)
        if found and (found.model.lower(), found.quant.lower(), found.engine.lower()) == wanted:
            return found
    return None


def _total(parts: Iterable[Part]) -> int:
    """Sum what was measured in bytes; a server's own total counts instead of its shares."""
    sizes = [p for p in parts if p.unit == "bytes"]
    totals = [p.measured for p in sizes if p.what == "total"]
    return int(sum(totals) if totals else sum(p.measured for p in sizes))


def _lines(path: Path | None) -> list[str]:
    """The newest records, oldest first; none where there is no such regular file."""
    if path is None:
        return []
    try:
        raw = read_end(path, MAX_READ)
    except OSError:
        return []
    lines = raw.decode("utf-8", "replace").split("\n")
    # Of a longer file the first line is the rest of one.
    return [line for line in lines[len(raw) == MAX_READ :] if line]


def measurement_of(line: str) -> Measurement | None:
    """Return a record; None for a line that `record` would not write: the file is the user's, and may be damaged."""
    try:
        entry = json.loads(line)
        settings = dict(entry["settings"])
        names = [entry[key] for key in ("model", "quant", "engine", "build")]
        said, total = real(entry["time"], 0, _LAST), whole(entry["total"], 0, MAX_BYTES)
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    if said is None or total is None or not all(isinstance(name, str) for name in names):
        return None
    model, quant, engine, build = (one_line(name, 200) for name in names)
    return Measurement(model, quant, engine, build, said, total, settings, bool(entry.get("agrees")))
