"""Machine: hosts' memory and processors, accelerators, and the links between them.

Detected (planner.hardware.detect) or described (planner.hardware.profiles.load); everything else only reads it.
All sizes are integer bytes; rates are bytes a second or operations a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from planner.fast_dataclass import dataclass


class Backend(StrEnum):
    """The compute interface through which an engine drives a device."""

    CUDA = "cuda"
    ROCM = "rocm"
    METAL = "metal"
    VULKAN = "vulkan"
    SYCL = "sycl"
    CPU = "cpu"
    OTHER = "other"  # a device that none of the engines drives (TPU, Gaudi)


@dataclass(frozen=True, slots=True)
class TensorRates:
    """Peak dense matrix rates in operations a second (a multiply-add is two); None where not known."""

    fp16: float | None = None
    """With the accumulation that language-model kernels use (fp32 on GeForce)."""
    fp16_acc16: float | None = None
    """With accumulation in fp16."""
    bf16: float | None = None
    """In bfloat16."""
    fp8: float | None = None
    """In 8-bit floating point."""
    fp4: float | None = None
    """In 4-bit floating point."""
    int8: float | None = None
    """In 8-bit integers."""
    fp32: float | None = None
    """Of the vector units."""

    def scaled(self, share: float) -> TensorRates:
        """Return the rates of a part of the device."""
        part = {name: getattr(self, name) for name in self.__slots__}
        return TensorRates(**{name: None if rate is None else rate * share for name, rate in part.items()})


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One GPU (or one MIG slice, or the GPU half of a unified-memory chip)."""

    name: str
    """As the driver reports it."""
    vendor: str
    """nvidia, amd, intel, apple or other."""
    backend: Backend
    """The interface through which an engine drives it."""
    memory_total: int
    """Bytes that the driver reports (NVML's total; Metal's recommendedMaxWorkingSetSize on Apple)."""
    memory_free: int
    """Bytes available to a new process now; in profiles the total less a driver's reserve."""
    index: int = 0
    """Its number on the host."""
    profile: str | None = None
    """The profile whose facts were used, for example rtx-4090."""
    architecture: str | None = None
    """Ada, Hopper, RDNA3, M3 …"""
    compute_capability: tuple[int, int] | None = None
    """NVIDIA's, as (major, minor)."""
    gfx_target: str | None = None
    """AMD's, for example gfx1100."""
    unified: bool = False
    """True where it shares the host's RAM (Apple, Strix Halo, GB10, Jetson, integrated GPUs)."""
    integrated: bool = False
    """True for a GPU that is part of the processor."""
    memory_bandwidth: float | None = None
    """Peak, bytes a second."""
    rates: TensorRates = field(default_factory=TensorRates)
    """Peak rates of dense matrix products."""
    pcie_bandwidth: float | None = None
    """Host to device, bytes a second one way."""
    nvlink_bandwidth: float | None = None
    """Both directions together, bytes a second; None without NVLink."""
    uuid: str | None = None
    """The serial number that the driver gives it."""
    mig: bool = False
    """True for a slice of a GPU."""
    tdp_w: float | None = None
    """Rated power, watts."""
    memory_reserved: int | None = None
    """Part of memory_total that the driver keeps and no program sees, bytes: cudaMemGetInfo's total is memory_total
    less this. From NVML (version 2 of its memory query) or the profile; None where not known.
    """
    idle_w: float | None = None
    """Watts of the card alone, with nothing loaded."""

    @property
    def sm(self) -> int | None:
        """Compute capability as vLLM writes it: 90 for 9.0; None when not an NVIDIA GPU."""
        return (
            None
            if self.compute_capability is None
            else self.compute_capability[0] * 10 + self.compute_capability[1]
        )


@dataclass(frozen=True, slots=True)
class Cpu:
    """The processors of one host."""

    name: str = "CPU"
    """As the system reports it."""
    physical_cores: int | None = None
    """Cores, without their second threads."""
    usable_cores: int | None = None
    """After affinity and cgroup quota."""
    features: frozenset[str] = frozenset()
    """Instructions that engines look for: avx2, avx512f, amx_int8, neon, i8mm, sve …"""
    memory_bandwidth: float | None = None
    """Peak, bytes a second: channels × MT/s × 8 bytes."""
    architecture: str | None = None
    """x86_64 or arm64."""
    profile: str | None = None
    """The profile whose facts were used."""


@dataclass(frozen=True, slots=True)
class Host:
    """One computer: RAM that this process may really use, its processors and accelerators."""

    ram_total: int
    """Bytes of RAM."""
    ram_available: int
    """Bytes now, after cgroup limits and other processes."""
    cpu: Cpu = field(default_factory=Cpu)
    """Its processors."""
    accelerators: tuple[Accelerator, ...] = ()
    """Its GPUs."""
    name: str = "localhost"
    """Its name in a cluster."""
    os: str | None = None
    """linux, macos, windows or wsl2."""
    limits: tuple[str, ...] = ()
    """What limits the figures above, in plain words ("cgroup v2 memory.max 16 GiB")."""

    @property
    def beyond_gpus(self) -> bool:
        """True where GPUs that share the RAM may take so much less of it that the CPU alone runs larger models.

        That is half of it, the default of drivers for integrated GPUs. Who has raised that limit, or could raise
        Apple's (iogpu.wired_limit_mb), doesn't leave the GPU idle for the rest.
        """
        shared = [a for a in self.accelerators if a.unified and a.backend is not Backend.METAL]
        return bool(shared) and self.ram_available > 1.5 * max(a.memory_free for a in shared)


@dataclass(frozen=True, slots=True)
class Machine:
    """What a plan is made for: one host, or several joined by a network."""

    hosts: tuple[Host, ...]
    """One, or several joined by a network."""
    name: str = "this machine"
    """As people would call it."""
    detected: bool = False
    """True for what was seen here, False for what was described."""
    profile: str | None = None
    """What --profile named; None where it was detected."""
    notes: tuple[str, ...] = ()
    """What could not be seen, and why; what was assumed."""
    sources: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Figure -> where it came from."""
    engines: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Engine -> the version that is installed there, of those whose rules are known by version and that was asked."""
    network_bandwidth: float | None = None
    """Between hosts, bytes a second."""
    price: float | None = None
    """Of the whole, in the profile's currency (US dollars)."""
    price_date: str | None = None
    """When that price was seen."""
    price_source: str | None = None
    """What kind of price it is, or where it was seen."""
    hourly_price: float | None = None
    """Rent of a cloud instance, US dollars an hour."""

    @property
    def host(self) -> Host:
        """The first host: all there is except in a cluster."""
        return self.hosts[0]

    @property
    def accelerators(self) -> tuple[Accelerator, ...]:
        """Every accelerator, in host order."""
        return tuple(a for h in self.hosts for a in h.accelerators)

    @property
    def unified(self) -> bool:
        """True when every accelerator shares the RAM of its host."""
        return bool(self.accelerators) and all(a.unified for a in self.accelerators)
