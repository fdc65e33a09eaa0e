"""Apple silicon: sysctl for the chip and its RAM, Metal for what its GPU may use."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from planner.errors import InputError
from planner.hardware.found import Found, HostFacts
from planner.hardware.host.system import System
from planner.hardware.machine import Accelerator, Backend, Cpu
from planner.hardware.profiles.profile import Profile
from planner.hardware.profiles.store import find_by_driver_name
from planner.hardware.vendors.profile_facts import from_facts
from planner.units import GIB, MIB, gib

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


def _number(table: dict[str, str], key: str) -> int | None:
    text = table.get(key, "")
    return int(text) if text.isdigit() else None


def detect_mac_host(system: System) -> HostFacts:
    """RAM and processor of a Mac."""
    table = read_sysctl(system)
    notes: list[str] = []
    total = _number(table, "hw.memsize") or 0
    if not total:
        notes.append("the RAM cannot be read: sysctl hw.memsize gives no answer")
    available = _available(system, table, total, notes)
    name = table.get("machdep.cpu.brand_string", "CPU")
    features = {v for k, v in _FEATURES.items() if table.get(f"hw.optional.arm.{k}") == "1"}
    arm = table.get("hw.optional.arm64") == "1" or name.startswith("Apple")
    profile = _profile(name, total, notes)
    cores = _number(table, "hw.physicalcpu")
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
    page = int(size.group(1)) if size else _number(table, "hw.pagesize") or 16384
    pages = dict(re.findall(r"^Pages ([a-z -]+):\s+(\d+)\.", text, re.MULTILINE))
    if not pages:
        notes.append("how much RAM is free cannot be read (vm_stat): three quarters are taken to be free")
        return total * 3 // 4
    free = sum(int(pages.get(k, 0)) for k in ("free", "inactive", "speculative"))
    return min(free * page, total)


def _profile(name: str, ram: int, notes: list[str]) -> Profile | None:
    try:
        return find_by_driver_name(name, ram) if ram else None
    except InputError as error:
        notes.append(str(error))
        return None


# Seen in llama.cpp's logs of recent macOS: RAM in GiB -> MiB (read 2026-11-22). Older macOS: 2/3 of the RAM
# up to 36 GB, 3/4 above. Only used where Metal cannot be asked and no profile has this chip with this RAM.
_SEEN_LIMITS: Final = (
    (16, 12124), (18, 13640), (24, 18186), (32, 25559), (36, 28754), (48, 38338), (64, 53084),
    (128, 110100), (256, 228065), (512, 475136),
)  # fmt: skip


def working_set_rule(ram: int) -> int:
    """What Metal lets the GPU use by default for this RAM: as seen, else the older 2/3 or 3/4."""
    seen = dict(_SEEN_LIMITS).get(ram // GIB)
    if seen is not None:
        return seen * MIB
    return ram * 2 // 3 if ram <= 36 * GIB else ram * 3 // 4


def detect_apple(system: System, ram_total: int, ram_available: int) -> Found:
    """The GPU of an Apple chip; nothing on a Mac with an Intel processor."""
    found = Found()
    table = read_sysctl(system)
    name = table.get("machdep.cpu.brand_string", "")
    if not name.startswith("Apple"):
        if name:
            found.notes.append("this Mac has an Intel processor: its GPU is not used")
        return found
    limit, source = _limit(system, table, name, ram_total, found)
    gpu = Accelerator(
        name=name,
        vendor="apple",
        backend=Backend.METAL,
        memory_total=limit,
        memory_free=min(limit, ram_available),
        unified=True,
        integrated=True,
    )
    found.sources["gpus"] = source
    cores = _gpu_cores(system)
    gpu = from_facts(gpu, found.notes, found.sources, told=ram_total, gpu_cores=cores)
    found.accelerators.append(replace(gpu, architecture=gpu.architecture or name.split()[1]))
    return found


def _limit(system: System, table: dict[str, str], name: str, ram: int, found: Found) -> tuple[int, str]:
    wired = _number(table, "iogpu.wired_limit_mb") or 0
    asked = system.metal_limit()
    if asked is not None and 0 < asked <= ram:
        return asked, "Metal recommendedMaxWorkingSetSize"
    if wired and wired * MIB <= ram:
        return wired * MIB, "sysctl iogpu.wired_limit_mb"
    profile = _profile(name, ram, found.notes)
    if profile is not None and profile.memory_total is not None and profile.memory_verified:
        limit, source = profile.memory_total, f"profile {profile.id}, as Metal reports it for this RAM"
    else:
        limit, source = working_set_rule(ram), "rule for Metal's default limit"
    found.notes.append(f"Metal cannot be asked: {gib(limit)} for the GPU is what Macs with this RAM report")
    return limit, source


def _gpu_cores(system: System) -> int | None:
    text = system.run(["ioreg", "-rc", "AGXAccelerator", "-d1"]) or ""
    match = re.search(r'"gpu-core-count"\s*=\s*(\d+)', text)
    return int(match.group(1)) if match else None
