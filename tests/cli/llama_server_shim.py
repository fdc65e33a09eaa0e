"""Puts the real llama-server, which comes as a wheel, under its own name into a folder of the PATH."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

CHILD = Path(__file__).with_name("engine_child.py")


def install_server(folder: Path) -> None:
    """Write the program `llama-server` into a folder."""
    program = folder / "llama-server"
    program.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(CHILD)])} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
