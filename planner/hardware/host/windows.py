"""The host part of a Windows computer: RAM through psutil, the processor through the registry."""

from __future__ import annotations

from planner.hardware.found import HostFacts
from planner.hardware.host.system import System
from planner.hardware.machine import Cpu
from planner.hardware.profiles.store import find_cpu_family


def detect_windows_host(system: System) -> HostFacts:
    """RAM and processor of a Windows computer."""
    notes: list[str] = []
    total = available = 0
    cores: int | None = None
    if system.real:
        try:
            import psutil

            memory = psutil.virtual_memory()
            total, available = int(memory.total), int(memory.available)
            cores = psutil.cpu_count(logical=False)
        except Exception as error:  # psutil raises what the platform raises
            notes.append(f"the RAM cannot be read: {type(error).__name__}")
    else:
        total, available = system.read_int("ram_total") or 0, system.read_int("ram_available") or 0
    brand, features = system.windows_cpu()
    name = brand or system.env.get("PROCESSOR_IDENTIFIER", "CPU")
    family = find_cpu_family(name)
    cpu = Cpu(
        name=name,
        physical_cores=cores,
        usable_cores=cores,
        features=features,
        memory_bandwidth=family.bandwidth if family else None,
        architecture={"AMD64": "x86_64", "ARM64": "arm64"}.get(system.env.get("PROCESSOR_ARCHITECTURE", "")),
    )
    if family is None:
        notes.append("the memory's speed cannot be seen")
    sources = {"ram": "psutil", "cpu": "registry ProcessorNameString" if brand else "environment"}
    return HostFacts(total, available, cpu, "windows", (), tuple(notes), sources)
