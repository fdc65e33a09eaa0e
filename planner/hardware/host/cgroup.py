"""Limits that control groups put on this process: memory and processor time, version 1 and 2, nested."""

from __future__ import annotations

import math
from typing import Final

from planner.fast_dataclass import dataclass
from planner.hardware.host.system import System
from planner.units import gib

# Version 1 writes a huge page-rounded number for "no limit".
_UNLIMITED: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class Limits:
    """The tightest limits over the process's group and all groups above it."""

    memory: int | None = None  # bytes
    memory_used: int = 0  # bytes in that group that cannot be reclaimed
    cpus: float | None = None
    reasons: tuple[str, ...] = ()


def read_limits(system: System) -> Limits:
    """Read /proc/self/cgroup and the mounted groups. No group, or none readable, is no limit."""
    mounts = _mounts(system)
    memory: tuple[int, int, str] | None = None
    cpus: tuple[float, str] | None = None
    for line in (system.read("/proc/self/cgroup") or "").splitlines():
        parts = line.split(":", 2)
        if len(parts) != 3:
            continue
        controllers = set(parts[1].split(",")) if parts[1] else {"cgroup2"}
        for folder in _ancestors(mounts, controllers, parts[2]):
            for found in _memory_limits(system, folder, controllers):
                if memory is None or found[0] < memory[0]:
                    memory = found
            quota = _cpu_quota(system, folder, controllers)
            if quota is not None and (cpus is None or quota[0] < cpus[0]):
                cpus = quota
    reasons: list[str] = []
    if memory is not None:
        reasons.append(f"{memory[2]} {gib(memory[0])}")
    if cpus is not None:
        reasons.append(f"{cpus[1]} {cpus[0]:g} CPUs")
    return Limits(
        None if memory is None else memory[0],
        0 if memory is None else memory[1],
        None if cpus is None else cpus[0],
        tuple(reasons),
    )


def _mounts(system: System) -> list[tuple[str, str, set[str]]]:
    """(mount point, root inside the hierarchy, controllers) of every mounted cgroup file system."""
    found: list[tuple[str, str, set[str]]] = []
    for line in (system.read("/proc/self/mountinfo") or "").splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(), right.split()
        if len(fields) < 5 or len(tail) < 3:
            continue
        if tail[0] == "cgroup2":
            found.append((fields[4], fields[3], {"cgroup2"}))
        elif tail[0] == "cgroup":
            found.append((fields[4], fields[3], set(tail[2].split(","))))
    return found or [("/sys/fs/cgroup", "/", {"cgroup2"}), ("/sys/fs/cgroup/memory", "/", {"memory"})]


def _ancestors(mounts: list[tuple[str, str, set[str]]], controllers: set[str], group: str) -> list[str]:
    """The group's folder and every folder above it, up to the mount point."""
    for point, root, mounted in mounts:
        if not controllers & mounted:
            continue
        inside = group
        if root != "/":
            # In a container the mount shows only a subtree, whose root is the container's own group.
            inside = group[len(root) :] if group.startswith(root) else "/"
        names = [n for n in inside.split("/") if n and n != ".."]
        return ["/".join([point, *names[:depth]]) for depth in range(len(names), -1, -1)]
    return []


def _memory_limits(system: System, folder: str, controllers: set[str]) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    if "cgroup2" in controllers:
        for name in ("memory.max", "memory.high"):
            limit = system.read_int(f"{folder}/{name}")
            if limit is not None and 0 < limit < _UNLIMITED:
                used = system.read_int(f"{folder}/memory.current") or 0
                cache = _stat(system, f"{folder}/memory.stat", "inactive_file")
                found.append((limit, max(used - cache, 0), f"cgroup v2 {name}"))
    elif "memory" in controllers:
        limit = system.read_int(f"{folder}/memory.limit_in_bytes")
        if limit is not None and 0 < limit < _UNLIMITED:
            used = system.read_int(f"{folder}/memory.usage_in_bytes") or 0
            cache = _stat(system, f"{folder}/memory.stat", "total_inactive_file")
            found.append((limit, max(used - cache, 0), "cgroup v1 memory.limit_in_bytes"))
    return found


def _stat(system: System, name: str, key: str) -> int:
    for line in (system.read(name) or "").splitlines():
        parts = line.split()
        if len(parts) == 2 and parts[0] == key and parts[1].isdigit():
            return int(parts[1])
    return 0


def _cpu_quota(system: System, folder: str, controllers: set[str]) -> tuple[float, str] | None:
    if "cgroup2" in controllers:
        parts = (system.read(f"{folder}/cpu.max") or "").split()
        if len(parts) == 2 and parts[0].isdigit() and parts[1].isdigit() and int(parts[1]) > 0:
            return int(parts[0]) / int(parts[1]), "cgroup v2 cpu.max"
    elif "cpu" in controllers:
        quota = system.read_int(f"{folder}/cpu.cfs_quota_us")
        period = system.read_int(f"{folder}/cpu.cfs_period_us")
        if quota is not None and period is not None and quota > 0 and period > 0:
            return quota / period, "cgroup v1 cpu.cfs_quota_us"
    return None


def whole_cpus(cpus: float) -> int:
    """Threads that a quota feeds: rounded up, one at least."""
    return max(1, math.ceil(cpus))
