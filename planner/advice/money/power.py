"""Power of a whole computer at the wall: measured where its profile knows it, else reckoned from its parts.

One table for `buy` and `cost`. The rules were held against eleven computers measured while a model generated
(hardware facts of December 2026; tests/advice/test_power.py has the rows).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from planner.errors import PlannerError
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Accelerator, Machine

if TYPE_CHECKING:
    from planner.hardware.profiles.profile import Profile

# A card that generates draws less than its limit: 0.85 of it, beside what the computer around it draws.
CARD_SHARE: Final = 0.85
COMPUTER_LOAD_WATTS: Final = 90.0
COMPUTER_IDLE_WATTS: Final = 40.0
# A two-socket server with its fans; an assumption.
SERVER_LOAD_WATTS: Final = 300.0
SERVER_IDLE_WATTS: Final = 150.0
# Share of its limit that a card draws doing nothing, where its profile has no figure.
IDLE_SHARE: Final = 0.06
# Whole small computers and Macs, measured at the wall, drew 1.0 to 1.4 times their chip's rated power.
CHIP_SHARE: Final = 1.2
CHIP_IDLE_WATTS: Final = 10.0
SERVER_CLASSES: Final = frozenset({"datacenter", "cloud-accelerator"})


@dataclass(frozen=True, slots=True)
class Power:
    """Watts of a whole computer, and what they rest on."""

    idle: float
    """Doing nothing."""
    load: float
    """While it generates."""
    note: str
    """What the figures are: measured, reckoned, or incomplete."""
    complete: bool = True
    """False where a device's power is not known, so that no electricity is counted."""


def machine_power(machine: Machine) -> Power:
    """Return the power of a machine: all its computers together."""
    gpus = machine.accelerators
    if len(gpus) == 1 and gpus[0].unified:
        return _whole(gpus[0])
    if not gpus:
        around = _profile_power(machine)
        if around is not None:
            return around
        return Power(
            COMPUTER_IDLE_WATTS, COMPUTER_LOAD_WATTS, "a computer without a graphics card is assumed"
        )
    if all(g.unified for g in gpus):
        powers = [_whole(g) for g in gpus]
        return Power(
            sum(p.idle for p in powers),
            sum(p.load for p in powers),
            powers[0].note,
            all(p.complete for p in powers),
        )
    if any(g.tdp_w is None for g in gpus):
        return Power(
            0.0, 0.0, "the GPU's power is not known: electricity is not counted (--load-watts sets it)", False
        )
    server = any(is_server_card(g) for g in gpus)
    houses = max(1, sum(1 for h in machine.hosts if h.accelerators))
    idle = sum(g.idle_w if g.idle_w is not None else (g.tdp_w or 0.0) * IDLE_SHARE for g in gpus)
    load = sum((g.tdp_w or 0.0) * CARD_SHARE for g in gpus)
    around_load = (SERVER_LOAD_WATTS if server else COMPUTER_LOAD_WATTS) * houses
    return Power(
        idle + (SERVER_IDLE_WATTS if server else COMPUTER_IDLE_WATTS) * houses,
        load + around_load,
        f"power is reckoned: {CARD_SHARE:.0%} of the cards' limits and {around_load:.0f} W for the "
        f"{'server' if server else 'computer'} around them (--load-watts sets it)",
    )


def _whole(chip: Accelerator) -> Power:
    """A computer on one chip: nothing stands around it."""
    measured = _measured(chip.profile)
    if measured is not None:
        return measured
    if chip.tdp_w is None:
        return Power(
            0.0, 0.0, "its power is not known: electricity is not counted (--load-watts sets it)", False
        )
    return Power(
        min(CHIP_IDLE_WATTS, chip.tdp_w),
        chip.tdp_w * CHIP_SHARE,
        f"power is reckoned: {CHIP_SHARE:g} times the chip's rated {chip.tdp_w:.0f} W (--load-watts sets it)",
    )


def _profile_power(machine: Machine) -> Power | None:
    cpus = [h.cpu.profile for h in machine.hosts]
    return _measured(cpus[0]) if len(cpus) == 1 else None


def _measured(name: str | None) -> Power | None:
    profile = _profile(name)
    if profile is None or profile.wall_load_w is None:
        return None
    idle = CHIP_IDLE_WATTS if profile.wall_idle_w is None else profile.wall_idle_w
    return Power(min(idle, profile.wall_load_w), profile.wall_load_w, "power was measured at the wall")


def is_server_card(gpu: Accelerator) -> bool:
    """True for a card that is made for the fans of a server."""
    profile = _profile(gpu.profile)
    return profile is not None and profile.device_class in SERVER_CLASSES


def _profile(name: str | None) -> Profile | None:
    from planner.hardware.profiles.load import get_profile

    try:
        return None if name is None else get_profile(name)
    except PlannerError:
        return None
