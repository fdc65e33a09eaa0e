"""A progress line on stderr for whatever takes over a second; silent when stderr is not a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType


def say_on_terminal(text: str) -> None:
    """Print one line on stderr where a person watches; nothing in a pipe."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{text}\n")


class Progress:
    """Shows "12 of 80 options" after the first second, and wipes itself at the end."""

    def __init__(self, what: str, after: float = 1.0) -> None:
        self._what = what
        self._start = time.monotonic() + after
        self._shown = 0

    def __enter__(self) -> Progress:
        return self

    def update(self, done: int, total: int) -> None:
        """Say how far it is."""
        if not sys.stderr.isatty() or time.monotonic() < self._start:
            return
        text = f"{done} of {total} {self._what}"
        sys.stderr.write(f"\r{text.ljust(self._shown)}")
        sys.stderr.flush()
        self._shown = len(text)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r" + " " * self._shown + "\r")
            sys.stderr.flush()
