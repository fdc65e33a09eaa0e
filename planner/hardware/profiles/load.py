"""Profiles: machines that are described instead of detected, and the facts of detected devices.

`load_profile` answers `--profile`, `--ram` and `--vram`; `find_by_driver_name` gives a detected card its
bandwidth and rates; `list_profiles` lists what is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.hardware.machine import Accelerator, Cpu, Host, Machine
from planner.hardware.profiles import assemble
from planner.hardware.profiles.build_index import MODIFIED, driver_key, fold, load_index
from planner.hardware.profiles.listing import ProfileInfo, list_profiles
from planner.hardware.profiles.prices import Price
from planner.hardware.profiles.profile import Bin, Profile
from planner.hardware.profiles.spoken import candidates, count_said, ram_said
from planner.hardware.profiles.store import (
    find_by_cpu_name,
    find_by_device_tree,
    find_by_driver_name,
    find_by_pci_id,
    get_profile,
    resolve,
    user_profiles,
)
from planner.units import GIB, gib

if TYPE_CHECKING:
    from planner.hardware.profiles.spec import DevicePart, MemoryPart

__all__ = [
    "Price",
    "Profile",
    "ProfileInfo",
    "find_by_cpu_name",
    "find_by_device_tree",
    "find_by_driver_name",
    "find_by_pci_id",
    "get_profile",
    "list_profiles",
    "load_profile",
    "user_profiles",
]

_Device = tuple[int, Profile, Bin | None]


def load_profile(spec: str | None, *, ram: int | None = None, vram: int | None = None) -> Machine:
    """The machine that a description means.

    `spec`: a profile's name, ``NAME x2``, ``2x NAME``, parts joined by ``+`` (``2x rtx-3090 + 128GiB
    ddr5-6000``), the path of a profile file, or None for a machine of which only `ram` or `vram` is known.
    `ram`, `vram`: bytes that replace the RAM of each host and the memory of each GPU. Raises InputError.
    """
    if (ram is not None and ram <= 0) or (vram is not None and vram <= 0):
        raise InputError("--ram and --vram must be more than zero; write for example 24GiB")
    if spec is None or not spec.strip():
        return _from_sizes(ram, vram)
    text = count_said(spec.strip())
    with_ram = ram_said(text)
    if with_ram is not None:
        text, ram = with_ram[0], ram or with_ram[1] * GIB
    # A name may hold a plus ("Ryzen AI Max+ 395"), but not at its end, where a part is missing.
    if text.endswith(".toml") or (candidates(text) and text.strip("+ ") == text):
        return _build([(1, *resolve(text, ram))], None, text, ram, vram)
    memory, devices = _parts(text, ram)
    return _build(devices, memory, text, ram, vram)


def _parts(text: str, ram: int | None) -> tuple[MemoryPart | None, list[_Device]]:
    from planner.hardware.profiles.spec import CpuPart, DevicePart, MemoryPart, parse_spec

    parts = parse_spec(text)
    memory = next((p for p in parts if isinstance(p, MemoryPart)), None)
    wanted = ram or (memory.size if memory else None)
    devices = [_device(p, wanted) for p in parts if isinstance(p, DevicePart)]
    devices += [(1, assemble.unknown_cpu(p.cores, memory), None) for p in parts if isinstance(p, CpuPart)]
    if not devices:
        raise InputError(f"profile '{text}' names no device; add one, for example 'rtx-3090 + {text}'")
    return memory, devices


def _device(part: DevicePart, ram: int | None) -> _Device:
    if part.tight and not candidates(part.name) and candidates(part.tight[0]):
        from planner.hardware.profiles.spec import check_count

        name, count = part.tight
        return (check_count(count, part.name), *resolve(name, ram))
    return (part.count, *resolve(part.name, ram))


def _from_sizes(ram: int | None, vram: int | None) -> Machine:
    if vram is None and ram is None:
        raise InputError("no profile given; write for example --profile rtx-4090 or --vram 24GiB")
    gpus = (assemble.unknown_gpu(vram),) if vram is not None else ()
    host, notes = assemble.gpu_host(gpus, {"consumer"}, None, ram, None, None)
    if vram is not None:
        notes.append("only the GPU's memory is known: its speed is not, and all of it is taken to be free")
    name = f"GPU with {gib(vram, 0)}" if vram is not None else f"CPU with {gib(host.ram_total, 0)}"
    return Machine(hosts=(host,), name=name, notes=tuple(notes))


def _build(
    devices: list[_Device],
    memory: MemoryPart | None,
    spec: str,
    ram: int | None,
    vram: int | None,
) -> Machine:
    whole = [d for d in devices if d[1].kind in ("soc", "cloud", "machine")]
    cpus = [d for d in devices if d[1].kind == "cpu"]
    gpus = [d for d in devices if d[1].kind == "gpu"]
    if len(whole) > 1 or len(cpus) > 1 or (whole and cpus):
        raise InputError(
            f"profile '{spec}' joins several computers; only alike ones can be joined, as in '2x dgx-spark'"
        )
    said = ram or (memory.size if memory else None)
    accelerators = _gpu_accelerators(gpus, vram)
    notes: list[str] = []
    if whole:
        count, profile, smaller = whole[0]
        host, notes = _whole_host(profile, smaller, said, vram)
        if accelerators:
            first = len(host.accelerators)
            added = tuple(replace(a, index=first + i) for i, a in enumerate(accelerators))
            host = replace(host, accelerators=host.accelerators + added)
        hosts = tuple(
            host if count == 1 else replace(host, name=f"{host.name}-{i + 1}") for i in range(count)
        )
    elif gpus:
        host, notes = _gpu_machine_host(gpus, cpus, accelerators, memory, said)
        hosts = (host,)
    else:
        sockets, profile, _ = cpus[0]
        host, notes = assemble.cpu_host(profile, sockets, said)
        if memory and memory.bandwidth is not None:
            host = replace(host, cpu=replace(host.cpu, memory_bandwidth=memory.bandwidth))
        hosts = (host,)
    for _, profile, _ in devices:
        if not (said and profile.kind == "cpu"):
            notes += profile.assumes
        if not profile.memory_verified and profile.memory_total is not None and vram is None:
            notes.append(
                f"the memory of {profile.name} is not verified: {profile.sources.get('memory', 'no source')}"
            )
    if len(hosts) > 1 and devices[0][1].network_bandwidth is None:
        notes.append("the network between the machines is not known")
    notes += _same_name(devices, spec)
    described = [p for _, p, _ in devices]
    described += [get_profile(p.gpu) for p in described if p.gpu]
    sources = {f"{p.id}: {k}": v for p in described for k, v in p.sources.items()}
    machine = Machine(
        hosts=hosts,
        name=spec.strip() if len(devices) > 1 or devices[0][0] > 1 or memory else devices[0][1].name,
        profile=" + ".join(p.id if n == 1 else f"{n}x {p.id}" for n, p, _ in devices),
        notes=tuple(dict.fromkeys(notes)),
        sources=sources,
        network_bandwidth=devices[0][1].network_bandwidth if len(hosts) > 1 else None,
    )
    return assemble.priced(machine, [(n, p) for n, p, _ in devices])


def _same_name(devices: list[_Device], spec: str) -> list[str]:
    """A note for each card sold with other memory sizes under one name, unless the id itself was given."""
    index = load_index()
    notes: list[str] = []
    for _, profile, _ in devices:
        if profile.kind != "gpu" or not profile.driver_names or fold(profile.id) in fold(spec):
            continue
        rows = index["drivers"].get(driver_key(profile.driver_names[0]), [])
        entries = index["profiles"]
        others = [i for i, _ in rows if i != profile.id and entries[i]["class"] != MODIFIED]
        if others:
            notes.append(f"{profile.id} is taken; the name is also sold as {', '.join(others)}")
    return notes


def _gpu_accelerators(gpus: list[_Device], vram: int | None) -> tuple[Accelerator, ...]:
    found: list[Accelerator] = []
    for count, profile, _ in gpus:
        if profile.memory_total is None and vram is None:
            raise InputError(f"the memory of '{profile.id}' is not known; say --vram, for example 24GiB")
        for _ in range(count):
            gpu = assemble.accelerator(profile, len(found))
            if vram is not None:
                held = gpu.memory_total - gpu.memory_free
                gpu = replace(gpu, memory_total=vram, memory_free=max(vram - held, vram // 2))
            found.append(gpu)
    return tuple(found)


def _gpu_machine_host(
    gpus: list[_Device],
    cpus: list[_Device],
    accelerators: tuple[Accelerator, ...],
    memory: MemoryPart | None,
    said: int | None,
) -> tuple[Host, list[str]]:
    cpu: Cpu | None = None
    cpu_ram: int | None = None
    if cpus:
        sockets, profile, _ = cpus[0]
        cpu = assemble.cpu_of(profile, sockets)
        cpu_ram = None if profile.ram is None else profile.ram * sockets
    else:
        with_host = next((p for _, p, _ in gpus if p.host_cpu), None)
        if with_host is not None and with_host.host_cpu:
            cpu, cpu_ram = assemble.cpu_of(get_profile(with_host.host_cpu)), with_host.host_ram
    host, notes = assemble.gpu_host(
        accelerators, {p.device_class for _, p, _ in gpus}, memory, said, cpu, cpu_ram
    )
    if cpu is not None and said is None and cpu_ram is not None and not cpus:
        notes.append(
            f"{gib(cpu_ram, 0)} of RAM ({cpu.name}) is assumed around the GPU; say --ram to change it"
        )
    return host, notes


def _whole_host(
    profile: Profile, smaller: Bin | None, ram: int | None, vram: int | None
) -> tuple[Host, list[str]]:
    if profile.kind == "machine":
        from planner.hardware.profiles.exported import machine_host

        return machine_host(profile, ram, vram)
    if profile.kind == "soc":
        return assemble.soc_host(profile, smaller, ram, vram)
    if profile.gpu is None or profile.gpu_count < 1:
        raise InputError(f"profile '{profile.id}' is a cloud instance without 'gpu' and 'gpu_count'")
    host, notes = assemble.cloud_host(profile, get_profile(profile.gpu), ram)
    if vram is not None:
        host = replace(
            host,
            accelerators=tuple(replace(a, memory_total=vram, memory_free=vram) for a in host.accelerators),
        )
    return host, notes
