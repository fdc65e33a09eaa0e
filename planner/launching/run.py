"""Starting a launch on this machine: its files are written beside, then its command runs until it ends."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

from planner.engines.launch import Launch
from planner.errors import InputError


def run_launch(launch: Launch) -> int:
    """Write the launch's files into the current folder and run its command.

    Returns the command's exit code.

    Raises InputError where the engine is not installed, or a file is already there with another content.
    """
    steps = [shlex.split(line) for line in launch.command.splitlines() if line.strip()]
    if not steps:
        raise InputError("this plan has no command to run")
    for step in steps:
        if shutil.which(step[0]) is None:
            raise InputError(f"'{step[0]}' is not installed or not on the PATH; install it and try again")
    for name, content in launch.files:
        path = Path(name)
        if path.exists() and path.read_text(encoding="utf-8") != content:
            raise InputError(f"{path} exists and differs; move it away, or run in another folder")
    for name, content in launch.files:
        Path(name).write_text(content, encoding="utf-8")
    environment = {**os.environ, **launch.env}
    for step in steps:
        code = subprocess.run(step, env=environment, check=False).returncode
        if code:
            return code
    return 0
