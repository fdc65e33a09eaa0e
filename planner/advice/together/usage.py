"""What one plan takes of a machine's devices, and what several take together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from planner.fast_dataclass import dataclass
from planner.hardware.machine import Machine
from planner.hardware.remaining import Held
from planner.plan import DeviceMemory, Plan


@dataclass(frozen=True, slots=True)
class SharedDevice:
    """One device with what each model takes of it, contexts and buffers of every process included."""

    name: str
    """The device, as its driver names it."""
    kind: str
    """gpu or cpu."""
    used: tuple[int, ...]
    """Bytes of each model, in the order of the members; 0 for one that lies elsewhere."""
    total: int
    """Bytes at the fullest moment: of all that stay loaded, and the largest of those that take turns."""
    high: int
    """The same with every overhead at the upper end of its interval."""
    available: int
    """Bytes that are free before the first is loaded."""

    @property
    def fits(self) -> bool:
        """True where all have room, even at the upper end."""
        return self.high <= self.available


def most_of(device: DeviceMemory) -> int:
    """Return what a plan takes of a device at the upper end of its interval, bytes."""
    return device.total - device.overhead + max(device.overhead, device.overhead_high)


def places(plan: Plan) -> Iterator[tuple[int | None, DeviceMemory]]:
    """Yield each device of a plan with its place among the machine's accelerators; None for the host's RAM.

    A plan names devices as the driver does: of several with one name, the one that has as much free is meant.
    """
    machine = plan.request.machine
    ram = machine.host.ram_available
    left = dict(enumerate(machine.accelerators))
    for device in plan.memory.devices:
        if device.kind != "gpu":
            yield None, device
            continue
        named = [i for i, gpu in left.items() if gpu.name == device.name]
        exact = [
            i
            for i in named
            if device.available
            in (left[i].memory_free, min(left[i].memory_free, ram) if left[i].unified else -1)
        ]
        at = next(iter(exact or named))
        del left[at]
        yield at, device


def held_by(plan: Plan) -> Held:
    """Return what a plan takes of the machine that it was made for, at the upper end of its interval."""
    gpus, ram = [0] * len(plan.request.machine.accelerators), 0
    for at, device in places(plan):
        if at is None:
            ram += most_of(device)
        else:
            gpus[at] += most_of(device)
    return Held(tuple(gpus), ram)


def devices_of(
    machine: Machine, plans: Sequence[Plan], turns: frozenset[int] = frozenset()
) -> tuple[SharedDevice, ...]:
    """Return the machine's devices with what plans take of them; `turns`: places of those that take turns."""
    found: list[tuple[str, str, int]] = [(g.name, "gpu", g.memory_free) for g in machine.accelerators]
    found.append((machine.host.cpu.name, "cpu", machine.host.ram_available))
    parts = [dict(places(plan)) for plan in plans]
    shared = []
    for at, (name, kind, available) in enumerate(found):
        key = at if kind == "gpu" else None
        here = [part.get(key) for part in parts]
        if not any(here) and kind == "gpu":
            shared.append(SharedDevice(name, kind, (0,) * len(plans), 0, 0, available))
            continue
        used = tuple(0 if d is None else d.total for d in here)
        high = tuple(0 if d is None else most_of(d) for d in here)
        shared.append(SharedDevice(name, kind, used, _fullest(used, turns), _fullest(high, turns), available))
    return tuple(_beside_shared(machine, shared))


def _fullest(sizes: Sequence[int], turns: frozenset[int]) -> int:
    staying = sum(size for i, size in enumerate(sizes) if i not in turns)
    return staying + max((sizes[i] for i in turns), default=0)


def _beside_shared(machine: Machine, devices: Sequence[SharedDevice]) -> Iterable[SharedDevice]:
    """The RAM has less where GPUs share it."""
    *gpus, host = devices
    yield from gpus
    lent = sum(d.total for d, g in zip(gpus, machine.accelerators, strict=True) if g.unified)
    yield SharedDevice(host.name, host.kind, host.used, host.total, host.high, max(0, host.available - lent))
