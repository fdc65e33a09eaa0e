"""The GPU of Apple silicon: Metal for what it may use, ioreg for its cores."""

from __future__ import annotations

import re
from typing import Final

from planner.fast_dataclass import replace
from planner.hardware.found import FoundDevices
from planner.hardware.host.macos import number, profile_of, read_sysctl
from planner.hardware.host.system import System
from planner.hardware.machine import Accelerator, Backend
from planner.hardware.vendors.profile_facts import from_facts
from planner.units import GIB, MIB, gib

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


def detect_apple(system: System, ram_total: int, ram_available: int) -> FoundDevices:
    """The GPU of an Apple chip; nothing on a Mac with an Intel processor."""
    found = FoundDevices()
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


def _limit(
    system: System, table: dict[str, str], name: str, ram: int, found: FoundDevices
) -> tuple[int, str]:
    wired = number(table, "iogpu.wired_limit_mb") or 0
    asked = system.metal_limit()
    if asked is not None and 0 < asked <= ram:
        return asked, "Metal recommendedMaxWorkingSetSize"
    if wired and wired * MIB <= ram:
        return wired * MIB, "sysctl iogpu.wired_limit_mb"
    profile = profile_of(name, ram, found.notes)
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
