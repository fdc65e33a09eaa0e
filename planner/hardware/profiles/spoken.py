"""What people call devices and machines -> ids of profiles: product names, sizes, gfx targets, slices, processors.

The index knows ids, aliases and drivers' names; here is what people add to them, leave out or say instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from planner.hardware.profiles.build_index import driver_key, fold, fold_short, load_index
from planner.hardware.profiles.slices import slice_id, slice_in

# In which Macs Apple has sold each tier of its chips: words to be found by, never printed as a fact.
MACS: Final[Mapping[str, str]] = {
    "ultra": "Mac Studio, Mac Pro",
    "max": "MacBook Pro, Mac Studio",
    "pro": "MacBook Pro, Mac mini",
    "": "MacBook Air, MacBook Pro, Mac mini, iMac",
}
_MAC: Final = re.compile(
    r"\b(mac\s*book(\s*(pro|air))?|mac\s*(mini|studio|pro)|i\s*mac|mbp|mba)\b", re.IGNORECASE
)
_MAC_SHORT: Final = {"mbp": "macbookpro", "mba": "macbookair"}
_SIZED: Final = re.compile(r"^(.*[^\s,(-])[\s,(-]+(\d{1,4})\s*(?:gb|gib|g)\)?$", re.IGNORECASE)
_GFX: Final = re.compile(r"^gfx[0-9a-f]{3,4}$", re.IGNORECASE)
_PCI: Final = re.compile(r"^[0-9a-f]{4}:[0-9a-f]{4}$", re.IGNORECASE)
# Words that mean a part of a name as makers write it.
_WORDS: Final = (
    (re.compile(r"\b(mobile|notebook)\b", re.IGNORECASE), "laptop"),
    (re.compile(r"\s*\b(desktop|workstation|server|gaming pc|pc|laptop with)\b\s*", re.IGNORECASE), " "),
    (re.compile(r"\bcore\s+(?=i[3579])", re.IGNORECASE), ""),
    (re.compile(r"\bryzen\s+[3579]\s+(?=\d)", re.IGNORECASE), "ryzen "),
)
_COUNT_WORDS: Final = re.compile(
    r"^(a pair of|dual|twin|two|triple|three|quad|four|six|eight)\s+(?=\S)", re.IGNORECASE
)
_COUNTS: Final = {
    "a pair of": 2,
    "dual": 2,
    "twin": 2,
    "two": 2,
    "triple": 3,
    "three": 3,
    "quad": 4,
    "four": 4,
    "six": 6,
    "eight": 8,
}
# What may stand beside a processor's number without changing which family it is of.
_BESIDE: Final = re.compile(
    r"\b(intel|amd|core|xeon|cpu|processor|ryzen|threadripper|r|tm)\b|[()]|\d+-core", re.IGNORECASE
)
_SUFFIX: Final = re.compile(r"^[A-Z]{1,3}(?![A-Z0-9])", re.IGNORECASE)  # of a model's number: K, KF, WX
# How far a driver's figure lies from the size that a card is sold with.
_NEAR: Final = 0.07


def candidates(name: str) -> list[str]:
    """Ids that a name may mean: ``M4 Max 64GB``, ``Mac mini M4``, ``gfx1100``, ``H100 MIG 1g.10gb``, ``EPYC 7302``."""
    text = name.strip()
    readings: tuple[Callable[[str], list[str]], ...] = (
        _lookup,
        _sized,
        _slice,
        _target,
        _mac,
        _other_words,
        _processor,
    )
    return next((found for found in (reading(text) for reading in readings) if found), [])


def count_said(text: str) -> str:
    """``dual RTX 3090`` as ``2x RTX 3090``, unless the whole is a name."""
    match = _COUNT_WORDS.match(text)
    if match is None:
        return text
    return f"{_COUNTS[match.group(1).casefold()]}x {text[match.end() :]}"


def ram_said(text: str) -> tuple[str, int] | None:
    """A name and the GiB behind it where that is the RAM of a computer sold with any (``Ryzen 7840U 64GB``)."""
    match = _SIZED.match(text)
    if match is None or candidates(text):
        return None
    found = candidates(match.group(1))
    entries = load_index()["profiles"]
    if not found or not all(entries.get(i, {}).get("any_ram") for i in found):
        return None
    return match.group(1), int(match.group(2))


def _lookup(name: str) -> list[str]:
    keys = load_index()["keys"]
    full, short = fold(name), fold_short(name)
    tries = [full, short]
    for key in (full, short):
        for tail in ("gib", "gb", "g"):
            if key.endswith(tail):
                tries.append(key.removesuffix(tail))
        tries += [key + "gb", key + "b"]
    for key in tries:
        found = keys.get(key)
        if found:
            return [found] if isinstance(found, str) else list(found)
    return []


def _sized(name: str) -> list[str]:
    match = _SIZED.match(name)
    if match is None:
        return []
    mib = int(match.group(2)) * 1024
    sizes = {i: entry(i) for i in _with_siblings(candidates(match.group(1)))}
    return [i for i, e in sizes.items() if abs(e.get("ram_mib", e.get("memory_mib", 0)) - mib) <= mib * _NEAR]


def _with_siblings(idents: list[str]) -> list[str]:
    """With every other card of the same driver's name: sizes sold under one name, or made by modding."""
    rows = load_index()["drivers"]
    found = list(idents)
    for ident in idents:
        for row in rows.get(driver_key(entry(ident).get("name", "")), []):
            if row[0] not in found:
                found.append(row[0])
    return found


