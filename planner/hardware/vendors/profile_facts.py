"""Facts of a detected device from its profile: what no driver reports (bandwidth, rates, NVLink)."""

from __future__ import annotations

from typing import Any

from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.hardware.machine import Accelerator
from planner.hardware.profiles.profile import Bin, Profile
from planner.hardware.profiles.store import find_by_driver_name, same_name


def size_or_none(value: Any) -> int | None:
    """A memory size that a driver reported, or None for a missing or absurd one."""
    return value if isinstance(value, int) and 0 < value < 1 << 50 else None


def from_facts(
    gpu: Accelerator,
    notes: list[str],
    sources: dict[str, str],
    *,
    told: int | None = None,
    profile: Profile | None = None,
    gpu_cores: int | None = None,
) -> Accelerator:
    """The device with its profile's figures where the driver gave none.

    `told`: bytes that tell devices of one name apart (the card's memory, or the machine's RAM).
    """
    if profile is None:
        profile = _lookup(gpu, notes, told)
    if profile is None:
        notes.append(f"no profile knows {gpu.name}: its speed cannot be estimated")
        return gpu
    smaller: Bin | None = profile.bin(gpu_cores)
    sources[f"{gpu.name}: speed"] = f"profile {profile.id}"
    return replace(
        gpu,
        profile=profile.id,
        architecture=profile.architecture,
        compute_capability=gpu.compute_capability or profile.compute_capability,
        gfx_target=gpu.gfx_target or profile.gfx_target,
        memory_bandwidth=smaller.bandwidth if smaller else profile.bandwidth,
        rates=smaller.rates if smaller else profile.rates,
        pcie_bandwidth=gpu.pcie_bandwidth or profile.pcie_bandwidth,
        nvlink_bandwidth=profile.nvlink_bandwidth,
        tdp_w=gpu.tdp_w or profile.tdp_w,
        idle_w=profile.idle_w,
    )


def _lookup(gpu: Accelerator, notes: list[str], told: int | None) -> Profile | None:
    try:
        profile = find_by_driver_name(gpu.name, told)
    except InputError as error:
        notes.append(str(error))
        return None
    if profile is None:
        profile = same_name(gpu.name, told)
        if profile is not None:
            notes.append(f"{gpu.name} has another memory size than {profile.id}, whose speed is taken for it")
    return profile
