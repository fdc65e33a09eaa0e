"""Whole machines as profile files: what `planner doctor --export` writes and `--profile` reads.

An exported profile holds sizes, rates and names of parts; no serial number, host name, user name or uuid.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from planner.errors import InputError
from planner.hardware.machine import Accelerator, Backend, Cpu, Host, Machine, TensorRates
from planner.hardware.profiles.profile import Profile, rates_of, reader
from planner.safe_text import one_line, toml_string
from planner.units import GIB, MIB, gib

_RATES: Final = tuple(f.name for f in fields(TensorRates))


def export_profile(machine: Machine, ident: str) -> str:
    """The TOML text of a profile of this machine (its first host) under the id `ident`.

    Raises InputError when the id is not made of letters, digits, '-' and '.'.
    """
    if not ident or not all(c.isascii() and (c.isalnum() or c in "-.") for c in ident) or len(ident) > 80:
        raise InputError(f"'{ident[:40]}' is no name for a profile; use letters, digits, '-' and '.'")
    host = machine.host
    lines = [
        f"id = {toml_string(ident)}",
        f"name = {toml_string(_label(host))}",
        f"vendor = {toml_string((host.accelerators[0].vendor if host.accelerators else '') or 'generic')}",
        'kind = "machine"',
        'class = "exported"',
        "",
        "[machine_host]",
        # What is not known is left out: --profile asks for it then.
        *_pairs(ram_mib=host.ram_total // MIB or None, ram_available_mib=host.ram_available // MIB),
        f"os = {toml_string(host.os or 'other')}",
        "",
        "[machine_cpu]",
        f"name = {toml_string(_named(host.cpu.name, 'CPU'))}",
    ]
    cpu = host.cpu
    lines += _pairs(
        physical_cores=cpu.physical_cores,
        usable_cores=cpu.usable_cores,
        architecture=cpu.architecture,
        bandwidth_gb_s=_giga(cpu.memory_bandwidth),
        features=sorted(cpu.features) or None,
    )
    for gpu in host.accelerators:
        lines += _gpu_lines(gpu)
    return "\n".join(lines) + "\n"


def _named(name: str, otherwise: str) -> str:
    """A part's name as its driver says it, on one line; what it is where the driver says nothing."""
    return one_line(name, 200).strip() or otherwise


def _label(host: Host) -> str:
    names = [_named(g.name, "GPU") for g in host.accelerators]
    counted = [f"{names.count(n)}x {n}" if names.count(n) > 1 else n for n in dict.fromkeys(names)]
    return " + ".join([*counted, f"{_named(host.cpu.name, 'CPU')} with {gib(host.ram_total, 0)}"])


def _gpu_lines(gpu: Accelerator) -> list[str]:
    capability = gpu.compute_capability
    lines = ["", "[[machine_gpus]]", f"name = {toml_string(_named(gpu.name, 'GPU'))}"]
    lines.append(f"vendor = {toml_string(gpu.vendor or 'other')}")
    lines += _pairs(
        backend=gpu.backend.value,
        total_mib=gpu.memory_total // MIB,
        free_mib=gpu.memory_free // MIB,
        reserved_mib=None if gpu.memory_reserved is None else gpu.memory_reserved // MIB,
        profile=gpu.profile or None,
        architecture=gpu.architecture or None,
        compute_capability=None if capability is None else f"{capability[0]}.{capability[1]}",
        gfx_target=gpu.gfx_target or None,
        unified=gpu.unified or None,
        integrated=gpu.integrated or None,
        mig=gpu.mig or None,
        bandwidth_gb_s=_giga(gpu.memory_bandwidth),
        pcie_gb_s=_giga(gpu.pcie_bandwidth),
        nvlink_gb_s=_giga(gpu.nvlink_bandwidth),
        tdp_w=gpu.tdp_w,
    )
    rates = {n: getattr(gpu.rates, n) for n in _RATES}
    known = {n: round(v / 1e12, 4) for n, v in rates.items() if v is not None}
    if known:
        lines += ["[machine_gpus.rates_tflops]", *_pairs(**known)]
    return lines


def _giga(value: float | None) -> float | None:
    return None if not value else round(value / 1e9, 4) or None


def _pairs(**values: Any) -> list[str]:
    return [f"{key} = {_value(value)}" for key, value in values.items() if value is not None]


def _value(value: bool | float | str | list[str]) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return toml_string(value)
    return f"[{', '.join(map(toml_string, value))}]" if isinstance(value, list) else repr(value)


def machine_host(profile: Profile, ram: int | None, vram: int | None) -> tuple[Host, list[str]]:
    """The host that a profile of the kind 'machine' describes. Raises InputError naming the bad key."""
    top = reader(profile.machine or {}, f"profile '{profile.id}'")
    table, cpu_table = top.sub("machine_host"), top.sub("machine_cpu")
    total = ram or table.size("ram_mib", MIB)
    if total is None:
        raise InputError(
            f"profile '{profile.id}': 'ram_mib' is missing in [machine_host]; say --ram, for example 64GiB"
        )
    free = table.size("ram_available_mib", MIB, zero=True)
    available = total if free is None else min(free, total)
    if ram:
        available = max(total - 8 * GIB, total // 2)
    cpu = Cpu(
        name=cpu_table.text("name") or "CPU",
        physical_cores=cpu_table.whole("physical_cores", top=1 << 16),
        usable_cores=cpu_table.whole("usable_cores", top=1 << 16),
        features=frozenset(cpu_table.texts("features")),
        memory_bandwidth=cpu_table.scaled("bandwidth_gb_s", 1e9),
        architecture=cpu_table.text("architecture"),
    )
    gpus: list[Accelerator] = []
    for index, gpu in enumerate(top.many("machine_gpus")):
        size = vram or gpu.size("total_mib", MIB)
        if size is None:
            raise InputError(f"{gpu.where}: 'total_mib' is missing")
        backend = gpu.text("backend") or "other"
        if backend not in set(Backend):
            raise gpu.fail("backend", "one of " + ", ".join(Backend))
        free = vram or gpu.size("free_mib", MIB, zero=True)
        gpus.append(
            Accelerator(
                name=gpu.required("name"),
                vendor=gpu.text("vendor") or "other",
                backend=Backend(backend),
                memory_total=size,
                memory_free=size if free is None else min(free, size),
                memory_reserved=gpu.size("reserved_mib", MIB, zero=True),
                index=index,
                profile=gpu.text("profile"),
                architecture=gpu.text("architecture"),
                compute_capability=gpu.numbers("compute_capability", ".", "8.9"),
                gfx_target=gpu.text("gfx_target"),
                unified=gpu.flag("unified"),
                integrated=gpu.flag("integrated"),
                memory_bandwidth=gpu.scaled("bandwidth_gb_s", 1e9),
                rates=rates_of(gpu.sub("rates_tflops")),
                pcie_bandwidth=gpu.scaled("pcie_gb_s", 1e9),
                nvlink_bandwidth=gpu.scaled("nvlink_gb_s", 1e9),
                mig=gpu.flag("mig"),
                tdp_w=gpu.number("tdp_w"),
            )
        )
    host = Host(total, available, cpu, tuple(gpus), name=profile.id, os=table.text("os"))
    return host, [
        f"described by the profile file {profile.path.name}" if profile.path else "described by a file"
    ]
