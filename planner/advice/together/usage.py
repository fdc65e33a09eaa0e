"""What one plan takes of a machine's devices, and what several take together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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
    """Return the machine's devices with what plans take of them; `turns`: places of those that take turns.

    Each device is shown at its own fullest moment: with all that stay, and one of those that take turns.
    """
    parts = [dict(places(plan)) for plan in plans]
    staying = [i for i in range(len(plans)) if i not in turns]
    moments = [[*staying, i] for i in sorted(turns)] or [staying]
    gpus = []
    for at, gpu in enumerate(machine.accelerators):
        here = [part.get(at) for part in parts]
        used, high = _sizes(here, _total), _sizes(here, most_of)
        fullest = max(moments, key=lambda moment: sum(high[i] for i in moment))
        total, most = sum(used[i] for i in fullest), sum(high[i] for i in fullest)
        gpus.append(SharedDevice(gpu.name, "gpu", used, total, most, gpu.memory_free))
    return (*gpus, _host(machine, [part.get(None) for part in parts], gpus, moments))


def _host(
    machine: Machine,
    here: Sequence[DeviceMemory | None],
    gpus: Sequence[SharedDevice],
    moments: Sequence[Sequence[int]],
) -> SharedDevice:
    """The RAM, which has less where GPUs share it: at the moment when both together take the most."""
    used, high = _sizes(here, _total), _sizes(here, most_of)
    shared = [device for device, gpu in zip(gpus, machine.accelerators, strict=True) if gpu.unified]

    def lent(moment: Sequence[int]) -> int:
        return sum(device.used[i] for device in shared for i in moment)

    fullest = max(moments, key=lambda moment: lent(moment) + sum(high[i] for i in moment))
    return SharedDevice(
        machine.host.cpu.name,
        "cpu",
        used,
        sum(used[i] for i in fullest),
        sum(high[i] for i in fullest),
        max(0, machine.host.ram_available - lent(fullest)),
    )


def _sizes(devices: Sequence[DeviceMemory | None], size: Callable[[DeviceMemory], int]) -> tuple[int, ...]:
    return tuple(0 if device is None else size(device) for device in devices)


def _total(device: DeviceMemory) -> int:
    return device.total
