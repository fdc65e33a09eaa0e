"""Finding profiles by the words a person types, as `planner profiles WORDS` does.

A word is found where it stands for itself, not inside another: "mac" finds Macs and no machine, "80gb" no
180 GB. Case, order, spaces and dashes do not matter. Only where nothing is found so, the beginning of a word
is enough: "rtx 40", "quad".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from planner.hardware.profile_index import all_names, fold
from planner.hardware.profile_model import Profile
from planner.units import GIB

_CHUNK: Final = re.compile(r"[a-z]+|[0-9]+")
# In which Macs Apple has sold each tier of its chips: words to be found by, never printed as a fact.
_MACS: Final = {
    "ultra": "Mac Studio, Mac Pro",
    "max": "MacBook Pro, Mac Studio",
    "pro": "MacBook Pro, Mac mini",
    "": "MacBook Air, MacBook Pro, Mac mini, iMac",
}


def find_profiles(words: Sequence[str], profiles: Iterable[Profile]) -> list[str]:
    """Return the ids of the profiles that hold every word; all of them without a word."""
    wanted = [folded for word in words if (folded := fold(word))]
    texts = {p.id: [_Text(name) for name in _names(p)] for p in profiles}
    for whole in (True, False):
        found = [i for i, names in texts.items() if all(_holds(names, w, whole) for w in wanted)]
        if found:
            return found
    return []


class _Text:
    """A name without case and separators, and where its words begin and end."""

    __slots__ = ("begins", "ends", "folded")

    def __init__(self, name: str) -> None:
        self.begins: set[int] = set()
        self.ends: set[int] = set()
        chunks = _CHUNK.findall(name.casefold())
        at = 0
        for chunk in chunks:
            self.begins.add(at)
            at += len(chunk)
            self.ends.add(at)
        self.folded = "".join(chunks)

    def holds(self, word: str, whole: bool) -> bool:
        return any(
            self.folded.startswith(word, at) and (not whole or at + len(word) in self.ends)
            for at in self.begins
        )


def _holds(names: Sequence[_Text], word: str, whole: bool) -> bool:
    return any(name.holds(word, whole) for name in names)


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
    tier = profile.name.rsplit(" ", 1)[-1].lower()
    return ["Mac", *_MACS.get(tier, _MACS[""]).split(", ")]
