"""The host: RAM that this process may really use, its processors, its operating system."""

from __future__ import annotations

from typing import Final

from planner.errors import InputError
from planner.hardware.found import HostFacts
from planner.hardware.host.cgroup import Limits, read_limits, whole_cpus
from planner.hardware.host.system import System
from planner.hardware.machine import Cpu
from planner.hardware.profiles.store import find_by_cpu_name, find_by_device_tree, find_cpu_family

_X86_FEATURES: Final = frozenset(
    {"sse4_2", "avx", "avx2", "fma", "f16c", "bmi2", "avx_vnni", "avx512f", "avx512bw", "avx512vl"}
    | {"avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "amx_fp16"}
)
_ARM_FEATURES: Final = {
    "asimd": "neon",
    "neon": "neon",
    "asimddp": "dotprod",
    "fphp": "fp16",
    "i8mm": "i8mm",
    "bf16": "bf16",
    "sve": "sve",
    "sve2": "sve2",
    "sme": "sme",
}
# A desktop or laptop whose memory modules cannot be seen without administrator rights.
_ASSUMED_BANDWIDTH: Final = 51.2e9
_ASSUMED_TEXT: Final = "two channels of DDR4-3200, 51.2 GB/s"


def detect_host(system: System) -> HostFacts:
    """Read RAM, processor and limits. What cannot be read is assumed small and said in the notes."""
    if system.platform == "darwin":
        from planner.hardware.host.macos import detect_mac_host

        return detect_mac_host(system)
    if system.platform == "win32":
        from planner.hardware.host.windows import detect_windows_host

        return detect_windows_host(system)
    return _linux(system)


def _linux(system: System) -> HostFacts:
    notes: list[str] = []
    sources: dict[str, str] = {}
    total, available = _meminfo(system, notes, sources)
    limits = read_limits(system)
    reasons = list(limits.reasons)
    if limits.memory is not None and limits.memory < total:
        total = limits.memory
        available = min(available, max(limits.memory - limits.memory_used, 0))
        sources["ram"] = limits.reasons[0]
    elif limits.memory is not None:
        reasons = [r for r in reasons if "memory" not in r]
    cpu = _linux_cpu(system, limits, total, reasons, notes, sources)
    version = (system.read("/proc/version") or "").lower()
    name = "wsl2" if "microsoft" in version else "linux"
    if name == "wsl2":
        notes.append(
            "WSL2 gives Linux only a part of the computer's RAM (half unless .wslconfig says otherwise)"
        )
    return HostFacts(total, available, cpu, name, tuple(reasons), tuple(notes), sources)


def _meminfo(system: System, notes: list[str], sources: dict[str, str]) -> tuple[int, int]:
    table: dict[str, int] = {}
    for line in (system.read("/proc/meminfo") or "").splitlines():
        key, _, value = line.partition(":")
        number = value.split()[:1]
        if number and number[0].isdigit():
            table[key] = int(number[0]) * 1024
    total = table.get("MemTotal")
    if total:
        sources["ram"] = "/proc/meminfo MemTotal"
        free = table.get("MemFree", 0) + table.get("Buffers", 0) + table.get("Cached", 0)
        available = table.get("MemAvailable", free)
        sources["ram available"] = "/proc/meminfo MemAvailable"
        return total, min(available, total)
    if system.real:
        try:
            import psutil

            memory = psutil.virtual_memory()
        except Exception as error:  # psutil raises what the platform raises
            notes.append(f"the RAM cannot be read: {type(error).__name__}")
        else:
            sources["ram"] = sources["ram available"] = "psutil"
            return int(memory.total), int(memory.available)
    notes.append("the RAM cannot be read (/proc/meminfo is missing or damaged); 0 bytes are counted")
    return 0, 0


def _linux_cpu(
    system: System,
    limits: Limits,
    ram: int,
    reasons: list[str],
    notes: list[str],
    sources: dict[str, str],
) -> Cpu:
    text = system.read("/proc/cpuinfo") or ""
    if not text:
        notes.append("the processor cannot be read (/proc/cpuinfo is missing)")
    fields = [(k.strip(), v.strip()) for k, _, v in (line.partition(":") for line in text.splitlines())]
    first = dict(reversed(fields))
    cores = set(_core_ids(fields))
    threads = sum(1 for k, _ in fields if k == "processor")
    physical = len(cores) or threads or None
    arm = "CPU implementer" in first or "CPU architecture" in first
    name = first.get("model name") or first.get("Hardware") or _board(system) or "CPU"
    raw = set((first.get("flags") or first.get("Features") or "").split())
    if arm:
        features = frozenset(_ARM_FEATURES[f] for f in raw if f in _ARM_FEATURES)
        if "model name" not in first and first.get("CPU part") == "0xd4f":
            name = "Arm Neoverse-V2"
    else:
        features = frozenset(raw & _X86_FEATURES)
    usable = system.affinity()
    if usable is not None and threads and usable < threads:
        reasons.append(f"CPU affinity {usable} of {threads} threads")
    usable = usable or threads or None
    if limits.cpus is not None and usable is not None and limits.cpus < usable:
        usable = whole_cpus(limits.cpus)
    if usable is not None and physical is not None:
        usable = min(usable, physical)
    sockets = len({v for k, v in fields if k == "physical id"}) or 1
    bandwidth, profile = _bandwidth(name, sockets, ram, "hypervisor" in raw, notes, sources)
    sources["cpu"] = "/proc/cpuinfo"
    architecture = "arm64" if arm else "x86_64" if raw else None
    return Cpu(name, physical, usable, features, bandwidth, architecture, profile)


def _core_ids(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    package = "0"
    for key, value in fields:
        if key == "physical id":
            package = value
        elif key == "core id":
            found.append((package, value))
    return found


def _board(system: System) -> str | None:
    return system.read("/proc/device-tree/model") or system.read("/sys/firmware/devicetree/base/model")


def _bandwidth(
    name: str, sockets: int, ram: int, virtual: bool, notes: list[str], sources: dict[str, str]
) -> tuple[float | None, str | None]:
    """Peak memory bandwidth from the processor's family; a desktop's is assumed and said."""
    try:
        profile = find_by_cpu_name(name, ram or None) or find_by_device_tree(name, ram or None)
    except InputError:  # sold with several amounts of RAM, and this machine's is not known
        profile = None
    profile = profile or find_cpu_family(name)
    if profile is not None and profile.bandwidth is not None:
        sources["memory bandwidth"] = f"profile {profile.id}, all memory channels filled"
        if virtual:
            notes.append("this is a virtual machine: it shares the memory bandwidth with others")
        return profile.bandwidth * (sockets if profile.kind == "cpu" else 1), profile.id
    notes.append(f"the memory's speed cannot be seen: {_ASSUMED_TEXT}, is assumed")
    sources["memory bandwidth"] = f"assumed: {_ASSUMED_TEXT}"
    return _ASSUMED_BANDWIDTH, None
