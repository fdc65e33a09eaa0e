"""--profile, --ram, --vram, --free and --backend -> Machine."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

import click

from planner.api import HERE, adjust_machine, detect, load_profile

if TYPE_CHECKING:
    from planner.api import Machine

# What makes the question, in the order in which it is repeated; the model, its quantisation and engine stand apart.
SAME_QUESTION: Final = (
    "profile",
    "ram",
    "vram",
    "context",
    "free",
    "backend",
    "use_case",
    "min_speed",
    "load",
    "license",
    "users",
)


def chosen_machine(
    profile: str | None,
    ram: str | None,
    vram: str | None,
    free: str | None = None,
    backend: str | None = None,
) -> Machine:
    """Return the machine that the options describe; without any, or for the profile "here", the one in front of us.

    Raises InputError for an unknown profile, an impossible size or a backend that drives none of its GPUs.
    """
    if profile == HERE:
        profile = None
    described = profile is not None or ram is not None or vram is not None
    machine = load_profile(profile, ram=ram, vram=vram) if described else detect()
    return adjust_machine(machine, free=free, backend=backend) if free or backend else machine


def same_question(**instead: str) -> str:
    """Return the options with which another command answers for the same machine and use; empty without any.

    They are those of the command that runs, typed or from the person's configuration, but for what every command
    assumes by itself. `instead`: values of options that the command chose itself where they were left open.
    """
    ctx = click.get_current_context()
    words = []
    for option in (p for name in SAME_QUESTION for p in ctx.command.params if p.name == name):
        name = str(option.name)
        value = ctx.params.get(name)
        value = instead.get(name) if value is None else value
        if value is None or (value == option.default and name not in (ctx.default_map or {})):
            continue
        shown = f"{value:g}" if isinstance(value, float) else str(value)
        words.append(f" --{name.replace('_', '-')} {shlex.quote(shown)}")
    return "".join(words)
