"""--profile, --ram and --vram -> Machine."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from planner.api import detect, load_profile

if TYPE_CHECKING:
    from planner.api import Machine


def chosen_machine(profile: str | None, ram: str | None, vram: str | None) -> Machine:
    """Return the machine that the options describe; without any, the one in front of us.

    Raises InputError for an unknown profile or an impossible size.
    """
    if profile is None and ram is None and vram is None:
        return detect()
    return load_profile(profile, ram=ram, vram=vram)


def asked(
    profile: str | None, ram: str | None, vram: str | None, context: str | None, users: int, **more: object
) -> str:
    """Return the options with which another command answers for the same machine and use; empty without any.

    `more`: further options by name; None leaves one out.
    """
    words = []
    for option, value in {"profile": profile, "ram": ram, "vram": vram, "context": context, **more}.items():
        if value is not None:
            words.append(f" --{option.replace('_', '-')} {shlex.quote(str(value))}")
    return "".join(words) + (f" --users {users}" if users > 1 else "")
