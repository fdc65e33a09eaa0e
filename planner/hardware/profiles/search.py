"""Finding profiles by the words a person types, as `planner profiles WORDS` does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from planner.hardware.profiles.build_index import all_names
from planner.hardware.profiles.profile import Profile
from planner.hardware.profiles.spoken import macs_of
from planner.text_search import find
from planner.units import GIB


def find_profiles(words: Sequence[str], profiles: Iterable[Profile]) -> list[str]:
    """Return the ids of the profiles whose names, maker, kind and size hold every word."""
    return find(words, {p.id: _names(p) for p in profiles})


def _names(profile: Profile) -> list[str]:
    names = [*all_names(profile), profile.vendor, profile.kind, profile.device_class]
    names += [alias for smaller in profile.bins for alias in smaller.aliases]
    size = profile.ram if profile.unified else profile.memory_total
    if size:
        names.append(f"{round(size / GIB)} GB")
    return names + _macs(profile)


def _macs(profile: Profile) -> list[str]:
    if profile.vendor != "apple":
        return []
    return ["Mac", *macs_of(profile.name).split(", ")]
