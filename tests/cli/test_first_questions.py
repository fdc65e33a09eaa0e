"""`planner` alone: four questions on a terminal, the help elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ALONE = "from planner.cli.main import main; import sys; sys.argv = ['planner']; main()"


def conversation(answers: str, tmp_path: Path) -> tuple[int, str]:
    """Type answers at a terminal; return the exit code and what stood on the screen."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path), "COLUMNS": "80", "NO_COLOR": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", ALONE], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    ) as process:
        os.close(theirs)
        os.write(ours, answers.encode())
        seen = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        code = process.wait(60)
    os.close(ours)
    return code, seen.decode().replace("\r\n", "\n")


def test_answers_make_a_command_that_is_shown_and_run(tmp_path: Path) -> None:
    code, screen = conversation("warp card\nraspberry-pi-5-8gb\n9\n2\nmany\n4\n2\n", tmp_path)
    assert code == 0
    assert "unknown profile 'warp card'" in screen  # and asked again
    assert "a number from 1 to 6, please" in screen and "a whole number, please" in screen
    shown = (
        "\n$ planner check --profile raspberry-pi-5-8gb --use-case coding --users 4 --license commercial\n"
    )
    assert shown in screen
    assert "Best:" in screen.split(shown)[1]


def test_enter_takes_what_is_usual(tmp_path: Path) -> None:
    _, screen = conversation("\n\n\n\n", tmp_path)
    assert "\n$ planner check\n" in screen


def test_leaving_is_no_error_of_the_program(tmp_path: Path) -> None:
    code, screen = conversation("\x04", tmp_path)
    assert code == 130
    assert "Traceback" not in screen and "interrupted" in screen


def test_elsewhere_the_help_is_printed() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "Usage: planner" in done.stdout + done.stderr
