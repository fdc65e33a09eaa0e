"""--profile, --ram and --vram -> Machine."""

from __future__ import annotations

import shlex
from typing import Final

from planner.api import detect, load_profile
from planner.errors import InputError
from planner.hardware.machine import Machine
from planner.units import MIB, parse_size

LEAST: Final = 64 * MIB  # bytes; smaller sizes are typing mistakes


def chosen_machine(profile: str | None, ram: str | None, vram: str | None) -> Machine:
    """Return the machine that the options describe; without any, the one in front of us.

    Raises InputError for an unknown profile or an impossible size.
    """
    if profile is None and ram is None and vram is None:
        return detect()
    sizes = {
        "ram": None if ram is None else parse_size(ram, "--ram"),
        "vram": None if vram is None else parse_size(vram, "--vram"),
    }
    for name, size in sizes.items():
        if size is not None and size < LEAST:
            raise InputError(f"--{name} is less than any model needs; write for example 24GiB")
    return load_profile(profile or "", **sizes)


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
