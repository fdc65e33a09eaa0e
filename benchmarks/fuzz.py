"""Fuzz every reader of foreign input: damaged inputs by the million, or coverage-guided with atheris.

    python -m benchmarks.fuzz --seconds 600                 # ten minutes over all readers
    python -m benchmarks.fuzz --executions 1000000          # a nightly run; prints the record as Markdown
    python -m benchmarks.fuzz --reader gguf --atheris -max_total_time=600   # libFuzzer's own options follow

An input must end in an answer or a PlannerError, in two seconds, with the process below 512 MiB. Inputs are made
from a reader's seeds by damage that a seed of --seed repeats exactly.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.fuzz_readers import READERS, FuzzedReader
from planner.errors import PlannerError

HANG: Final = 2.0  # seconds
MEMORY: Final = 512 << 20  # bytes
LONGEST: Final = 1 << 14  # bytes of a damaged input
# Values that readers stumble over, in JSON, TOML and binary.
_SPLICES: Final = (
    b"null", b"true", b"-1", b"0", b"1e999", b"Infinity", b"NaN", b"9" * 400, b'"\\u0000"', b'"\\ud800"', b"[]",
    b"{}", b"[" * 200, b"\x00", b"\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x1b[31m", b"\n", "²".encode(),
    "\u202e".encode(), b"'", b'"', b"$(x)", b"inf", b"1970-01-01", b" " * 64,
)  # fmt: skip


@dataclass(slots=True)
class Record:
    """What came of one reader's runs."""

    runs: int = 0
    refused: int = 0  # ended in a PlannerError
    worst: float = 0.0  # seconds of the slowest
    peak: int = 0  # bytes: the process's largest size so far


def damaged(seed: bytes, chance: random.Random) -> bytes:
    """Return an input with one to eight damages: bytes flipped, cut, doubled, moved, or replaced by odd values."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.randint(0, 24))
        match chance.randrange(6):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1:
                del data[at:end]
            case 2:
                data[at:at] = data[at:end] * chance.randint(1, 4)
            case 3:
                data[at:end] = chance.choice(_SPLICES)
            case 4:
                other = chance.randrange(len(data) + 1)
                data[other:other] = data[at:end]
            case _:
                data[at:at] = chance.randbytes(chance.randint(1, 8))
    return bytes(data[:LONGEST])


def run_one(reader: FuzzedReader, data: bytes, record: Record) -> None:
    """Read one input. Raises whatever a reader must not, and AssertionError for a hang."""
    began = time.perf_counter()
    try:
        reader.read(data)
    except PlannerError:
        record.refused += 1
    took = time.perf_counter() - began
    record.runs += 1
    record.worst = max(record.worst, took)
    assert took < HANG, f"{took:.1f} s"


def fuzz(name: str, executions: int, seconds: float, seed: int) -> Record:
    """Run a reader on so many damaged inputs, or for so long. Raises as `run_one`, saying which input it was."""
    reader, record, chance = READERS[name], Record(), random.Random(f"{name}-{seed}")
    seeds = reader.seeds()
    held = _largest()
    end = time.monotonic() + seconds
    while record.runs < executions and time.monotonic() < end:
        data = damaged(chance.choice(seeds), chance)
        try:
            run_one(reader, data, record)
        except Exception:
            print(f"{name}: input number {record.runs} of --seed {seed}: {data!r}", file=sys.stderr)
            raise
    record.peak = _largest()
    # A process that was larger before (a whole test suite) may hardly grow.
    assert record.peak < max(MEMORY, held + MEMORY // 8), (
        f"{name}: {held >> 20}, then {record.peak >> 20} MiB"
    )
    return record


def _largest() -> int:
    """The process's largest size so far, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def table(records: dict[str, Record]) -> str:
    """Return the record as a table of Markdown."""
    lines = [
        "| reader | executions | refused with one line | slowest | process |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {r.runs:,} | {r.refused:,} | {r.worst * 1000:.0f} ms | {r.peak >> 20} MiB |"
        for name, r in records.items()
    ]
    total = sum(r.runs for r in records.values())
    worst, peak = max(r.worst for r in records.values()), max(r.peak for r in records.values())
    lines.append(f"| all | {total:,} | | {worst * 1000:.0f} ms | {peak >> 20} MiB |")
    return "\n".join(lines)


def _guided(name: str, options: Sequence[str]) -> None:
    """Coverage-guided, until libFuzzer's own options say stop."""
    import tempfile
    from pathlib import Path

    import atheris

    reader = READERS[name]
    with atheris.instrument_imports(include=["planner"]):
        for seed in reader.seeds():  # which imports what the reader needs, instrumented
            try:
                reader.read(seed)
            except PlannerError:
                continue
    with tempfile.TemporaryDirectory() as folder:
        for index, seed in enumerate(reader.seeds()):
            Path(folder, f"seed{index}").write_bytes(seed)
        limits = ["-timeout=2", "-rss_limit_mb=512", f"-max_len={LONGEST}"]
        atheris.Setup([sys.argv[0], *limits, *options, folder], lambda data: run_one(reader, data, Record()))
        atheris.Fuzz()


def main(arguments: Sequence[str] | None = None) -> None:
    """Fuzz what was asked for, and print the record."""
    parser = argparse.ArgumentParser(description="Fuzz every reader of foreign input.")
    parser.add_argument("--reader", choices=sorted(READERS), action="append")
    parser.add_argument("--executions", type=int, default=1 << 40, help="of all readers together")
    parser.add_argument("--seconds", type=float, default=1e9, help="of all readers together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--atheris", action="store_true", help="coverage-guided; one --reader")
    given, rest = parser.parse_known_args(arguments)
    names = given.reader or list(READERS)
    if given.atheris:
        _guided(names[0], rest)
        return
    share = -(-given.executions // len(names))
    print(table({name: fuzz(name, share, given.seconds / len(names), given.seed) for name in names}))


if __name__ == "__main__":
    main()
