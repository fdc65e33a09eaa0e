"""What a person knows better of a machine: memory that is free on it, and what drives its GPUs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from planner.errors import FieldError
from planner.fast_dataclass import replace
from planner.hardware.backends import backends_of
from planner.hardware.machine import Accelerator, Backend, Host, Machine
from planner.units import gib, parse_memory

_EXAMPLE: Final = "write for example 20GiB, 20GiB,10GiB (one a GPU) or 20GiB,ram=24GiB"
_RAM: Final = re.compile(r"^\s*ram\s*[=:]\s*(.*)$", re.IGNORECASE)


def with_free(machine: Machine, text: str) -> Machine:
    """Return the machine with so much of its memory free: one size for every GPU or one each, `ram=` for the RAM.

    On a machine without GPUs a bare size is the RAM's. Raises FieldError (field "free") for a size that isn't one,
    more of them than there are GPUs, or more than the device has.
    """
    sizes: list[int] = []
    ram: int | None = None
    for word in text.split(","):
        match = _RAM.match(word)
        size = parse_memory((match.group(1) if match else word).strip(), field="free")
        if match or not machine.accelerators:
            if ram is not None:
                raise FieldError("free", f"'{text}' gives the RAM twice; {_EXAMPLE}")
            ram = size
        else:
            sizes.append(size)
    count = len(machine.accelerators)
    if len(sizes) not in (0, 1, count):
        raise FieldError("free", f"'{text}' has {len(sizes)} sizes for {count} GPUs; {_EXAMPLE}")
    each = sizes * count if len(sizes) == 1 else sizes
    hosts: list[Host] = []
    for host in machine.hosts:
        own, each = each[: len(host.accelerators)], each[len(host.accelerators) :]
        hosts.append(_host(host, own, ram))
    return replace(
        machine, hosts=tuple(hosts), notes=(*machine.notes, f"free memory is as you say: {text.strip()}")
    )


def _host(host: Host, sizes: Sequence[int], ram: int | None) -> Host:
    gpus = (
        tuple(_freed(gpu, size) for gpu, size in zip(host.accelerators, sizes, strict=True))
        if sizes
        else None
    )
    if ram is not None and ram > host.ram_total:
        raise FieldError(
            "free", f"{gib(ram)} is more than the {gib(host.ram_total)} of RAM; say --ram as well"
        )
    return replace(
        host,
        accelerators=host.accelerators if gpus is None else gpus,
        ram_available=host.ram_available if ram is None else ram,
    )


def _freed(gpu: Accelerator, size: int) -> Accelerator:
    if size > gpu.memory_total:
        raise FieldError("free", f"{gib(size)} is more than the {gib(gpu.memory_total)} of {gpu.name}")
    return replace(gpu, memory_free=size)


def driven_by(machine: Machine, name: str) -> Machine:
    """Return the machine with its GPUs driven by a backend: cuda, rocm, vulkan, sycl, metal; cpu leaves them idle.

    Raises FieldError (field "backend") for an unknown one, or one that drives none of the machine's GPUs.
    """
    key = name.strip().casefold()
    known = {b.value: b for b in Backend if b is not Backend.OTHER}
    wanted = known.get({"hip": "rocm", "mtl": "metal", "none": "cpu"}.get(key, key))
    if wanted is None:
        raise FieldError("backend", f"'{name}' is not known; choose {', '.join(sorted(known))}")
    note = (
        f"the plan is for a build with {wanted.value}" if wanted is not Backend.CPU else "the GPUs stay idle"
    )
    if not machine.accelerators and wanted is not Backend.CPU:
        raise FieldError("backend", f"'{name}' drives GPUs, and this machine has none")
    unfit = [g for g in machine.accelerators if wanted not in backends_of(g.vendor)]
    if wanted is not Backend.CPU and len(unfit) == len(machine.accelerators):
        fitting = ", ".join(sorted(b.value for b in backends_of(unfit[0].vendor)))
        raise FieldError("backend", f"'{name}' doesn't drive {unfit[0].name}; {fitting} does")
    hosts = tuple(
        replace(h, accelerators=tuple(replace(g, backend=wanted) for g in h.accelerators if g not in unfit))
        if wanted is not Backend.CPU
        else replace(h, accelerators=())
        for h in machine.hosts
    )
    return replace(machine, hosts=hosts, notes=(*machine.notes, note))
