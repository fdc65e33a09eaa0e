"""Where profiles come from, and how one is found: by id, alias, driver's name, PCI id, processor or board.

Shipped profiles lie in profiles/ and are found through its index; the user's own in `user_profiles_dir()`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from planner.errors import InputError
from planner.hardware.profiles.build_index import all_names, driver_key, fold, fold_short, load_index
from planner.hardware.profiles.profile import Bin, Profile, read_profile
from planner.hardware.profiles.slices import cut
from planner.hardware.profiles.spoken import candidates
from planner.own_files import config_dir
from planner.shipped_files import profiles_dir
from planner.units import MIB, gib

# A driver's total differs from the nominal size by firmware, ECC and rounding; more is another card.
_SAME_MEMORY: Final = 0.13
_MOST_LISTED: Final = 8


def user_profiles_dir() -> Path | None:
    """Where the user's own profiles lie: $XDG_CONFIG_HOME/planner/profiles or the like; None without a home."""
    folder = config_dir()
    return None if folder is None else folder / "profiles"


def _user_files() -> list[Path]:
    folder = user_profiles_dir()
    try:
        return [] if folder is None else sorted(folder.glob("*.toml"))
    except OSError:  # no permission
        return []


def user_profiles() -> tuple[list[Profile], list[str]]:
    """The user's profiles, and one line for each file that is not one."""
    found: list[Profile] = []
    problems: list[str] = []
    for path in _user_files():
        try:
            found.append(read_profile(path))
        except InputError as error:
            problems.append(str(error))
    return found, problems


def get_profile(ident: str) -> Profile:
    """The profile with exactly this id, the user's own first. Raises InputError when there is none."""
    for profile in user_profiles()[0]:
        if profile.id == ident:
            return profile
    entry = load_index()["profiles"].get(ident)
    if entry is None:
        raise InputError(_unknown(ident))
    return _of(read_profile(profiles_dir() / entry["path"]), entry)


def _of(profile: Profile, entry: dict[str, Any]) -> Profile:
    """The profile of an index's line: what its file says, or a slice cut from that card."""
    part = entry.get("slice")
    return profile if part is None else cut(profile, next(s for s in profile.slices if s.name == part))


def shipped_profiles() -> list[Profile]:
    """Every shipped profile, the slices of cards among them; each file is read once."""
    read = {
        path: read_profile(profiles_dir() / path)
        for path in {e["path"] for e in load_index()["profiles"].values()}
    }
    return [_of(read[entry["path"]], entry) for entry in load_index()["profiles"].values()]


def find_by_driver_name(name: str, memory_total: int | None = None) -> Profile | None:
    """The profile of a device from the name that its driver reports.

    `memory_total` in bytes tells cards of one name apart: a card's own memory, or for a chip with unified
    memory the RAM of the machine. None when no profile has this name and size. Raises InputError when the
    name has several sizes and `memory_total` is not given.
    """
    return _sized(_driver_rows(name), name, memory_total)


def _driver_rows(name: str) -> list[list[Any]]:
    """Index rows of a driver's name; Vulkan's chip in brackets and a last "Graphics" may be there or not."""
    drivers = load_index()["drivers"]
    for text in (name, re.sub(r"\s*\(RADV [^)]*\)", "", name)):
        key = driver_key(text)
        for form in (key, key.removesuffix("graphics"), key + "graphics"):
            if form in drivers:
                rows: list[list[Any]] = drivers[form]
                return rows
    return []


def same_name(name: str, memory_total: int | None) -> Profile | None:
    """The profile of this driver's name nearest in memory, however far: another version of the card."""
    rows = [r for r in _driver_rows(name) if r[1] is not None]
    if not rows:
        return None
    return get_profile(min(rows, key=lambda r: abs(r[1] * MIB - (memory_total or 0)))[0])


def find_by_cpu_name(name: str, ram: int | None = None) -> Profile | None:
    """The profile of a chip from the brand string of its processor; `ram` in bytes tells sizes apart."""
    return _sized(load_index()["cpus"].get(driver_key(name), []), name, ram)


def find_cpu_family(name: str) -> Profile | None:
    """The profile of a server processor's family (its memory channels and speed) from its brand string."""
    for pattern, ids in load_index()["cpu_patterns"].items():
        if re.search(pattern, name):
            return get_profile(ids[0])
    return None


