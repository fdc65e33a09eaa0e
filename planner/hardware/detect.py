"""The machine in front of you: host, GPUs of every vendor, and notes on what could not be seen."""

from __future__ import annotations

from dataclasses import replace

from planner.hardware.found import Found
from planner.hardware.host.host import detect_host
from planner.hardware.host.system import System
from planner.hardware.machine import Accelerator, Backend, Host, Machine
from planner.hardware.vendors.nvidia import detect_nvidia


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


def _gpus(system: System, ram_total: int, ram_available: int) -> list[Found]:
    if system.platform == "darwin":
        from planner.hardware.vendors.apple import detect_apple

        return [detect_apple(system, ram_total, ram_available)]
    found = [detect_nvidia(system, ram_total, ram_available)]
    if system.platform == "win32":
        from planner.hardware.vendors.windows import detect_windows_gpus

        return [*found, detect_windows_gpus(system, ram_total, ram_available)]
    if system.exists("/sys/class/drm"):
        from planner.hardware.vendors.amd import detect_amd
        from planner.hardware.vendors.intel import detect_intel

        found += [
            detect_amd(system, ram_total, ram_available),
            detect_intel(system, ram_total, ram_available),
        ]
    elif not system.exists("/sys"):
        found.append(Found(notes=["/sys is missing: AMD and Intel GPUs cannot be seen"]))
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
