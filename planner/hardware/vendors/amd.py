"""AMD GPUs and APUs through the amdgpu driver's files in /sys, and the kfd topology for the gfx target."""

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
from planner.units import mib

_KFD: Final = "/sys/class/kfd/kfd/topology/nodes"
_MI300A: Final = 0x74A0


def is_apu(device: int) -> bool:
    """True for graphics inside a processor: AMD numbers those below 0x2000 or from 0x9800; MI300A too."""
    return device < 0x2000 or 0x9800 <= device < 0x9A00 or device == _MI300A


def detect_amd(system: System, ram_total: int, ram_available: int) -> FoundDevices:
    """All AMD devices of the amdgpu driver. `ram_*`: bytes, what an APU may share."""
    found = FoundDevices()
    cards = [c for c in drm_cards(system) if c.vendor == 0x1002]
    if not cards:
        return found
    targets = _gfx_targets(system)
    for card in cards:
        gpu = _card(system, card, targets.get(card.slot), ram_total, ram_available, found)
        if gpu is not None:
            found.accelerators.append(replace(gpu, index=len(found.accelerators)))
    if found.accelerators:
        found.sources["gpus"] = "amdgpu in /sys/class/drm"
        version = system.read("/opt/rocm/.info/version")
        if version:
            found.sources["rocm"] = version
        elif any(g.backend is Backend.ROCM for g in found.accelerators):
            found.notes.append("ROCm is not installed in /opt/rocm: engines can use AMD GPUs through Vulkan")
    found.accelerators = _visible(system, found)
    return found


def _card(
    system: System,
    card: DrmCard,
    target: str | None,
    ram_total: int,
    ram_available: int,
    found: FoundDevices,
) -> Accelerator | None:
    folder = card.folder
    vram = size_or_none(system.read_int(f"{folder}/mem_info_vram_total"))
    ident = f"1002:{card.device:04x}:{card.revision:02x}"
    if vram is None:
        found.notes.append(f"AMD GPU {ident} reports no memory (driver '{card.driver or 'none'}'): left out")
        return None
    used = _used(system, f"{folder}/mem_info_vram_used", vram)
    apu = is_apu(card.device)
    total, free = vram, vram - used
    if apu:
        # An APU uses its carve-out and, through the GTT, RAM of the system, up to the ttm limit.
        gtt = size_or_none(system.read_int(f"{folder}/mem_info_gtt_total")) or 0
        gtt_used = _used(system, f"{folder}/mem_info_gtt_used", gtt)
        total += min(gtt, ram_total) if ram_total else gtt
        free += min(gtt - gtt_used, ram_available)
    elif used > vram // 50:
        display = " A display is attached." if card.display else ""
        found.notes.append(f"AMD GPU {ident}: {mib(used)} are in use by other programs.{display}")
    told = ram_total + vram if apu else vram
    profile = _profile(ident, told, found)
    name = _name(system, card, profile) or f"AMD GPU {ident}"
    usable = target is not None and system.exists("/dev/kfd")
    if target is None and not apu:
        found.notes.append(f"{name} is not known to ROCm (no kfd node): Vulkan only")
    gpu = Accelerator(
        name=name,
        vendor="amd",
        backend=usual_backend("amd", target) if usable else Backend.VULKAN,
        memory_total=total,
        memory_free=max(0, min(free, total)),
        gfx_target=target,
        unified=apu,
        integrated=apu,
        pcie_bandwidth=None if apu else link_bandwidth(system, card, name, found.notes),
        uuid=system.read(f"{folder}/unique_id"),
    )
    return from_facts(gpu, found.notes, found.sources, told=told, profile=profile)


def _used(system: System, name: str, total: int) -> int:
    return min(max(system.read_int(name) or 0, 0), total)


def _profile(ident: str, told: int, found: FoundDevices) -> Profile | None:
    try:
        return find_by_pci_id(ident, told)
    except InputError as error:
        found.notes.append(str(error))
        return None


def _name(system: System, card: DrmCard, profile: Profile | None) -> str | None:
    """The card's name: from the card itself, its profile, or the list that libdrm brings."""
    own = system.read(f"{card.folder}/product_name")
    if own:
        return own
    if profile is not None:
        return profile.driver_names[0]
    wanted = (f"{card.device:04X}", f"{card.revision:02X}")
    for line in (system.read("/usr/share/libdrm/amdgpu.ids") or "").splitlines():
        parts = [p.strip() for p in line.split(",", 2)]
        if len(parts) == 3 and (parts[0].upper(), parts[1].upper()) == wanted:
            return parts[2]
    return None


def _gfx_targets(system: System) -> dict[str, str]:
    """PCI slot -> gfx target of every GPU node of the kfd topology."""
    targets: dict[str, str] = {}
    for node in system.entries(_KFD):
        table: dict[str, int] = {}
        for line in (system.read(f"{_KFD}/{node}/properties") or "").splitlines():
            key, _, value = line.partition(" ")
            if value.strip().isdigit():
                table[key] = int(value)
        version = table.get("gfx_target_version", 0)
        if version == 0:
            continue
        location = table.get("location_id", 0)
        slot = f"{table.get('domain', 0):04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}"
        targets[f"{slot}.{location & 7:x}"] = gfx_name(version)
    return targets


def gfx_name(version: int) -> str:
    """gfx_target_version of the kfd topology as AMD writes it: 110000 is gfx1100, 90010 is gfx90a."""
    major, minor, step = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{step:x}"


def _visible(system: System, found: FoundDevices) -> list[Accelerator]:
    gpus = found.accelerators
    for variable in ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"):
        value = system.env.get(variable)
        if value is None or not gpus:
            continue
        # ROCr names a card by GPU- and its unique id.
        chosen = [
            gpus[i] for i in visible_indices(value, [f"GPU-{g.uuid}" if g.uuid else None for g in gpus])
        ]
        if chosen != gpus:
            found.notes.append(f"{variable}={shown(value)} shows {len(chosen)} of {len(gpus)} AMD devices")
        gpus = chosen
    return gpus
