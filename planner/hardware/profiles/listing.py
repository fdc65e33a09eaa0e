"""The list of what is known: one line a profile, from the index, without reading the profiles but to search."""

from __future__ import annotations

from typing import Any

from planner.fast_dataclass import dataclass
from planner.hardware.profiles.build_index import load_index
from planner.hardware.profiles.profile import Profile
from planner.hardware.profiles.store import shipped_profiles, user_profiles
from planner.units import MIB


@dataclass(frozen=True, slots=True)
class ProfileInfo:
    """One line of the list of profiles. Bytes, bytes/s and US dollars."""

    id: str
    """The name that --profile takes."""
    name: str
    """As its maker writes it."""
    vendor: str
    """Who makes it."""
    kind: str
    """gpu, soc, cpu, cloud or machine."""
    device_class: str
    """consumer, workstation, datacenter …"""
    memory: int | None
    """Bytes of the GPU, or of the part of the RAM that the GPU may use; None where it has none."""
    ram: int | None
    """Bytes of the host's RAM; None where it isn't stated."""
    bandwidth: float | None
    """Peak of the memory, bytes a second."""
    price_kind: str | None = None
    """launch, new, used or list, perhaps with a remark."""
    price_low: float | None = None
    """The lowest price, US dollars; None where none is known."""
    price: float | None = None
    """The price to reckon with, US dollars: the median of those seen, or the middle of their range."""
    price_high: float | None = None
    """The highest price, US dollars."""
    price_date: str | None = None
    """When prices were seen."""
    hourly_price: float | None = None
    """Rent, US dollars an hour; None for what is bought."""
    gpu: str | None = None
    """The profile of the GPUs in it; None where it is one device."""
    gpu_count: int = 0
    """How many of them."""
    user: bool = False
    """True for a profile of the user's own."""


def list_profiles(search: str | None = None) -> list[ProfileInfo]:
    """All profiles, or those whose id, names, vendor, kind and size hold every word of the search."""
    index = load_index()
    infos = {ident: _info(ident, entry) for ident, entry in index["profiles"].items()}
    own = user_profiles()[0]
    for profile in own:
        infos[profile.id] = _user_info(profile)
    words = (search or "").split()
    if words:
        # Only a search needs what the index leaves out: the names as they are written.
        from planner.hardware.profiles.search import find_profiles

        shipped = shipped_profiles()
        infos = {ident: infos[ident] for ident in find_profiles(words, [*shipped, *own])}
    return sorted(infos.values(), key=_order)


def _order(info: ProfileInfo) -> tuple[Any, ...]:
    return (info.kind == "cloud", info.kind == "cpu", info.vendor, -(info.memory or info.ram or 0), info.id)


def _info(ident: str, entry: dict[str, Any]) -> ProfileInfo:
    price, hourly, gpu = entry.get("price"), entry.get("hourly"), entry.get("gpu") or [None, 0]
    bandwidth = entry.get("bandwidth_gb_s")
    return ProfileInfo(
        id=ident,
        name=entry["name"],
        vendor=entry["vendor"],
        kind=entry["kind"],
        device_class=entry["class"],
        memory=entry["memory_mib"] * MIB if "memory_mib" in entry else None,
        ram=entry["ram_mib"] * MIB if "ram_mib" in entry else None,
        bandwidth=None if bandwidth is None else bandwidth * 1e9,
        price_kind=price[0] if price else None,
        price_low=price[1] if price else None,
        price=price[2] if price else None,
        price_high=price[3] if price else None,
        price_date=(price or hourly or [None])[-1],
        hourly_price=(hourly[1] + hourly[2]) / 2 if hourly else None,
        gpu=gpu[0],
        gpu_count=gpu[1],
    )


def _user_info(profile: Profile) -> ProfileInfo:
    price = profile.price
    return ProfileInfo(
        profile.id,
        profile.name,
        profile.vendor,
        profile.kind,
        profile.device_class,
        profile.memory_total,
        profile.ram,
        profile.bandwidth,
        price.kind if price else None,
        price.low if price else None,
        price.usd if price else None,
        price.high if price else None,
        price.date if price else None,
        gpu=profile.gpu,
        gpu_count=profile.gpu_count,
        user=True,
    )