def _slice(name: str) -> list[str]:
    said = slice_in(name)
    if said is None:
        return []
    part, card = said
    entries = load_index()["profiles"]
    cards = candidates(card) if card else entries
    idents = [slice_id(c, part) for c in cards]
    found = [i for i in idents if i in entries]
    if not found and card:  # "A100" is the card of 80 GB to most; 3g.20gb exists on that of 40 GB only
        folded = fold_short(card)
        found = [i for i in entries if i.endswith(f"-mig-{part}") and fold_short(i).startswith(folded)]
    return found


def _target(name: str) -> list[str]:
    if _GFX.match(name):
        return list(load_index()["gfx"].get(name.casefold(), []))
    return list(load_index()["pci"].get(name.casefold(), [])) if _PCI.match(name) else []


def _mac(name: str) -> list[str]:
    match = _MAC.search(name)
    if match is None:
        return []
    rest = (name[: match.start()] + " " + name[match.end() :]).strip(" ,()")
    entries = load_index()["profiles"]
    if rest:
        return [i for i in candidates(rest) if entry(i).get("vendor") == "apple"]
    product = fold(match.group(1))
    product = _MAC_SHORT.get(product, product)
    return [i for i, e in entries.items() if e["vendor"] == "apple" and product in fold(macs_of(e["name"]))]


def macs_of(chip: str) -> str:
    """The Macs in which a chip is sold, by the tier in its name: ``Apple M4 Max``."""
    return MACS.get(chip.rsplit(" ", 1)[-1].lower(), MACS[""])


def _other_words(name: str) -> list[str]:
    text = name
    for pattern, word in _WORDS:
        text = pattern.sub(word, text)
    text = " ".join(text.split())
    return candidates(text) if text and text != name else []


def _processor(name: str) -> list[str]:
    """The family of a processor by its model number, as the brand string that the system reports has it."""
    spaced = name.replace("_", " ")
    if "+" in name:  # several parts, each of which is looked up by itself
        return []
    for pattern, idents in load_index()["cpu_patterns"].items():
        found = re.compile(pattern, re.IGNORECASE)
        for text in (spaced, spaced.replace("-", " "), _branded(spaced)):
            match = found.search(text)
            if match is None:
                continue
            rest = text[: match.start()] + " " + _SUFFIX.sub("", text[match.end() :])
            if not _BESIDE.sub("", rest).strip():
                return list(idents)
    return []


def _branded(name: str) -> str:
    """``Ryzen 5950X`` as AMD writes it, with the class that is in its number: ``Ryzen 9 5950X``."""
    return re.sub(
        r"\bryzen\s+(\d)(\d)(?=\d\d)",
        lambda m: f"Ryzen {_ryzen_class(m.group(2))} {m.group(1)}{m.group(2)}",
        name,
        flags=re.IGNORECASE,
    )


def _ryzen_class(second: str) -> str:
    return {"1": "3", "2": "3", "3": "3", "4": "5", "5": "5", "6": "5"}.get(
        second, "9" if second == "9" else "7"
    )


def entry(ident: str) -> dict[str, Any]:
    """The index's line of an id, or of the chip of which the id names a smaller version."""
    entries: dict[str, Any] = load_index()["profiles"]
    found: dict[str, Any] = entries.get(ident) or entries.get(ident.rpartition("-")[0], {})
    return found
