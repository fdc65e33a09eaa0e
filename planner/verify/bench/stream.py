"""One streamed completion of a running server, with the times at which its tokens came."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final

from planner.bounded_http import Answer, post
from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.outside_numbers import whole
from planner.safe_text import one_line
from planner.units import MAX_CONTEXT

_CHUNK: Final = 1 << 14
_MOST: Final = 8 << 20  # bytes of one answer
_WORDS: Final = (
    "river",
    "stone",
    "paper",
    "cloud",
    "garden",
    "winter",
    "engine",
    "copper",
    "signal",
    "harbour",
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where completions are asked for."""

    base: str
    """Scheme, host and port."""
    model: str
    """As the server names it."""
    api_key: str | None
    """Sent as a bearer; None: none."""


@dataclass(frozen=True, slots=True)
class Streamed:
    """One answer."""

    prompt: int
    """Tokens of the prompt, as the server counted them."""
    tokens: int
    """Tokens of the answer."""
    first: float
    """Seconds to the first token."""
    rest: float
    """Seconds from the first token to the last."""


def words(count: int, seed: int) -> str:
    """A prompt of about `count` tokens that no other begins like, so that no cached prefix answers for it."""
    chosen = (
        _WORDS[(seed * 7 + i * (seed % 5 + 1) + i // 10) % len(_WORDS)] for i in range(max(1, count - 8))
    )
    return f"{seed:08d} " + " ".join(chosen)


def completed(target: Target, prompt: str, tokens: int, deadline: float) -> Streamed:
    """Ask for one completion of `tokens` tokens and time it.

    `deadline`: as time.monotonic. Raises InputError where the server refuses or its answer holds no token,
    NoAnswerError where it breaks off.
    """
    body: dict[str, Any] = {
        "model": target.model,
        "prompt": prompt,
        "max_tokens": tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    secret = {"Authorization": f"Bearer {target.api_key}"} if target.api_key else {}
    start = time.monotonic()
    first = last = 0.0
    seen = 0
    usage: dict[str, Any] = {}
    with post(f"{target.base}/v1/completions", json.dumps(body).encode(), secret, deadline) as answer:
        if answer.status != 200:
            said = one_line(answer.whole(_CHUNK).decode("utf-8", "replace"), 200)
            raise InputError(f"{target.base}/v1/completions: the server refused ({answer.status}): {said}")
        for event in _events(answer):
            choices = event.get("choices")
            if (
                isinstance(choices, list)
                and choices
                and isinstance(choices[0], dict)
                and choices[0].get("text")
            ):
                last = time.monotonic()
                first = first or last
                seen += 1
            if isinstance(event.get("usage"), dict):
                usage = event["usage"]
    if not seen:
        raise InputError(f"{target.base}/v1/completions: the answer held no token")
    counted = whole(usage.get("completion_tokens"), 1, MAX_CONTEXT) or seen
    read = whole(usage.get("prompt_tokens"), 1, MAX_CONTEXT) or max(1, prompt.count(" ") + 1)
    return Streamed(read, counted, first - start, last - first)


def _events(answer: Answer) -> Iterator[dict[str, Any]]:
    """The JSON objects of an event stream; what is none is left out."""
    held, taken = b"", 0
    while taken < _MOST and (piece := answer.read(_CHUNK)):
        taken += len(piece)
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            text = line.strip().removeprefix(b"data:").strip()
            try:
                value = json.loads(text) if text.startswith(b"{") else None
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                yield value
