"""Measure a running server: prefill, decode at two depths, and several streams at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from planner.fast_dataclass import dataclass
from planner.verify.bench.stream import Streamed, Target, completed, words

SECONDS: Final = 110.0  # for everything
_SHORT, _LONG, _ANSWER = 48, 2048, 48  # tokens
_WARM: Final = 16  # words whose tokens are counted first: vocabularies differ
_SWEEP: Final = (2, 4, 8)  # streams at once
_LEAST: Final = 15.0  # seconds that must be left for another measurement


@dataclass(frozen=True, slots=True)
class Point:
    """One measured speed."""

    what: str
    """prefill or decode."""
    tps: float
    """Tokens a second: of the prompt, or of one stream."""
    prompt: int
    """Tokens of the prompt."""
    depth: int
    """Tokens in the cache in the middle of what was measured."""
    streams: int = 1
    """Requests at once."""


def measure(
    target: Target,
    *,
    context: int | None,
    sequences: int | None,
    progress: Callable[[str], None],
    deadline: float,
) -> list[Point]:
    """Measure what fits into the server's context until `deadline` (as time.monotonic).

    `context`: tokens of a sequence, None where it isn't known; `sequences`: that the server runs at once.
    Raises InputError, NoAnswerError as `completed` does.
    """
    room = (context or 4096) - _ANSWER - 64
    progress("warming up")
    warm = completed(target, words(_WARM, 1), 4, deadline)

    def prompt(tokens: int, seed: int) -> str:
        return words(max(4, tokens * _WARM // max(1, warm.prompt)), seed)

    progress("decode with a short prompt")
    short = completed(target, prompt(min(_SHORT, room), 2), _ANSWER, deadline)
    points = _decode([short])
    if room > 4 * _SHORT and deadline - time.monotonic() > _LEAST:
        progress("prefill, and decode behind a long prompt")
        long = completed(target, prompt(min(_LONG, room // 2), 3), _ANSWER, deadline)
        # what is fixed a request was in the short one as well
        took = long.first - short.first
        if took > 0 and long.prompt > short.prompt:
            points.append(
                Point("prefill", (long.prompt - short.prompt) / took, long.prompt, long.prompt // 2)
            )
        points += _decode([long])
    spent = 0.0
    for streams in _SWEEP:
        if streams > (sequences or 1) or deadline - time.monotonic() < 3 * spent + _LEAST:
            break
        progress(f"{streams} streams at once")
        start = time.monotonic()
        with ThreadPoolExecutor(streams) as pool:
            asked = [
                pool.submit(completed, target, prompt(min(_SHORT, room), 10 * streams + i), _ANSWER, deadline)
                for i in range(streams)
            ]
            points += _decode([one.result() for one in asked])
        spent = time.monotonic() - start
    return points


def _decode(answers: Sequence[Streamed]) -> list[Point]:
    """The speed of one of the streams, the middle one; nothing where an answer was too short to time."""
    speeds = sorted((a.tokens - 1) / a.rest for a in answers if a.tokens > 1 and a.rest > 0)
    if not speeds:
        return []
    one = answers[0]
    return [Point("decode", speeds[len(speeds) // 2], one.prompt, one.prompt + one.tokens // 2, len(answers))]
