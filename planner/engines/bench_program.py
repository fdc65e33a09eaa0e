"""A program of an engine's own that times it: what is asked of it, and what it says."""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import dataclass

REPETITIONS: Final = 5  # that such programs make unasked


@dataclass(frozen=True, slots=True)
class BenchTest:
    """What to time."""

    prompt: int = 512
    """Tokens of the prompt."""
    answer: int = 128
    """Tokens of the answer."""
    depths: tuple[int, ...] = (0,)
    """Tokens in the cache before, one run each."""
    repetitions: int = REPETITIONS
    """Runs of each, of which the mean is told."""
    lines: bool = False
    """Told in lines for a program to read, each as soon as it is known; else in a table for people."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One speed that the program told."""

    what: str
    """prefill or decode."""
    tps: float
    """Tokens a second: of the prompt, or of the answer."""
    prompt: int
    """Tokens of the prompt; 0 for decode."""
    depth: int
    """Tokens in the cache in the middle of what was timed."""
    build: str
    """Of the engine, as its plans name it."""
