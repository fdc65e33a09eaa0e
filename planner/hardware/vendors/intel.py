"""Intel GPUs, discrete and integrated, through the xe and i915 drivers' files in /sys."""

from __future__ import annotations

from typing import Final

from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.hardware.backends import usual_backend
from planner.hardware.found import FoundDevices
from planner.hardware.host.system import System
from planner.hardware.machine import Accelerator, Backend
from planner.hardware.profiles.profile import Profile
from planner.hardware.profiles.store import find_by_pci_id
from planner.hardware.vendors.pci import DrmCard, drm_cards, link_bandwidth
from planner.hardware.vendors.profile_facts import from_facts, size_or_none
from planner.hardware.vendors.visible_devices import shown, visible_indices
from planner.units import GIB

# High bytes of the PCI ids of cards with memory of their own (include/drm/intel/pciids.h, Linux 6.18):
# DG1, DG2 (Arc A), Data Center GPU Max, Battlemage (Arc B).
_DISCRETE: Final = {0x49, 0x56, 0x0B, 0xE2}


def is_discrete(device: int) -> bool:
    """True for a card with memory of its own."""
    return device >> 8 in _DISCRETE


def shared_limit(ram: int) -> int:
    """What Mesa's Vulkan driver lets an integrated GPU use: three quarters of the RAM, half up to 4 GiB.

    anv_compute_sys_heap_size in Mesa's src/intel/vulkan (read 2026-11-24).
    """
    return ram * 3 // 4 if ram > 4 * GIB else ram // 2


def detect_intel(system: System, ram_total: int, ram_available: int) -> FoundDevices:
    """All Intel devices. `ram_*`: bytes, what an integrated GPU may share."""
    found = FoundDevices()
    for card in drm_cards(system):
        if card.vendor != 0x8086:
            continue
        gpu = _discrete(system, card, found) if is_discrete(card.device) else None
        if not is_discrete(card.device):
            gpu = _integrated(card, ram_total, ram_available, found)
        if gpu is not None:
            found.accelerators.append(replace(gpu, index=len(found.accelerators)))
    if found.accelerators:
        found.sources["gpus"] = "xe/i915 in /sys/class/drm"
    found.accelerators = _visible(system, found)
    return found


def _profile(ident: str, told: int | None, found: FoundDevices) -> Profile | None:
    try:
        return find_by_pci_id(ident, told)
    except InputError as error:
        found.notes.append(str(error))
        return None


def _discrete(system: System, card: DrmCard, found: FoundDevices) -> Accelerator | None:
    ident = f"8086:{card.device:04x}:{card.revision:02x}"
    total = _vram(system, card)
    profile = _profile(ident, total, found)
    if total is None:
        if profile is None or profile.memory_total is None:
            found.notes.append(
                f"Intel GPU {ident} does not show its memory to this user: left out; say --vram to count it"
            )
            return None
        total = profile.memory_total
        found.notes.append(
            f"Intel GPU {ident} does not show its memory: that of profile {profile.id} is taken"
        )
    elif profile is not None and profile.memory_verified and profile.memory_total is not None:
        # xe writes the chips' size; what compute runtimes report is less by the firmware's part.
        total = min(total, profile.memory_total)
    name = profile.driver_names[0] if profile else f"Intel GPU {ident}"
    free = size_or_none(system.read_int(f"/sys/class/drm/{card.name}/lmem_avail_bytes"))
    if free is None:
        found.notes.append(f"{name}: how much of its memory is free cannot be seen; all is counted")
    gpu = Accelerator(
        name=name,
        vendor="intel",
        backend=usual_backend("intel"),
        memory_total=total,
        memory_free=total if free is None else min(free, total),
        pcie_bandwidth=link_bandwidth(system, card, name, found.notes),
    )
    return from_facts(gpu, found.notes, found.sources, told=total, profile=profile)


def _vram(system: System, card: DrmCard) -> int | None:
    """Bytes of a discrete card: xe writes them per tile, i915 for the card."""
    tiles = [n for n in system.entries(card.folder) if n.startswith("tile") and n[4:].isdigit()]
    sizes = [size_or_none(system.read_int(f"{card.folder}/{t}/physical_vram_size_bytes")) for t in tiles]
    known = [s for s in sizes if s is not None]
    return (
        sum(known) if known else size_or_none(system.read_int(f"/sys/class/drm/{card.name}/lmem_total_bytes"))
    )


def _integrated(card: DrmCard, ram_total: int, ram_available: int, found: FoundDevices) -> Accelerator | None:
    ident = f"8086:{card.device:04x}:{card.revision:02x}"
    if ram_total <= 0:
        found.notes.append(f"integrated Intel GPU {ident}: the RAM that it shares cannot be read; left out")
        return None
    profile = _profile(ident, ram_total, found)
    limit = shared_limit(ram_total)
    gpu = Accelerator(
        name=profile.driver_names[0] if profile else f"Intel integrated GPU {ident}",
        vendor="intel",
        backend=Backend.VULKAN,
        memory_total=limit,
        memory_free=min(limit, ram_available),
        unified=True,
        integrated=True,
    )
    found.sources[f"{gpu.name}: memory"] = "three quarters of the RAM, the rule of Mesa's Vulkan driver"
    if profile is None:
        found.notes.append(f"no profile knows {gpu.name} with this RAM: its speed cannot be estimated")
        return gpu
    return from_facts(gpu, found.notes, found.sources, profile=profile)


def _visible(system: System, found: FoundDevices) -> list[Accelerator]:
    value = system.env.get("ZE_AFFINITY_MASK")
    gpus = found.accelerators
    if value is None or not gpus:
        return gpus
    chosen = [gpus[i] for i in visible_indices(value, [None] * len(gpus))]
    if chosen != gpus:
        found.notes.append(
            f"ZE_AFFINITY_MASK={shown(value)} shows {len(chosen)} of {len(gpus)} Intel devices"
        )
    return chosen
