"""AMD and Intel display adapters of Windows, through the registry.

The registry's qwMemorySize is 64 bits wide; Win32_VideoController.AdapterRAM stops at 4 GiB and is not used.
"""

from __future__ import annotations

import re
from typing import Any, Final

from planner.hardware.found import FoundDevices
from planner.hardware.host.system import System
from planner.hardware.machine import Accelerator, Backend
from planner.hardware.vendors.profile_facts import from_facts, size_or_none

_VENDORS: Final = {"1002": "amd", "8086": "intel"}
_INTEGRATED_MAX: Final = 4 << 30  # carve-outs that firmware gives integrated graphics


def detect_windows_gpus(system: System, ram_total: int, ram_available: int) -> FoundDevices:
    """AMD and Intel adapters of the registry (NVIDIA's answer through NVML)."""
    found = FoundDevices()
    for row in system.registry():
        gpu = _adapter(row, ram_total, ram_available, found)
        if gpu is not None:
            found.accelerators.append(gpu)
    if found.accelerators:
        found.sources["gpus"] = "registry, HardwareInformation.qwMemorySize"
    return found


def _memory(value: Any) -> int | None:
    if isinstance(value, bytes):
        value = int.from_bytes(value[:8], "little")
    return size_or_none(value)


def _adapter(
    row: dict[str, Any], ram_total: int, ram_available: int, found: FoundDevices
) -> Accelerator | None:
    ident = re.search(r"ven_([0-9a-f]{4})&dev_([0-9a-f]{4})", str(row.get("MatchingDeviceId", "")).lower())
    vendor = _VENDORS.get(ident.group(1)) if ident else None
    name = row.get("DriverDesc")
    if ident is None or vendor is None or not isinstance(name, str):
        return None
    own = _memory(row.get("HardwareInformation.qwMemorySize"))
    integrated = _integrated(vendor, int(ident.group(2), 16))
    if own is None and not integrated:
        found.notes.append(f"{name}: the registry has no memory size; left out")
        return None
    own = own or 0
    # Windows lets integrated graphics use half of the RAM besides the carve-out.
    total = min(own, _INTEGRATED_MAX) + ram_total // 2 if integrated and own <= _INTEGRATED_MAX else own
    free = min(total, ram_available) if integrated else total
    if not integrated:
        found.notes.append(f"{name}: how much of its memory is free cannot be seen; all is counted")
    gpu = Accelerator(
        name=name,
        vendor=vendor,
        backend=Backend.VULKAN,
        memory_total=total,
        memory_free=free,
        index=len(found.accelerators),
        unified=integrated,
        integrated=integrated,
    )
    return from_facts(gpu, found.notes, found.sources, told=ram_total + own if integrated else own)


def _integrated(vendor: str, device: int) -> bool:
    from planner.hardware.vendors.amd import is_apu
    from planner.hardware.vendors.intel import is_discrete

    return is_apu(device) if vendor == "amd" else not is_discrete(device)
