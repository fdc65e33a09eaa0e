"""A program of this machine that is measured: started, read line by line, and ended in time."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Timer
from typing import IO, Final

from planner.errors import InputError, cause_of

_LINE: Final = 1 << 20  # bytes of one line


@contextmanager
def running(words: Sequence[str], env: Mapping[str, str], deadline: float) -> Iterator[Iterator[str]]:
    """Start a program and yield the lines that it prints as they come, diagnostics among them.

    It ends with the block, and at `deadline` (as time.monotonic) at the latest. Raises InputError where it can't be
    started.
    """
    try:
        process = subprocess.Popen(
            list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **env},
        )
    except OSError as error:
        raise InputError(f"{words[0]} can't be started: {cause_of(error)}") from None
    assert process.stdin is not None and process.stdout is not None
    guard = Timer(max(0.0, deadline - time.monotonic()), process.kill)
    guard.start()
    try:
        yield _lines(process.stdout)
    finally:
        guard.cancel()
        process.kill()
        process.stdin.close()
        process.wait()


def _lines(stream: IO[bytes]) -> Iterator[str]:
    while line := stream.readline(_LINE):
        yield line.decode("utf-8", "replace").rstrip("\r\n")
