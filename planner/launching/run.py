"""Starting a launch on this machine: its files are written beside, then its command runs until it ends."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Final

from planner.engines.launch import Launch
from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.own_files import write_files
from planner.safe_text import commands

KEPT: Final = 256 * 1024  # bytes of the engine's own output that are kept, its last ones
# What somebody sends to end a service or to reload it goes to the engine, which knows what to do with it.
_PASSED_ON: Final = ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended."""

    code: int
    """The engine's exit code; 128 and the signal's number where a signal ended it."""
    command: str
    """The command that ended it."""
    output: str
    """The last of what it printed as diagnostics, for planner diagnose."""
    stopped: bool = False
    """True where somebody asked it to stop."""


def run_launch(launch: Launch) -> Ended:
    """Write the launch's files into the current folder and run its command; signals go to the engine.

    The engine never outlives this process. Raises InputError where the engine is not installed, or a file is
    already there with another content.
    """
    steps = commands(launch.command)
    if not steps:
        raise InputError("this plan has no command to run")
    for step in steps:
        if shutil.which(step[0]) is None:
            raise InputError(f"'{step[0]}' is not installed or not on the PATH; install it and try again")
    write_files(Path(), dict(launch.files))
    environment = {**os.environ, **launch.env}
    ended = Ended(0, "", "")
    for step in steps:
        ended = _run(step, environment)
        if ended.code or ended.stopped:
            break
    return ended


def _run(step: list[str], environment: dict[str, str]) -> Ended:
    process = subprocess.Popen(step, env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    kept = bytearray()
    reader = threading.Thread(target=_copy, args=(process.stderr, kept), daemon=True)
    reader.start()
    asked: list[int] = []
    try:
        with _signals_to(process, asked):
            code = process.wait()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    reader.join(timeout=5)
    shown = 128 - code if code < 0 else code
    return Ended(shown, shlex.join(step), kept.decode("utf-8", "replace"), bool(asked))


def _copy(stream: IO[bytes], kept: bytearray) -> None:
    """Pass on what the engine says as it says it, and keep the last of it."""
    while chunk := os.read(stream.fileno(), 65536):
        sys.stderr.write(chunk.decode("utf-8", "replace"))
        sys.stderr.flush()
        kept += chunk
        del kept[:-KEPT]


@contextmanager
def _signals_to(process: subprocess.Popen[bytes], asked: list[int]) -> Iterator[None]:
    """Send the engine the signals that this process gets, and note that it was asked to stop."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        asked.append(number)
        if process.poll() is None:
            process.send_signal(number)

    numbers = [getattr(signal, name) for name in _PASSED_ON if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may have handlers
        return
    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
