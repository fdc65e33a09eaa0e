"""Predicted beside measured: what a comparison is, when it agrees, and where measurements are kept.

Sizes are bytes. Measurements lie in the user's state folder as JSON lines, newest last, so that other
commands can say "measured here".
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Any, Final

from planner.fast_dataclass import dataclass
from planner.models.hub.cache import state_dir

MIB: Final = 1 << 20
# An engine's log rounds to whole MiB, down; a plan may be off by that and still be right.
SLACK: Final = 2 * MIB
TOLERANCE: Final = 0.02
MAX_RECORDS: Final = 2000


@dataclass(frozen=True, slots=True)
class Part:
    """One figure, predicted and measured."""

    device: str  # "CUDA0", "host" …
    what: str  # "weights", "cache", "compute", "context length" …
    unit: str  # "bytes" | "tokens" | "sequences"
    predicted: float
    measured: float
    margin: float = 0.0  # half the width of the interval that the prediction states itself
    tolerance: float = TOLERANCE  # relative

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

    engine: str  # "llama.cpp" | "ollama" | "vllm"
    build: str  # as the engine names it
    model: str  # Hugging Face id where it is known, else the file's or server's name
    quant: str
    source: str  # file or URL
    parts: tuple[Part, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """True where every figure agrees."""
        return all(part.agrees for part in self.parts)


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


def measurements_file() -> Path:
    """Return where measurements are kept."""
    return state_dir() / "measured.jsonl"


def record(verification: Verification) -> Path | None:
    """Append a verification to the measurements; None where the folder can't be written."""
    path = measurements_file()
    entry = {
        **asdict(verification),
        "settings": dict(verification.settings),
        "time": time.time(),
        "agrees": verification.agrees,
        "total": _total(verification.parts),
    }
    line = json.dumps(entry, default=str)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [*_lines(path)[-MAX_RECORDS + 1 :], line]
        temporary = path.with_suffix(f".{os.getpid()}.part")
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        temporary.replace(path)
        return path
    return None


def measured_here(model: str, quant: str, engine: str) -> Measurement | None:
    """Return the newest measurement of a model, quantisation and engine on this machine, or None."""
    wanted = (model.lower(), quant.lower(), engine.lower())
    for line in reversed(_lines(measurements_file())):
        found = _parse(line)
        if found and (found.model.lower(), found.quant.lower(), found.engine.lower()) == wanted:
            return found
    return None


def _total(parts: Iterable[Part]) -> int:
    """Sum what was measured in bytes; a server's own total counts instead of its shares."""
    sizes = [p for p in parts if p.unit == "bytes"]
    totals = [p.measured for p in sizes if p.what == "total"]
    return int(sum(totals) if totals else sum(p.measured for p in sizes))


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8", errors="replace").split("\n") if line]
    except OSError:
        return []


def _parse(line: str) -> Measurement | None:
    try:
        entry = json.loads(line)
        return Measurement(
            model=str(entry["model"]),
            quant=str(entry["quant"]),
            engine=str(entry["engine"]),
            build=str(entry["build"]),
            time=float(entry["time"]),
            total=int(entry["total"]),
            settings=dict(entry["settings"]),
            agrees=bool(entry["agrees"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
