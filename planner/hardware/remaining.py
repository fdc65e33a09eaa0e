"""What is left of a machine where other models hold a part of it."""

from __future__ import annotations

from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Accelerator, Backend, Machine


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes that are taken of a machine: of each accelerator in its order, and of the first host's RAM."""

    gpus: tuple[int, ...]
    ram: int = 0

    def __add__(self, other: Held) -> Held:
        """Return both together, of the same machine."""
        return Held(tuple(a + b for a, b in zip(self.gpus, other.gpus, strict=True)), self.ram + other.ram)


def nothing_held(machine: Machine) -> Held:
    """Return that nothing is taken."""
    return Held((0,) * len(machine.accelerators))


def remaining(machine: Machine, held: Held) -> Machine:
    """Return the machine with what is left of its memory; what lies on a GPU that shares the RAM is in both."""
    at, hosts = 0, []
    for place, host in enumerate(machine.hosts):
        gpus = host.accelerators
        taken = held.gpus[at : at + len(gpus)]
        at += len(gpus)
        ram = sum(size for gpu, size in zip(gpus, taken, strict=True) if gpu.unified)
        ram += 0 if place else held.ram
        hosts.append(
            replace(
                host,
                accelerators=tuple(
                    _less(gpu, size, machine.detected) for gpu, size in zip(gpus, taken, strict=True)
                ),
                ram_available=max(0, host.ram_available - ram),
            )
        )
    return replace(machine, hosts=tuple(hosts))


def _less(gpu: Accelerator, held: int, detected: bool) -> Accelerator:
    """Return the accelerator with less memory free; what its driver keeps for itself stays what it was."""
    reserved = gpu.memory_reserved
    if reserved is None and gpu.backend is Backend.CUDA and not (detected or gpu.unified):
        reserved = max(0, gpu.memory_total - gpu.memory_free)
    return replace(gpu, memory_free=max(0, gpu.memory_free - held), memory_reserved=reserved)
