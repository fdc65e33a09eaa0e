"""Measurements that are kept: a file of the user's own that may be damaged, endless or shared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planner.verify.comparison import (
    MAX_READ,
    MAX_RECORDS,
    Part,
    Verification,
    measured_here,
    measurements_file,
    record,
)

GOOD = {
    "model": "a/b",
    "quant": "Q4_K_M",
    "engine": "llama.cpp",
    "build": "b1",
    "time": 1.0,
    "total": 5,
    "settings": {},
    "agrees": True,
}
PART = Part("CUDA0", "weights", "bytes", 10, 10)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = measurements_file()
    assert path is not None
    path.parent.mkdir(parents=True)
    return path


def write(path: Path, *entries: object) -> None:
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


@pytest.mark.parametrize(
    "change",
    [
        {"total": float("inf")},
        {"total": -5},
        {"total": 10**18},
        {"total": "5"},
        {"total": 1.5},
        {"time": 10**400},
        {"time": float("nan")},
        {"time": "now"},
        {"settings": 5},
        {"model": None},
        {"build": ["b"]},
    ],
    ids=str,
)
def test_a_damaged_record_is_none(kept: Path, change: dict[str, object]) -> None:
    write(kept, {**GOOD, "build": "older"}, {**GOOD, **change})
    found = measured_here("A/B", "q4_k_m", "llama.cpp")
    assert found is not None and found.build == "older"


def test_lines_that_are_no_records(kept: Path) -> None:
    kept.write_bytes(b"\xff\n[1]\n5\nnull\n" + b"[" * 100_000 + b"\n" + json.dumps(GOOD).encode() + b"\n{")
    found = measured_here("a/b", "Q4_K_M", "llama.cpp")
    assert found is not None and found.total == 5


def test_what_is_printed_of_a_record_is_printable(kept: Path) -> None:
    write(kept, {**GOOD, "build": "b1\x1b[31m\nred"})
    found = measured_here("a/b", "Q4_K_M", "llama.cpp")
    assert found is not None and found.build.isprintable()


def test_a_file_that_does_not_end(kept: Path) -> None:
    kept.symlink_to("/dev/zero")
    assert measured_here("a/b", "Q4_K_M", "llama.cpp") is None
    kept.unlink()
    os.mkfifo(kept)
    assert measured_here("a/b", "Q4_K_M", "llama.cpp") is None


def test_of_a_large_file_the_newest_records_count(kept: Path) -> None:
    with kept.open("w") as file:
        file.write(json.dumps({**GOOD, "build": "first"}) + "\n")
        while file.tell() < 3 * MAX_READ:
            file.write(json.dumps({**GOOD, "model": "x" * 1000}) + "\n")
        file.write(json.dumps({**GOOD, "build": "last"}) + "\n")
    began = time.process_time()
    found = measured_here("a/b", "Q4_K_M", "llama.cpp")
    assert found is not None and found.build == "last"
    assert measured_here("none", "", "") is None
    assert time.process_time() - began < 2


def test_a_record_is_read_back(kept: Path) -> None:
    assert record(Verification("llama.cpp", "b1", "a/b", "Q8_0", "file", (PART,))) == kept
    found = measured_here("a/b", "Q8_0", "llama.cpp")
    assert found is not None and (found.total, found.agrees) == (10, True)
    for _ in range(3):
        record(Verification("llama.cpp", "b2", "a/b", "Q8_0", "file", (PART,)))
    assert len(kept.read_text().splitlines()) == 4 < MAX_RECORDS


def test_a_folder_that_cannot_be_written_loses_the_record_only(kept: Path) -> None:
    kept.mkdir()
    assert record(Verification("llama.cpp", "b1", "a/b", "Q8_0", "file", (PART,))) is None


WRITER = """
from planner.verify.comparison import Part, Verification, record
for number in range(5):
    record(Verification("llama.cpp", "b1", "a/b", "Q8_0", "file", (Part("host", "total", "bytes", 1, 1),)))
"""


def test_many_processes_lose_no_record(kept: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", WRITER], cwd=Path(__file__).parent.parent.parent)
        for _ in range(6)
    ]
    assert [child.wait(timeout=60) for child in children] == [0] * 6
    assert len(kept.read_text().splitlines()) == 30