def find_by_pci_id(ident: str, memory_total: int | None = None) -> Profile | None:
    """As find_by_driver_name, for ``vendor:device:revision`` in hexadecimal; falls back to no revision."""
    index = load_index()
    ids = index["pci"].get(ident.lower()) or index["pci"].get(ident.lower().rsplit(":", 1)[0], [])
    entries = index["profiles"]
    rows = [[i, entries[i].get("ram_mib" if entries[i]["kind"] == "soc" else "memory_mib")] for i in ids]
    return _sized(rows, ident, memory_total)


def find_by_device_tree(model: str, ram: int | None = None) -> Profile | None:
    """The profile of a board from /proc/device-tree/model; `ram` in bytes."""
    index = load_index()
    for name, ids in index["device_tree"].items():
        if model.startswith(name):
            return _sized([[i, index["profiles"][i].get("ram_mib")] for i in ids], model, ram)
    return None


def _sized(rows: list[list[Any]], name: str, memory: int | None) -> Profile | None:
    if not rows:
        return None
    if memory is None:
        if len(rows) == 1:
            return get_profile(rows[0][0])
        sizes = ", ".join(f"{r[0]} ({gib(r[1] * MIB, 0)})" for r in rows if r[1])
        raise InputError(f"'{name}' comes with different amounts of memory; say which: {sizes}")
    known = [r for r in rows if r[1] is not None]
    if not known:
        return get_profile(rows[0][0])
    best = min(known, key=lambda r: abs(r[1] * MIB - memory))
    if abs(best[1] * MIB - memory) > _SAME_MEMORY * best[1] * MIB:
        return None
    return get_profile(best[0])


def split_bin(ident: str, index: dict[str, Any]) -> tuple[str, int | None]:
    if ident in index["profiles"]:
        return ident, None
    base, _, cores = ident.rpartition("-")
    return base, int(cores.removesuffix("c"))


def resolve(name: str, ram: int | None) -> tuple[Profile, Bin | None]:
    own, problems = user_profiles()
    wanted = {fold(name), fold_short(name)}
    for profile in own:
        if wanted & {fold(n) for n in all_names(profile)}:
            return profile, None
    if name.endswith(".toml") or os.sep in name:
        return read_profile(Path(name)), None
    index = load_index()
    found = candidates(name)
    if len(found) > 1 and ram is not None:
        fitting = [i for i in found if index["profiles"].get(i, {}).get("ram_mib") == ram // MIB]
        found = fitting or found
    if not found:
        raise InputError(_unknown(name, problems))
    if len(found) > 1:
        raise InputError(_which(name, sorted(found)))
    base, cores = split_bin(found[0], index)
    profile = get_profile(base)
    return profile, profile.bin(cores)


def _which(name: str, found: list[str]) -> str:
    """The one question that decides between several profiles."""
    listed = ", ".join(found[:_MOST_LISTED])
    if len(found) <= _MOST_LISTED:
        return f"profile '{name}' could be several machines; say which: {listed}"
    return (
        f"profile '{name}' could be {len(found)} machines; say also which chip and how much memory, as in "
        f"{listed} …; list them with: planner profiles {name}"
    )


def _unknown(name: str, problems: list[str] | None = None) -> str:
    import difflib

    index = load_index()
    keys = {k: i for k, i in index["keys"].items() if isinstance(i, str)}
    near: list[str] = []
    for key in (fold(name), fold_short(name)):
        for match in difflib.get_close_matches(key, keys, n=6, cutoff=0.7):
            if keys[match] not in near:
                near.append(keys[match])
    near = _within(name, keys) + near
    hint = f"did you mean {', '.join(near[:3])}?" if near else "search them with: planner profiles WORDS"
    broken = f" (your own profiles have a fault: {problems[0]})" if problems else ""
    return f"unknown profile '{name}'; {hint}{broken}"


def _within(name: str, keys: dict[str, str]) -> list[str]:
    """Profiles whose name stands among the words: ``Legion 5 RTX 4060`` may be that card, or its laptop version."""
    words = name.split()
    spans = [
        words[i:j] for i in range(len(words)) for j in range(len(words), i, -1) if (i, j) != (0, len(words))
    ]
    for span in sorted(spans, key=len, reverse=True):
        key = fold_short(" ".join(span))
        if len(key) > 4 and key in keys and not key.isdigit():
            laptop = keys.get(key + "laptop")
            return [keys[key], *([laptop] if laptop else [])]
    return []
