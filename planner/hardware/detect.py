"""The machine in front of you: host, GPUs of every vendor, and notes on what could not be seen."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final, NamedTuple

from planner.fast_dataclass import replace
from planner.hardware.found import FoundDevices
from planner.hardware.host.host import detect_host
from planner.hardware.host.system import System
from planner.hardware.machine import Accelerator, Backend, Host, Machine
from planner.safe_text import one_line

Detector = Callable[[System, int, int], FoundDevices]  # of a system, its RAM and what of that is available


class Vendor(NamedTuple):
    """Where the GPUs of one vendor are looked for."""

    detector: str  # "module:function" of a Detector, imported where it is asked
    platforms: tuple[str, ...]  # of sys.platform; "linux" stands for all others too
    seen_in: str = "/"  # a folder without which nothing of the vendor can be seen


_DRM: Final = "/sys/class/drm"
VENDORS: Final[dict[str, Vendor]] = {
    "apple": Vendor("planner.hardware.vendors.apple:detect_apple", ("darwin",)),
    "nvidia": Vendor("planner.hardware.vendors.nvidia:detect_nvidia", ("linux", "win32")),
    "amd": Vendor("planner.hardware.vendors.amd:detect_amd", ("linux",), _DRM),
    "intel": Vendor("planner.hardware.vendors.intel:detect_intel", ("linux",), _DRM),
    "amd, intel": Vendor("planner.hardware.vendors.windows:detect_windows_gpus", ("win32",)),
}


def detect(system: System | None = None) -> Machine:
    """Return the detected machine. Never raises for what is missing, broken or forbidden: the notes say it.

    `system` is where to look: this computer unless given.
    """
    system = system or System()
    host = detect_host(system)
    found = _gpus(system, host.ram_total, host.ram_available)
    notes = [*host.notes]
    sources = dict(host.sources)
    gpus: list[Accelerator] = []
    for part in found:
        gpus += part.accelerators
        notes += part.notes
        sources |= part.sources
    gpus = _one_kind(gpus, notes)
    accelerators = tuple(replace(g, index=i) for i, g in enumerate(gpus))
    if not accelerators:
        notes.append("no GPU was found: models run on the processor")
    machine_host = Host(
        ram_total=host.ram_total,
        ram_available=host.ram_available,
        cpu=host.cpu,
        accelerators=accelerators,
        os=host.os,
        limits=host.limits,
    )
    return Machine(
        hosts=(machine_host,),
        detected=True,
        notes=tuple(dict.fromkeys(notes)),
        sources=sources,
    )


def _gpus(system: System, ram_total: int, ram_available: int) -> list[FoundDevices]:
    platform = system.platform if system.platform in ("darwin", "win32") else "linux"
    found: list[FoundDevices] = []
    for name, vendor in VENDORS.items():
        if platform in vendor.platforms and system.exists(vendor.seen_in):
            module, _, function = vendor.detector.partition(":")
            detector: Detector = getattr(import_module(module), function)
            try:
                found.append(detector(system, ram_total, ram_available))
            except (
                Exception
            ) as error:  # whatever a driver answers or raises: one vendor less, never no answer
                said = one_line(f"{type(error).__name__}: {error}", 120)
                found.append(FoundDevices(notes=[f"{name} GPUs cannot be seen: their driver fails ({said})"]))
    if platform == "linux" and not system.exists("/sys"):
        found.append(FoundDevices(notes=["/sys is missing: AMD and Intel GPUs cannot be seen"]))
    return found


def _one_kind(gpus: list[Accelerator], notes: list[str]) -> list[Accelerator]:
    """Leave integrated GPUs out beside a discrete one, as llama.cpp does (src/llama.cpp, b11434).

    GPUs of several vendors stay: llama.cpp can be built for several, but one process usually drives one.
    """
    discrete = [g for g in gpus if not g.integrated]
    kept = discrete or gpus
    for gpu in gpus:
        if gpu not in kept:
            notes.append(f"the integrated GPU {gpu.name} is left out beside the discrete one")
    backends = {g.backend for g in kept}
    if len(backends) > 1 and backends != {Backend.ROCM, Backend.VULKAN}:
        notes.append("GPUs of different vendors: one engine process drives them together only through Vulkan")
    return kept
