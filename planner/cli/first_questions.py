"""What `planner` alone asks on a terminal: four questions, and the command that they make."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import typer

from planner.errors import PlannerError

_USES: Final = (
    ("general", "chat and writing"),
    ("coding", "code"),
    ("agents", "agents that call tools"),
    ("reasoning", "mathematics and hard problems"),
    ("multilingual", "other languages than English"),
    ("vision", "pictures"),
)
_LICENCES: Final = (
    ("any", "I only try it, or use it for myself"),
    ("commercial", "commercial use must be allowed"),
    ("permissive", "only Apache, MIT and the like"),
)


def is_conversation() -> bool:
    """True where somebody sits at a terminal and can answer."""
    return bool(sys.stdin and sys.stdin.isatty() and sys.stdout.isatty())


def ask() -> list[str]:
    """Ask machine, use, users and licence; return the words of the command that answers.

    Raises click's Abort where the person leaves (Ctrl-C, Ctrl-D).
    """
    typer.echo("Which model runs, and how? Four questions; Enter takes what stands in brackets.\n")
    machine = _asked("Machine: this one, or a name such as 'rtx-4090' or 'm4 max 64gb'", "this one", _machine)
    use = _chosen("What is it for?", _USES)
    users = _asked("How many people use it at the same time?", "1", _users)
    licence = _chosen("Which licences will do?", _LICENCES)
    words = ["check"]
    words += [] if machine == "this one" else ["--profile", machine]
    words += [] if use == "general" else ["--use-case", use]
    words += [] if users == "1" else ["--users", users]
    return words + ([] if licence == "any" else ["--license", licence])


def _machine(text: str) -> str:
    from planner.api import HERE, load_profile

    if text.lower() in ("this one", "this", HERE):
        return "this one"
    load_profile(text)
    return text


def _users(text: str) -> str:
    from planner.api import Workload

    if not text.isascii() or not text.isdigit():
        raise typer.BadParameter("a whole number, please")
    return str(Workload(users=int(text[:9])).users)


def _chosen(question: str, choices: tuple[tuple[str, str], ...]) -> str:
    typer.echo(question)
    for number, (_, about) in enumerate(choices, 1):
        typer.echo(f"  {number}  {about}")
    words = [word for word, _ in choices]

    def read(text: str) -> str:
        if text.isascii() and text.isdigit() and 1 <= int(text[:3]) <= len(words):
            return words[int(text[:3]) - 1]
        if text.lower() in words:
            return text.lower()
        raise typer.BadParameter(f"a number from 1 to {len(words)}, please")

    return _asked("Number", "1", read)


def _asked(question: str, usual: str, read: Callable[[str], str]) -> str:
    """Ask until the answer can be read."""
    while True:
        text = str(typer.prompt(question, default=usual)).strip()
        try:
            return read(text)
        except (PlannerError, typer.BadParameter) as error:
            typer.echo(f"  {error}")
