"""A short test of the memory bandwidth that this machine's processor really reaches.

Decode on a CPU follows the bandwidth with which all cores together read memory, and a profile only knows the
peak of an assumed configuration. The test sums or copies buffers far larger than the caches in one process a
core; the figure is what was read, never what a data sheet says. With numpy installed it reads (as decode
does); without, it copies with memmove and counts both directions.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Machine

_BUFFER: Final = 256 << 20  # bytes in all, at least four times any desktop's last cache
_LEAST: Final = 64 << 20  # below this a cache may answer
_SECONDS: Final = 0.6  # of measuring, after the buffers have been touched
# What such a test reaches of channels × MT/s × 8 bytes, on which planner.speed's coefficients stand: reading
# 75 to 85 % on desktops and servers; a copy less, because a store may first read what it overwrites.
_OF_PEAK: Final = {"read": 0.80, "copy": 0.65}


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured, in bytes a second."""

    bandwidth: float
    method: str  # "read" (numpy) or "copy" (memmove, both directions counted)
    threads: int
    seconds: float  # spent measuring
    buffer: int  # bytes in all buffers together

    @property
    def peak(self) -> float:
        """The peak bandwidth that this measurement implies, bytes a second."""
        return self.bandwidth / _OF_PEAK[self.method]

    @property
    def text(self) -> str:
        """One line for people."""
        return (
            f"measured {self.bandwidth / 1e9:.1f} GB/s ({self.method}, {self.threads} threads, "
            f"{self.buffer >> 20} MiB in {self.seconds:.1f} s), taken for {_OF_PEAK[self.method]:.0%} of the peak"
        )


def measure_memory_bandwidth(threads: int | None = None, *, available: int | None = None) -> Measured:
    """Measure how fast all cores together read this machine's memory.

    `threads`: workers; None: the cores this process may use. `available`: bytes of free RAM; the buffers take
    a quarter of it at most. Takes about a second. Raises InputError where too little memory is free.
    """
    count = threads or _usable_cores()
    if count < 1:
        raise InputError(f"threads is {threads}, it must be at least 1")
    size = _BUFFER if available is None else min(_BUFFER, available // 4)
    if size < _LEAST:
        raise InputError("too little memory is free for the bandwidth test: it needs 256 MiB")
    each = size // count // 4096 * 4096
    work, method = _workers(count, each)
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda job: job(), work))  # first touch: the pages exist from here on
        rounds = 0
        start = time.perf_counter()
        best = 0.0
        while True:
            before = time.perf_counter()
            list(pool.map(lambda job: job(), work))
            now = time.perf_counter()
            rounds += 1
            best = max(best, each * count / (now - before))
            if now - start >= _SECONDS and rounds >= 3:
                break
    return Measured(best, method, count, time.perf_counter() - start, each * count)


def with_measured(machine: Machine, measured: Measured) -> Machine:
    """The machine with the bandwidth that the measurement implies as its first host's; its source says so."""
    host = machine.host
    cpu = replace(host.cpu, memory_bandwidth=measured.peak)
    sources = {**machine.sources, "memory bandwidth": measured.text}
    notes = tuple(note for note in machine.notes if not note.startswith("the memory's speed"))
    hosts = (replace(host, cpu=cpu), *machine.hosts[1:])
    return replace(machine, hosts=hosts, sources=sources, notes=notes)


def _usable_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)


def _workers(count: int, each: int) -> tuple[list[Callable[[], object]], str]:
    """One job a thread, each moving `each` bytes, and what it does; both release the interpreter's lock."""
    try:
        import numpy as np
    except ImportError:
        return [_copier(each // 2) for _ in range(count)], "copy"
    arrays = [np.ones(each // 8, dtype=np.int64) for _ in range(count)]
    return [array.max for array in arrays], "read"


def _copier(half: int) -> Callable[[], object]:
    source = ctypes.create_string_buffer(half)
    target = ctypes.create_string_buffer(half)
    ctypes.memset(source, 1, half)

    def job() -> object:
        return ctypes.memmove(target, source, half)

    return job
