"""--profile, --ram and --vram -> Machine."""

from __future__ import annotations

from planner.api import detect, load_profile
from planner.hardware.machine import Machine
from planner.units import parse_size


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
    return load_profile(profile or "", **sizes)
