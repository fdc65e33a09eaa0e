"""From profiles to a Machine: what a described device is built into, and what is assumed about the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.backends import usual_backend
from planner.hardware.machine import Accelerator, Backend, Cpu, Host, Machine, TensorRates
from planner.hardware.profiles.profile import Bin, Profile
from planner.hardware.profiles.slices import SLICE
from planner.units import GIB, MIB, gib, size_text

if TYPE_CHECKING:
    from planner.hardware.profiles.spec import MemoryPart

# NVML's total includes memory that the driver and its firmware keep; cudaMemGetInfo does not show it to
# programs. A line through 12 to 180 GiB cards in PyTorch logs of current drivers (cudaMemGetInfo total beside
# the NVML total, read 2026-11-24): 430 MiB + 0.17 %, residual -60 to +120 MiB; A100 holds 250 MiB more.
# Profiles with a figure of their own (reserve_mib) use that. Drivers before R550 hold about 150 MiB less.
_RESERVE_BASE: Final = 430 * MIB
_RESERVE_SHARE: Final = 0.0017
# amdgpu counts an idle Radeon's use at 17 to 27 MiB; llama.cpp found 24524 MiB free on a 24560 MiB card.
_AMD_RESERVE: Final = 36 * MIB


@dataclass(frozen=True, slots=True)
class HostDefault:
    """The computer that a lone GPU is taken to sit in, said in the machine's notes."""

    ram: int
    bandwidth: float
    cores: int
    text: str


DESKTOP: Final = HostDefault(64 * GIB, 89.6e9, 8, "64 GiB of dual-channel DDR5-5600 and 8 cores")
LAPTOP: Final = HostDefault(32 * GIB, 89.6e9, 8, "32 GiB of dual-channel DDR5-5600 and 8 cores")
_SERVER_RAM_PER_GPU: Final = 256 * GIB
_SERVER_BANDWIDTH: Final = 307.2e9  # eight channels of DDR5-4800, a socket
_SERVER_CORES: Final = 48
_SERVER_FEATURES: Final = frozenset({"avx2", "fma", "f16c", "avx512f", "avx512_vnni", "amx_int8", "amx_bf16"})
_DESKTOP_FEATURES: Final = frozenset({"avx2", "fma", "f16c"})
_CLOUD_RAM_PER_GPU: Final = 128 * GIB


