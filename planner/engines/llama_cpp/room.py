"""One host as llama.cpp sees it: its devices, what is free there, and what a placement leaves of it."""

from __future__ import annotations

from planner.engines.llama_cpp.allocation import Devices, LlamaMemory
from planner.engines.llama_cpp.backends import BACKENDS
from planner.engines.llama_cpp.projector import NONE, Projector
from planner.engines.llama_cpp.unaccounted import HOST as HOST_OVERHEAD
from planner.engines.llama_cpp.unaccounted import Overhead, unaccounted
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Accelerator, Backend, Host
from planner.plan import DeviceMemory, MemoryEstimate


@dataclass(frozen=True, slots=True)
class Room:
    """One host as llama.cpp sees it: devices, what is free, what stays unaccounted."""

    host: Host
    gpus: tuple[Accelerator, ...]
    overheads: tuple[Overhead, ...]
    devices: Devices
    excess: float = 0.0  # share of the weights by which the file may be larger than counted

    @property
    def unified(self) -> bool:
        """True where the GPU's memory is the host's."""
        return bool(self.gpus) and all(g.unified for g in self.gpus)

    @property
    def beside(self) -> int:
        """Bytes of RAM that the CPU alone may fill; with one memory, only where the GPU may take less of it."""
        if not self.unified:
            return self.host.ram_available
        return self.host.ram_available if self.host.beyond_gpus else 0


def room_of(host: Host, *, experts: bool, excess: float = 0.0) -> Room:
    """Return what a host offers; integrated GPUs only where there is no other (src/llama.cpp).

    `excess`: share of the weights by which the file may be larger than counted.
    """
    gpus = tuple(a for a in host.accelerators if a.backend in BACKENDS)
    discrete = tuple(a for a in gpus if not a.integrated)
    gpus = discrete or gpus
    backend = gpus[0].backend if gpus else Backend.CPU
    gpus = tuple(g for g in gpus if g.backend is backend)
    free = tuple(_free(g, host) for g in gpus)
    return Room(
        host=host,
        gpus=gpus,
        overheads=tuple(unaccounted(g, experts=experts) for g in gpus),
        devices=Devices(free, backend, host.cpu),
        excess=excess,
    )


def _free(gpu: Accelerator, host: Host) -> int:
    return min(gpu.memory_free, host.ram_available) if gpu.unified else gpu.memory_free


def device_spare(device: DeviceMemory) -> int:
    """Bytes left on one device with the overhead at its upper end."""
    worst = device.total - device.overhead + max(device.overhead, device.overhead_high)
    return device.available - worst


def spare_of(estimate: MemoryEstimate) -> int:
    """Bytes left on the tightest device with the overhead at its upper end; negative where it doesn't fit."""
    return min(device_spare(d) for d in estimate.devices)


def estimate_of(memory: LlamaMemory, room: Room, projector: Projector = NONE) -> MemoryEstimate:
    """Build the estimate: devices in the engine's order, the host last.

    `projector`: a vision or audio projector, held by the first device (tools/mtmd/clip.cpp).
    """
    devices: list[DeviceMemory] = []
    shared = 0
    used = len(memory.weights.devices)
    for i, gpu in enumerate(room.gpus):
        if i >= used:
            devices.append(DeviceMemory(gpu.name, "gpu", available=room.devices.free[i]))
            continue
        overhead = room.overheads[i]
        weights, kv_cache, state, compute = memory.device(i)
        idle = weights + kv_cache + state + compute == 0
        device = DeviceMemory(
            name=gpu.name,
            kind="gpu",
            weights=weights + (0 if i else projector.weights),
            kv_cache=kv_cache,
            state=state,
            compute=compute + (0 if i else projector.device),
            overhead=overhead.low if idle else overhead.expected,
            overhead_high=(overhead.expected if idle else overhead.high + int(weights * room.excess))
            + (0 if i else projector.scratch),
            available=room.devices.free[i],
        )
        devices.append(device)
        if gpu.unified:
            shared += device.total
    weights, kv_cache, state, compute = memory.host()
    devices.append(
        DeviceMemory(
            name=room.host.cpu.name,
            kind="cpu",
            weights=weights + (0 if used else projector.weights),
            kv_cache=kv_cache,
            state=state,
            compute=compute + projector.host,
            overhead=HOST_OVERHEAD.expected,
            overhead_high=HOST_OVERHEAD.high + int(weights * room.excess),
            available=max(room.host.ram_available - shared, 0),
        )
    )
    return MemoryEstimate(tuple(devices))
