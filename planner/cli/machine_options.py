"""--profile, --ram, --vram, --free and --backend -> Machine."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from planner.api import HERE, adjust_machine, detect, load_profile

if TYPE_CHECKING:
    from planner.api import Machine


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


def said(value: str, default: str = "general") -> str | None:
    """Return a choice as an option to repeat; None where it is the default."""
    return None if value == default else value


def asked(
    profile: str | None, ram: str | None, vram: str | None, context: str | None, users: int, **more: object
) -> str:
    """Return the options with which another command answers for the same machine and use; empty without any.

    `more`: further options by name; None leaves one out.
    """
    words = []
    for option, value in {"profile": profile, "ram": ram, "vram": vram, "context": context, **more}.items():
        if value is not None:
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            words.append(f" --{option.replace('_', '-')} {shlex.quote(shown)}")
    return "".join(words) + (f" --users {users}" if users > 1 else "")