def system_reserve(ram: int) -> int:
    """RAM that the operating system and its services hold: a sixteenth, 2 GiB at least and 8 GiB at most.

    An assumption about machines that are only described; a detected machine reports what is free.
    """
    return min(max(2 * GIB, ram // 16), 8 * GIB, ram // 4)


def driver_reserve(total: int) -> int:
    """Bytes that an idle NVIDIA driver holds back of the total, for cards without a figure of their own."""
    return min(total, (_RESERVE_BASE + int(total * _RESERVE_SHARE)) // MIB * MIB)


def accelerator(profile: Profile, index: int, smaller: Bin | None = None, share: float = 1.0) -> Accelerator:
    """One device of a profile, idle. Unified chips need their RAM: see soc_host."""
    total = int((profile.memory_total or 0) * share)
    reserve = profile.memory_reserve
    if reserve is None:
        reserve = {"nvidia": driver_reserve(total), "amd": min(_AMD_RESERVE, total)}.get(profile.vendor, 0)
    return Accelerator(
        name=profile.driver_names[0] if profile.driver_names else profile.name,
        vendor=profile.vendor,
        backend=Backend.OTHER if profile.undriven else usual_backend(profile.vendor, profile.gfx_target),
        memory_total=total,
        memory_free=total - int(reserve * share),
        memory_reserved=int(reserve * share) if profile.vendor == "nvidia" else None,
        index=index,
        mig=profile.mig,
        profile=profile.id,
        architecture=profile.architecture,
        compute_capability=profile.compute_capability,
        gfx_target=profile.gfx_target,
        unified=profile.unified,
        integrated=profile.integrated,
        memory_bandwidth=smaller.bandwidth if smaller else profile.bandwidth,
        rates=smaller.rates if smaller else profile.rates,
        pcie_bandwidth=profile.pcie_bandwidth,
        nvlink_bandwidth=profile.nvlink_bandwidth,
        tdp_w=profile.tdp_w,
        idle_w=profile.idle_w,
    )


def unknown_gpu(vram: int) -> Accelerator:
    """A GPU of which only the memory is known; the engines' CUDA rules apply, no speed is known."""
    return Accelerator(
        name=f"GPU with {gib(vram, 0 if vram % GIB == 0 else 1)}",
        vendor="other",
        backend=Backend.CUDA,
        memory_total=vram,
        memory_free=vram,
        rates=TensorRates(),
    )


def unknown_cpu(cores: int | None, memory: MemoryPart | None) -> Profile:
    """A processor of which at most the cores are known, with the memory that is said or an ordinary desktop's."""
    said = (
        []
        if cores
        else [f"{DESKTOP.cores} cores are assumed; write for example '16 cores + 64GiB ddr5-5600'"]
    )
    if memory is None or memory.kind is None:
        said.append(
            f"the RAM is assumed to be as fast as {DESKTOP.text.split(' of ', 1)[1].split(' and ')[0]}"
        )
    elif memory.mt_s is None:
        said.append(f"{memory.kind} is taken to be {memory.kind}-{memory.speed}")
    if memory is None or memory.size is None:
        said.append(f"{gib(DESKTOP.ram, 0)} of RAM are assumed; say --ram to change it")
    return Profile(
        id="cpu",
        name=f"CPU with {cores or DESKTOP.cores} cores",
        vendor="other",
        kind="cpu",
        ram=DESKTOP.ram,
        bandwidth=(None if memory is None else memory.bandwidth) or DESKTOP.bandwidth,
        architecture="x86_64",
        physical_cores=cores or DESKTOP.cores,
        features=_DESKTOP_FEATURES,
        assumes=tuple(said),
        any_ram=True,
    )


def cpu_of(profile: Profile, sockets: int = 1) -> Cpu:
    """The processors of a cpu, soc or gpu-host profile."""
    cores = None if profile.physical_cores is None else profile.physical_cores * sockets
    architecture = profile.architecture if profile.kind == "cpu" else None
    if profile.vendor == "apple" or profile.id == "grace":
        architecture = "arm64"
    return Cpu(
        name=profile.cpu_names[0] if profile.cpu_names else profile.name,
        physical_cores=cores,
        usable_cores=cores,
        features=profile.features,
        memory_bandwidth=None if profile.bandwidth is None else profile.bandwidth * sockets,
        architecture=architecture,
        profile=profile.id,
    )


def soc_host(
    profile: Profile, smaller: Bin | None, ram: int | None, vram: int | None
) -> tuple[Host, list[str]]:
    """A machine on one chip whose GPU shares the RAM, with notes on what is assumed."""
    notes: list[str] = []
    total = ram or profile.ram
    if total is None:
        raise InputError(
            f"profile '{profile.id}' comes with different amounts of RAM; say --ram, for example 32GiB"
        )
    visible = total if ram or profile.ram_visible is None else profile.ram_visible
    available = visible - system_reserve(visible)
    limit = profile.memory_total
    if limit is not None and ram and profile.ram:
        limit = min(limit * ram // profile.ram, ram)
        notes.append(f"the GPU's limit of {gib(limit)} is scaled from the {gib(profile.ram, 0)} version")
    gpu = accelerator(profile, 0, smaller)
    gpu_total = vram or limit or visible
    if gpu_total > total:
        raise InputError(f"the GPU of '{profile.id}' shares {gib(total)} of RAM; --vram must not be more")
    # A limit on the GPU is not a promise: what the system holds is missing from the same RAM.
    free = min(gpu_total, available)
    gpu = replace(gpu, memory_total=gpu_total, memory_free=free, memory_reserved=None, unified=True)
    notes.append(f"{size_text(visible - available)} of the RAM is taken to be held by the system")
    cpu = cpu_of(profile)
    if smaller:
        cpu = replace(cpu, memory_bandwidth=smaller.bandwidth)
    return Host(
        ram_total=visible, ram_available=available, cpu=cpu, accelerators=(gpu,), name=profile.id
    ), notes


def cpu_host(profile: Profile, sockets: int, ram: int | None) -> tuple[Host, list[str]]:
    """A machine without a GPU."""
    total = ram or (None if profile.ram is None else profile.ram * (sockets if sockets > 1 else 1))
    if total is None:
        raise InputError(
            f"profile '{profile.id}' comes with different amounts of RAM; say --ram, for example 32GiB"
        )
    available = total - system_reserve(total)
    notes = [f"{size_text(total - available)} of the RAM is taken to be held by the system"]
    if profile.usable_fraction < 1:
        available = min(available, int(total * profile.usable_fraction))
        notes = [f"one program may use {profile.usable_fraction:.0%} of the RAM"]
    return Host(
        ram_total=total, ram_available=available, cpu=cpu_of(profile, sockets), name=profile.id
    ), notes


def gpu_host(
    gpus: tuple[Accelerator, ...],
    classes: set[str],
    memory: MemoryPart | None,
    ram: int | None,
    cpu: Cpu | None,
    cpu_ram: int | None,
) -> tuple[Host, list[str]]:
    """The computer around GPUs: what was said about it, and for the rest what usually surrounds them."""
    server = bool(classes & {"datacenter", "cloud-accelerator", SLICE})
    default = LAPTOP if classes == {"laptop"} else DESKTOP
    notes: list[str] = []
    said = ram or (memory.size if memory else None) or cpu_ram
    if cpu is None:
        if server:
            sockets = 2 if len(gpus) > 2 else 1
            cpu = Cpu(
                "server CPU",
                _SERVER_CORES * sockets,
                _SERVER_CORES * sockets,
                _SERVER_FEATURES,
                _SERVER_BANDWIDTH * sockets,
                "x86_64",
            )
            text = (
                f"a server with {gib(_SERVER_RAM_PER_GPU, 0)} of RAM a GPU, "
                f"{sockets} socket{'' if sockets == 1 else 's'} of eight-channel DDR5-4800"
            )
        else:
            cpu = Cpu(
                "desktop CPU", default.cores, default.cores, _DESKTOP_FEATURES, default.bandwidth, "x86_64"
            )
            text = f"a computer with {default.text}"
        if said is None:
            notes.append(f"{text} is assumed around the GPU; say --ram to change the RAM")
        elif memory is None or memory.bandwidth is None:
            notes.append("the RAM's speed is assumed: " + text.split(" of ", 1)[-1])
        elif memory.mt_s is None:
            notes.append(f"{memory.kind} is taken to be {memory.kind}-{memory.speed}")
    total = said or (_SERVER_RAM_PER_GPU * len(gpus) if server else default.ram)
    if memory and memory.bandwidth is not None:
        cpu = replace(cpu, memory_bandwidth=memory.bandwidth)
        if memory.channels is None:
            notes.append("two memory channels are assumed; write for example 8ch to change that")
    reserve = system_reserve(total)
    return Host(total, total - reserve, cpu, gpus, name="host"), notes


def cloud_host(instance: Profile, device: Profile, ram: int | None) -> tuple[Host, list[str]]:
    """One cloud instance; its part of the server's memory bandwidth follows its part of eight GPUs."""
    notes: list[str] = []
    gpus = tuple(accelerator(device, i, share=instance.gpu_share) for i in range(instance.gpu_count))
    total = ram or instance.ram
    if total is None:
        total = _CLOUD_RAM_PER_GPU * max(1, instance.gpu_count)
        notes.append(f"the RAM of {instance.name} is not known; {gib(total, 0)} is assumed")
    share = min(1.0, max(instance.gpu_count, 1) * instance.gpu_share / 8)
    cores = None if instance.vcpu is None else max(1, instance.vcpu // 2)
    bandwidth = 2 * _SERVER_BANDWIDTH * share
    notes.append(
        f"memory bandwidth of the host is assumed: {bandwidth / 1e9:.0f} GB/s, "
        "its share of a two-socket server"
    )
    cpu = Cpu("cloud vCPUs", cores, cores, _SERVER_FEATURES - {"amx_int8", "amx_bf16"}, bandwidth, "x86_64")
    return Host(total, total - system_reserve(total), cpu, gpus, name=instance.name), notes


def priced(machine: Machine, parts: list[tuple[int, Profile]]) -> Machine:
    """Add purchase and hourly prices where every device part has one; says what the price covers."""
    notes = list(machine.notes)
    rents = [(n, p.hourly_price) for n, p in parts if p.kind == "cloud"]
    if rents and len(rents) == len(parts) and all(r is not None for _, r in rents):
        hourly = sum(n * (r.usd_per_hour or 0.0) for n, r in rents if r is not None)
        first = rents[0][1]
        assert first is not None
        return replace(machine, hourly_price=hourly, price_date=first.date, price_source=first.source)
    prices = [(n, p, p.price) for n, p in parts]
    known = [(n, p, price) for n, p, price in prices if price is not None and price.usd is not None]
    if not known or len(known) != len(prices):
        return machine
    total = sum(n * (price.usd or 0.0) for n, _, price in known)
    newest = max(known, key=lambda k: k[2].date)[2]
    if any(p.kind == "gpu" for _, p, _ in known):
        notes.append("the price is that of the GPU alone, without the computer around it")
    kinds = sorted({price.kind for _, _, price in known})
    low, high = (sum(n * (getattr(price, end) or 0.0) for n, _, price in known) for end in ("low", "high"))
    seen = "" if low == high else f"; seen from {low:,.0f} to {high:,.0f} USD"
    source = f"{newest.source} ({', '.join(kinds)}{seen})"
    return replace(machine, price=total, price_date=newest.date, price_source=source, notes=tuple(notes))
