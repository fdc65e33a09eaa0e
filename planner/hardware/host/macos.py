"""The host part of a Mac: sysctl for the chip and its RAM, vm_stat for what is free."""

from __future__ import annotations

import re
from typing import Final

from planner.errors import InputError
from planner.hardware.found import HostFacts
from planner.hardware.host.system import System
from planner.hardware.machine import Cpu
from planner.hardware.profiles.profile import Profile
from planner.hardware.profiles.store import find_by_driver_name

_SYSCTL: Final = (
    "hw.memsize",
    "machdep.cpu.brand_string",
    "hw.physicalcpu",
    "hw.pagesize",
    "iogpu.wired_limit_mb",
    "kern.osproductversion",
    "hw.optional.arm.FEAT_I8MM",
    "hw.optional.arm.FEAT_BF16",
    "hw.optional.arm.FEAT_DotProd",
    "hw.optional.arm.FEAT_SME",
    "hw.optional.arm64",
)
_FEATURES: Final = {"FEAT_I8MM": "i8mm", "FEAT_BF16": "bf16", "FEAT_DotProd": "dotprod", "FEAT_SME": "sme"}


def read_sysctl(system: System) -> dict[str, str]:
    """The keys above; one that this macOS lacks is missing (one call a key, or one bad key spoils all)."""
    text = system.run(["sysctl", *_SYSCTL])
    if text is None:
        text = "\n".join(system.run(["sysctl", key]) or "" for key in _SYSCTL)
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs if value.strip()}


def number(table: dict[str, str], key: str) -> int | None:
    """Return a whole number that sysctl printed, None where it printed none."""
    text = table.get(key, "")
    return int(text) if text.isdigit() else None


def detect_mac_host(system: System) -> HostFacts:
    """RAM and processor of a Mac."""
    table = read_sysctl(system)
    notes: list[str] = []
    total = number(table, "hw.memsize") or 0
    if not total:
        notes.append("the RAM cannot be read: sysctl hw.memsize gives no answer")
    available = _available(system, table, total, notes)
    name = table.get("machdep.cpu.brand_string", "CPU")
    features = {v for k, v in _FEATURES.items() if table.get(f"hw.optional.arm.{k}") == "1"}
    arm = table.get("hw.optional.arm64") == "1" or name.startswith("Apple")
    profile = profile_of(name, total, notes)
    cores = number(table, "hw.physicalcpu")
    cpu = Cpu(
        name=name,
        physical_cores=cores,
        usable_cores=cores,
        features=frozenset(features | {"neon"}) if arm else frozenset(),
        memory_bandwidth=profile.bandwidth if profile else None,
        architecture="arm64" if arm else "x86_64",
        profile=profile.id if profile else None,
    )
    sources = {
        "ram": "sysctl hw.memsize",
        "ram available": "vm_stat",
        "cpu": "sysctl machdep.cpu.brand_string",
    }
    if "kern.osproductversion" in table:
        sources["macos"] = table["kern.osproductversion"]
    return HostFacts(total, available, cpu, "macos", (), tuple(notes), sources)


def _available(system: System, table: dict[str, str], total: int, notes: list[str]) -> int:
    """Bytes that macOS can hand out: free, inactive and speculative pages (purgeable ones are among these)."""
    text = system.run(["vm_stat"]) or ""
    size = re.search(r"page size of (\d+) bytes", text)
    page = int(size.group(1)) if size else number(table, "hw.pagesize") or 16384
    pages = dict(re.findall(r"^Pages ([a-z -]+):\s+(\d+)\.", text, re.MULTILINE))
    if not pages:
        notes.append("how much RAM is free cannot be read (vm_stat): three quarters are taken to be free")
        return total * 3 // 4
    free = sum(int(pages.get(k, 0)) for k in ("free", "inactive", "speculative"))
    return min(free * page, total)


def profile_of(name: str, ram: int, notes: list[str]) -> Profile | None:
    """Return the profile of the chip with this much RAM; what makes it ambiguous goes to the notes."""
    try:
        return find_by_driver_name(name, ram) if ram else None
    except InputError as error:
        notes.append(str(error))
        return None
