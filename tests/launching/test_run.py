"""A launch that runs here: its end is told, its last words are kept, signals reach it, and it never stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planner.engines.launch import Launch
from planner.errors import InputError
from planner.launching.run import KEPT, run_launch

unix = pytest.mark.skipif(os.name != "posix", reason="signals and sh are Unix's")


@unix
def test_the_end_is_told_with_the_engines_last_words(capfd: pytest.CaptureFixture[str]) -> None:
    ended = run_launch(Launch("sh -c 'echo starting >&2; echo no memory >&2; exit 3'"))
    assert ended.code == 3
    assert ended.output == "starting\nno memory\n"
    assert not ended.stopped
    assert "no memory" in capfd.readouterr().err, "it is passed on as it comes"


@unix
def test_only_the_last_of_a_long_log_is_kept() -> None:
    ended = run_launch(Launch("sh -c 'yes 0123456789 | head -c 1000000 >&2; echo the end >&2; exit 1'"))
    assert len(ended.output) <= KEPT
    assert ended.output.endswith("the end\n")


@unix
def test_a_first_command_that_fails_ends_it() -> None:
    ended = run_launch(Launch("sh -c 'exit 4'\nsh -c 'echo never >&2'"))
    assert (ended.code, ended.output) == (4, "")


def test_an_engine_that_is_not_installed_is_named() -> None:
    with pytest.raises(InputError, match="'no-such-engine' is not installed"):
        run_launch(Launch("no-such-engine --serve"))


@unix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_go_to_the_engine_and_nothing_stays_behind(tmp_path: Path, number: signal.Signals) -> None:
    """As a supervisor stops it: only the planner's process gets the signal."""
    here = tmp_path / "engine"
    program = "import os, signal, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    start = (
        "import sys, shlex; from planner.engines.launch import Launch; from planner.launching.run import run_launch;"
        "ended = run_launch(Launch(shlex.join(sys.argv[1:]))); sys.exit(0 if ended.stopped else 9)"
    )
    # A suite run under nohup hands an ignored SIGHUP down to all it starts, as it should to an engine.
    heard = f"import signal; signal.signal({int(number)}, signal.SIG_DFL);"
    planner = subprocess.Popen(
        [sys.executable, "-c", heard + start, sys.executable, "-c", program, str(here)]
    )
    for _ in range(200):
        if here.exists() and here.read_text():
            break
        time.sleep(0.05)
    engine = int(here.read_text())
    planner.send_signal(number)
    assert planner.wait(timeout=20) == 0
    with pytest.raises(ProcessLookupError):
        os.kill(engine, 0)
