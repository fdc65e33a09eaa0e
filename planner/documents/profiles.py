"""`planner profiles --json`: the devices and machines that --profile knows."""

from __future__ import annotations

from planner.fast_dataclass import dataclass
from planner.hardware.profiles.listing import ProfileInfo


@dataclass(frozen=True, slots=True)
class Profiles:
    """Profiles that were looked for."""

    profiles: tuple[ProfileInfo, ...]
    """By maker, the largest first."""
    problems: tuple[str, ...] = ()
    """What is wrong with those of the user's own that are left out."""
