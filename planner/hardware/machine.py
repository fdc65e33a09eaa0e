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

    fp16: float | None = None  # with the accumulation that language-model kernels use (fp32 on GeForce)
    fp16_acc16: float | None = None
    bf16: float | None = None
    fp8: float | None = None
    fp4: float | None = None
    int8: float | None = None
    fp32: float | None = None  # vector units


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One GPU (or one MIG slice, or the GPU half of a unified-memory chip)."""

    name: str  # as the driver reports it
    vendor: str  # nvidia | amd | intel | apple | other
    backend: Backend
    memory_total: int  # what the driver reports (NVML total; Metal recommendedMaxWorkingSetSize on Apple)
    memory_free: int  # available to a new process now; equals memory_total less a driver reserve in profiles
    index: int = 0
    profile: str | None = None  # id of the profile whose facts were used, e.g. "rtx-4090"
    architecture: str | None = None  # e.g. "Ada", "Hopper", "RDNA3", "M3"
    compute_capability: tuple[int, int] | None = None  # NVIDIA
    gfx_target: str | None = None  # AMD
    unified: bool = False  # shares the host's RAM (Apple, Strix Halo, GB10, Jetson, integrated GPUs)
    integrated: bool = False
    memory_bandwidth: float | None = None  # bytes/s, peak
    rates: TensorRates = field(default_factory=TensorRates)
    pcie_bandwidth: float | None = None  # bytes/s one way, host to device
    nvlink_bandwidth: float | None = None  # bytes/s, sum of both directions; None without NVLink
    uuid: str | None = None
    mig: bool = False
    tdp_w: float | None = None
    # Part of memory_total that the driver keeps and no program sees: cudaMemGetInfo's total is memory_total
    # less this. From NVML (version 2 of its memory query) or the profile; None where not known.
    memory_reserved: int | None = None
    idle_w: float | None = None  # of the card alone, with nothing loaded

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
    physical_cores: int | None = None
    usable_cores: int | None = None  # after affinity and cgroup quota
    features: frozenset[str] = frozenset()  # avx2, avx512f, amx_int8, neon, i8mm, sve …
    memory_bandwidth: float | None = None  # bytes/s, peak = channels × MT/s × 8 B
    architecture: str | None = None  # x86_64, arm64
    profile: str | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """One computer: RAM that this process may really use, its processors and accelerators."""

    ram_total: int
    ram_available: int  # now, after cgroup limits and other processes
    cpu: Cpu = field(default_factory=Cpu)
    accelerators: tuple[Accelerator, ...] = ()
    name: str = "localhost"
    os: str | None = None  # linux | macos | windows | wsl2
    limits: tuple[
        str, ...
    ] = ()  # what limits the figures above, in plain words ("cgroup v2 memory.max 16 GiB")

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
    name: str = "this machine"
    detected: bool = False
    profile: str | None = None
    notes: tuple[str, ...] = ()  # what could not be seen, and why
    sources: Mapping[str, str] = field(default_factory=dict, hash=False)  # figure -> where it came from
    network_bandwidth: float | None = None  # bytes/s between hosts
    price: float | None = None  # purchase price of the whole, in the profile's currency (US dollars)
    price_date: str | None = None
    price_source: str | None = None
    hourly_price: float | None = None  # cloud instances, US dollars an hour

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
