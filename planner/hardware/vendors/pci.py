"""Graphics cards as the Linux kernel lists them in /sys/class/drm, and the PCIe links they sit on."""

from __future__ import annotations

import re
from typing import Final

from planner.fast_dataclass import dataclass
from planner.hardware.host.system import System
from planner.hardware.profiles.profile import pcie_bandwidth

_DRM: Final = "/sys/class/drm"
_CARD: Final = re.compile(r"^card\d+$")
# Transfers a second of each PCIe generation, as `current_link_speed` writes them.
_GENERATION: Final = {
    "2.5": 1,
    "5.0": 2,
    "5": 2,
    "8.0": 3,
    "8": 3,
    "16.0": 4,
    "16": 4,
    "32.0": 5,
    "32": 5,
    "64.0": 6,
}


@dataclass(frozen=True, slots=True)
class DrmCard:
    """One card of /sys/class/drm."""

    name: str  # card0
    folder: str  # /sys/class/drm/card0/device
    vendor: int
    device: int
    revision: int
    driver: str | None
    slot: str  # 0000:03:00.0
    display: bool  # a screen is connected


def drm_cards(system: System) -> list[DrmCard]:
    """All cards in the order of their PCI slots, as the compute runtimes count them."""
    cards: list[DrmCard] = []
    names = system.entries(_DRM)
    for name in names:
        if not _CARD.match(name):
            continue
        folder = f"{_DRM}/{name}/device"
        vendor, device = system.read_int(f"{folder}/vendor"), system.read_int(f"{folder}/device")
        if vendor is None or device is None:
            continue
        uevent = dict(
            line.partition("=")[::2] for line in (system.read(f"{folder}/uevent") or "").splitlines()
        )
        display = any(
            system.read(f"{_DRM}/{n}/status") == "connected" for n in names if n.startswith(f"{name}-")
        )
        revision = system.read_int(f"{folder}/revision") or 0
        slot = uevent.get("PCI_SLOT_NAME", "")
        cards.append(DrmCard(name, folder, vendor, device, revision, uevent.get("DRIVER"), slot, display))
    return sorted(cards, key=lambda c: (c.slot, int(c.name[4:])))


def link_bandwidth(system: System, card: DrmCard, name: str, notes: list[str]) -> float | None:
    """Bytes/s one way of the card's PCIe link: the highest speed of the slot, the width of now."""
    speed = (system.read(f"{card.folder}/max_link_speed") or "").split(" ")[0]
    width = system.read_int(f"{card.folder}/current_link_width")
    widest = system.read_int(f"{card.folder}/max_link_width")
    generation = _GENERATION.get(speed)
    if generation is None or width is None or not 1 <= width <= 32:
        return None
    if widest is not None and width < widest <= 32:
        notes.append(f"{name} is connected by {width} of its {widest} PCIe lanes")
    return pcie_bandwidth(generation, width)
