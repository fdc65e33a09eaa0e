"""The index of profiles/: so that loading one profile does not parse three hundred files.

`python -m planner.hardware.profiles.build_index` writes profiles/index.json; a test checks that it is up to date.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from planner.errors import InputError, PlannerError
from planner.hardware.profiles.profile import Profile, read_profile
from planner.hardware.profiles.slices import cut
from planner.shipped_files import profiles_dir
from planner.units import MIB

INDEX_NAME: Final = "index.json"
VERSION: Final = 3
MODIFIED: Final = "modified"  # the class of cards whose memory was exchanged after sale
_ANEW: Final = "write it anew: python -m planner.hardware.profiles.build_index"

# Words that people leave out, and vendors put in, without changing which device is meant.
_FILLER: Final = re.compile(
    r"\b(nvidia|geforce|tesla|amd|radeon|intel|apple|corporation|inc|graphics|generation|gpu)\b"
    r"|\(r\)|\(tm\)|®|™",
    re.IGNORECASE,
)
_SERIES: Final = re.compile(r"\b(rtx|gtx|rx|arc|tesla|quadro|radeon|instinct|pro)\b")
_NOISE: Final = re.compile(r"[^a-z0-9]+")


def fold(name: str) -> str:
    """Letters and digits alone: ``RTX 4090``, ``rtx-4090`` and ``rtx_4090`` are one name."""
    return _NOISE.sub("", name.casefold())


def fold_short(name: str) -> str:
    """As fold, without vendor names and filler words: ``NVIDIA GeForce RTX 4090`` is ``rtx4090``."""
    return _NOISE.sub("", _FILLER.sub(" ", name.casefold()))


def fold_bare(name: str) -> str:
    """As fold_short, without the series either: ``RTX 4090`` is ``4090``, as people say it."""
    return _NOISE.sub("", _SERIES.sub(" ", _FILLER.sub(" ", name.casefold())))


def driver_key(name: str) -> str:
    """The key under which a name that a driver reports is looked up; keeps what tells devices apart."""
    return _NOISE.sub("", re.sub(r"\b(nvidia|amd|intel)\b|\((r|tm)\)|®|™", " ", name.casefold()))


def profile_names(profile: Profile) -> list[str]:
    """Every name that means this profile to a person, besides its id and aliases."""
    names: list[str] = []
    if profile.kind in ("gpu", "cloud"):
        names += [profile.name, *profile.driver_names]
    elif profile.kind == "soc" and profile.vendor != "apple":
        names += [profile.name, *profile.driver_names, *profile.cpu_names]
    else:
        names += [profile.name, *profile.cpu_names]
    return names


def all_names(profile: Profile) -> list[str]:
    """Id, aliases and names."""
    return [profile.id, *profile.aliases, *profile_names(profile)]


def _keys(profile: Profile) -> list[tuple[int, str, str]]:
    """(rank, key, id) of every name: ids beat aliases, aliases beat drivers' names, those beat bare numbers.

    A card with exchanged memory chips has the driver's name of the one it was made of, and people mean that one.
    """
    modified = profile.device_class == MODIFIED
    named = [(0, profile.id, profile.id)]
    named += [(1, name, profile.id) for name in profile.aliases]
    named += [] if modified else [(2, name, profile.id) for name in profile_names(profile)]
    for smaller in profile.bins:
        ident = f"{profile.id}-{smaller.gpu_cores}c"
        named += [(0, ident, ident), *((1, name, ident) for name in smaller.aliases)]
    keys = [(rank, key, ident) for rank, name, ident in named for key in (fold(name), fold_short(name))]
    if profile.kind == "gpu" and not modified:
        keys += [(3, fold_bare(name), profile.id) for name in (profile.id, *profile.driver_names)]
    return [k for k in dict.fromkeys(keys) if len(k[1]) > 1]


def _entry(profile: Profile, base: Path) -> dict[str, Any]:
    price, hourly = profile.price, profile.hourly_price
    entry: dict[str, Any] = {
        "path": profile.path.relative_to(base).as_posix() if profile.path else None,
        "name": profile.name,
        "vendor": profile.vendor,
        "kind": profile.kind,
        "class": profile.device_class,
    }
    if profile.memory_total is not None:
        entry["memory_mib"] = profile.memory_total // MIB
    if profile.ram is not None:
        entry["ram_mib"] = profile.ram // MIB
    if profile.bandwidth is not None:
        entry["bandwidth_gb_s"] = round(profile.bandwidth / 1e9, 3)
    if price is not None:
        entry["price"] = [price.kind, price.low, price.usd, price.high, price.date]
    if hourly is not None:
        entry["hourly"] = [hourly.kind, hourly.hourly_low, hourly.hourly_high, hourly.date]
    if profile.gpu:
        entry["gpu"] = [profile.gpu, profile.gpu_count]
    if profile.any_ram:
        entry["any_ram"] = True
    return entry


def build_index(base: Path) -> dict[str, Any]:
    """Read every profile below a folder and return the index. Raises InputError for a bad or doubled one."""
    profiles: dict[str, Any] = {}
    ranked: dict[str, list[tuple[int, str]]] = {}
    drivers: dict[str, list[list[Any]]] = {}
    cpus: dict[str, list[list[Any]]] = {}
    pci: dict[str, list[str]] = {}
    trees: dict[str, list[str]] = {}
    patterns: dict[str, list[str]] = {}
    targets: dict[str, list[str]] = {}
    for path in sorted(base.rglob("*.toml")):
        profile = read_profile(path)
        if profile.id in profiles:
            raise InputError(
                f"{path}: the id '{profile.id}' is used by {profiles[profile.id]['path']} as well"
            )
        profiles[profile.id] = _entry(profile, base)
        for rank, key, ident in _keys(profile):
            ranked.setdefault(key, []).append((rank, ident))
        for part in profile.slices:
            piece = cut(profile, part)
            profiles[piece.id] = {**_entry(piece, base), "slice": part.name}
            ranked.setdefault(fold(piece.id), []).append((0, piece.id))
        if profile.gfx_target:
            targets.setdefault(profile.gfx_target, []).append(profile.id)
        told = profile.ram if profile.unified else profile.memory_total
        size = None if told is None else told // MIB
        for key in sorted({driver_key(n) for n in profile.driver_names}):
            drivers.setdefault(key, []).append([profile.id, size])
        for key in sorted({driver_key(n) for n in profile.cpu_names}):
            cpus.setdefault(key, []).append([profile.id, None if profile.ram is None else profile.ram // MIB])
        for ident in profile.pci_ids:
            pci.setdefault(ident.lower(), []).append(profile.id)
        for pattern in profile.cpu_patterns:
            patterns.setdefault(pattern, []).append(profile.id)
        for name in profile.device_tree_names:
            trees.setdefault(name, []).append(profile.id)
    return {
        "version": VERSION,
        "profiles": profiles,
        "keys": {k: _best(v) for k, v in sorted(ranked.items())},
        "drivers": dict(sorted(drivers.items())),
        "cpus": dict(sorted(cpus.items())),
        "pci": dict(sorted(pci.items())),
        "cpu_patterns": dict(sorted(patterns.items())),
        "device_tree": dict(sorted(trees.items())),
        "gfx": dict(sorted(targets.items())),
    }


def _best(named: list[tuple[int, str]]) -> str | list[str]:
    top = min(rank for rank, _ in named)
    idents = list(dict.fromkeys(ident for rank, ident in named if rank == top))
    return idents if len(idents) > 1 else idents[0]


def render(index: dict[str, Any]) -> str:
    """The index as text: one profile or key a line, so that a change reads well in a diff."""
    lines = ["{", f'"version": {index["version"]},']
    tables = [k for k in index if k != "version"]
    for table in tables:
        rows = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in index[table].items()]
        lines.append(f"{json.dumps(table)}: {{")
        lines.append(",\n".join(rows))
        lines.append("}" if table == tables[-1] else "},")
    lines.append("}")
    return "\n".join(lines) + "\n"


_LOADED: dict[Path, dict[str, Any]] = {}


def load_index() -> dict[str, Any]:
    """The shipped index, read once a process. Raises PlannerError when it is missing or damaged."""
    base = profiles_dir()
    found = _LOADED.get(base)
    if found is None:
        path = base / INDEX_NAME
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PlannerError(f"{path} is missing or damaged ({error}); {_ANEW}") from None
        if not isinstance(found, dict) or found.get("version") != VERSION:
            raise PlannerError(f"{path} is of another version; {_ANEW}")
        _LOADED[base] = found
    return found


def main() -> None:
    """Write profiles/index.json from the profiles beside it."""
    base = profiles_dir()
    (base / INDEX_NAME).write_text(render(build_index(base)), encoding="utf-8")


if __name__ == "__main__":
    main()
