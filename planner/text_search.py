"""Finding things by the words a person types.

A word is found where it stands for itself, not inside another: "mac" finds Macs and no machine, "8b" no 48B.
Case, order, spaces and dashes do not matter. Only where nothing is found so, the beginning of a word is
enough ("rtx 40", "gemm").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

_CHUNK: Final = re.compile(r"[^\W\d_]+|\d+")


def find(words: Iterable[str], texts: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the keys of `texts` (key -> its names) that hold every word; all of them without a word."""
    wanted = [folded for word in words if (folded := fold(word))]
    known = {key: [_Text(name) for name in names] for key, names in texts.items()}
    for whole in (True, False):
        found = [
            key for key, names in known.items() if all(any(n.holds(w, whole) for n in names) for w in wanted)
        ]
        if found:
            return found
    return []


def fold(text: str) -> str:
    """Letters and digits alone, in lower case."""
    return "".join(_CHUNK.findall(text.casefold()))


class _Text:
    """A name without case and separators, and where its words and numbers begin and end."""

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
