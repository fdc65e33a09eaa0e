"""The one door to the computer that detection goes through: files below a root, commands, environment.

Tests put a recorded tree behind the same door. Nothing here raises: what cannot be read is None.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from planner.bounded_read import read_start
from planner.fast_dataclass import dataclass
from planner.hardware.host.os_probes import metal_working_set, read_registry, windows_cpu

_MAX_TEXT: Final = 1 << 22
COMMAND_TIMEOUT_S: Final = 3.0


def run_command(command: Sequence[str]) -> str | None:
    """What a command prints (on either stream), or None when it is missing, fails or takes over three seconds."""
    import subprocess

    try:
        done = subprocess.run(
            list(command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def _import_nvml() -> Any:
    import pynvml

    return pynvml


def _affinity() -> int | None:
    ask = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    try:
        return os.cpu_count() if ask is None else len(ask(0))
    except OSError:
        return os.cpu_count()


@dataclass(frozen=True, slots=True)
class System:
    """What detection may ask. The defaults ask this computer."""

    root: Path = Path("/")
    platform: str = sys.platform  # linux | darwin | win32
    env: Mapping[str, str] = field(default_factory=lambda: os.environ)
    run: Callable[[Sequence[str]], str | None] = run_command
    nvml: Callable[[], Any] = _import_nvml  # returns the pynvml module
    affinity: Callable[[], int | None] = _affinity
    metal_limit: Callable[[], int | None] = metal_working_set
    registry: Callable[[], list[dict[str, Any]]] = read_registry  # Windows display adapters
    windows_cpu: Callable[[], tuple[str | None, frozenset[str]]] = windows_cpu

    @property
    def real(self) -> bool:
        """True for this computer, False for a recorded tree."""
        return self.root == Path("/")

    def path(self, name: str) -> Path:
        """The place of an absolute path below the root."""
        return self.root / name.lstrip("/")

    def read(self, name: str) -> str | None:
        """Text of a file, stripped; None when it is missing, not readable or not text."""
        try:
            raw = read_start(self.path(name), _MAX_TEXT)
        except OSError:
            return None
        return raw.decode("utf-8", "replace").strip("\x00 \t\r\n")

    def read_int(self, name: str) -> int | None:
        """A whole number from a file, decimal or 0x hexadecimal; None when there is none."""
        words = (self.read(name) or "").split()
        try:
            return int(words[0][:40], 0) if words else None
        except ValueError:
            return None

    def entries(self, name: str) -> list[str]:
        """Sorted names in a folder; empty when it is missing or not readable."""
        try:
            return sorted(entry.name for entry in self.path(name).iterdir())
        except OSError:
            return []

    def home(self) -> str | None:
        """The user's home folder as an absolute path, or None when the environment does not say."""
        return self.env.get("HOME") or self.env.get("USERPROFILE")

    def exists(self, name: str) -> bool:
        """True when the path is there and may be seen."""
        try:
            return self.path(name).exists()
        except OSError:
            return False
