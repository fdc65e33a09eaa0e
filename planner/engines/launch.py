"""Launch: what starts a plan; an engine writes its own command line, planner.launching what stands around it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Final

from planner.fast_dataclass import dataclass
from planner.models.model import Model
from planner.safe_text import commands

_UNSAFE: Final = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Launch:
    """What starts a plan. Words of the command are quoted for a POSIX shell."""

    command: str
    """What to type: one line a command, ready to paste."""
    files: tuple[tuple[str, str], ...] = ()
    """(name, content) of every file that has to be written."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables to set before."""
    source: str | None = None
    """What is fetched: a repository, an Ollama tag or a path."""
    paths: tuple[str, ...] = ()
    """Words of the command that are files or folders of the machine that it runs on."""


def file_stem(model: Model) -> str:
    """Return a file's name for a model, without its suffix, that no shell reads anything into."""
    stem = _UNSAFE.sub("-", model.name.rsplit("/", 1)[-1].lower()).strip("-.")
    return stem.removesuffix(".gguf")[:60] or "model"


def first_command(shell: Launch) -> list[str]:
    """Return the words of the command that serves: the last one, after what it needs first."""
    steps = commands(shell.command)
    return steps[-1] if steps else []
