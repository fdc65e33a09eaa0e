"""The hardware of a published measurement: a row's key or words -> a profile's facts.

What no profile describes (a processor in a benchmark's title, an integrated GPU, a card behind a Raspberry Pi)
is in the tables below, from channels × MT/s × 8 and the makers' figures.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from planner.errors import InputError
from planner.hardware.machine import Accelerator
from planner.hardware.profiles.load import load_profile
from planner.speed.situation import Device, HostFacts, device_of, host_of

# processors and shared-memory devices that no profile describes: bytes/s = channels × MT/s × 8, cores
_HOSTS: tuple[tuple[str, float, int, str], ...] = (
    ("9r14 2s|c7a.metal|2 x epyc 9r14", 921.6e9, 192, "server"),
    ("epyc 9355", 576e9, 32, "server"),
    ("epyc 9175f", 537.6e9, 16, "server"),
    ("xeon gold 6138", 255.9e9, 40, "server"),
    ("6454s", 614.4e9, 64, "server"),
    ("6980p", 614.4e9, 128, "server"),
    ("7975wx", 358.4e9, 32, "server"),
    ("7965wx", 307.2e9, 24, "server"),
    ("5975wx", 204.8e9, 32, "server"),
    ("e5-2697a", 153.6e9, 32, "server"),
    ("7980xe", 102.4e9, 18, "desktop"),
    ("10900x", 93.9e9, 10, "desktop"),
    ("64-core avx2", 190e9, 64, "server"),
    ("ampereone", 409.6e9, 192, "server"),
    ("7940hs", 89.6e9, 8, "desktop"),
    ("258v", 136.5e9, 4, "desktop"),
    ("strix halo cpu|ai max+ 395 cpu", 256e9, 16, "desktop"),
    ("framework mainboard", 256e9, 16, "desktop"),
    ("13900k", 102.4e9, 24, "desktop"),
    ("14900k", 89.6e9, 24, "desktop"),
    ("14700hx", 83.2e9, 20, "desktop"),
    ("hx 370", 89.6e9, 12, "desktop"),
    ("m2 max cpu", 240e9, 12, "apple"),
    ("7950x", 83.2e9, 16, "desktop"),
    ("9950x", 96e9, 16, "desktop"),
    ("9600x", 96e9, 6, "desktop"),
    ("5900x", 51.2e9, 12, "desktop"),
    ("3900x", 51.2e9, 12, "desktop"),
    ("5800x", 51.2e9, 8, "desktop"),
    ("ryzen 5 3500", 42.7e9, 6, "desktop"),
    ("ai 5 340", 89.6e9, 6, "desktop"),
    ("n150|n100", 38.4e9, 4, "small"),
    ("cm5|pi 5", 17.1e9, 4, "small"),
    ("pi 400|pi 4", 12.8e9, 4, "small"),
    ("ms-r1", 96e9, 12, "small"),
    ("p550", 51.2e9, 4, "small"),
)
# the same by what their maker allows at most, where a row doesn't say which RAM is in
_RATED: tuple[tuple[str, float, int, str], ...] = (
    ("i5-3230m", 25.6e9, 2, "desktop"),
    ("i5-9500t", 42.7e9, 6, "desktop"),
    ("i7-10710u", 42.7e9, 6, "desktop"),
    ("i7-1365u", 76.8e9, 10, "desktop"),
    ("i7-12700h", 76.8e9, 14, "desktop"),
    ("i5-13600k", 89.6e9, 14, "desktop"),
    ("ultra 7 270k", 115.2e9, 24, "desktop"),
    ("ryzen 5 4600h", 51.2e9, 6, "desktop"),
    ("ryzen 5 5500gt", 51.2e9, 6, "desktop"),
    ("ryzen 7 5700x3d", 51.2e9, 8, "desktop"),
    ("ryzen 7 7730u", 51.2e9, 8, "desktop"),
    ("ryzen 7 7735hs", 76.8e9, 8, "desktop"),
    ("ryzen 5 7600x", 83.2e9, 6, "desktop"),
    ("ryzen 7 7840u", 89.6e9, 8, "desktop"),
    ("ryzen 7 255", 89.6e9, 8, "desktop"),
)
_DEVICES = {
    "a100 80gb (form factor unstated)": "A100 SXM 80GB", "16gb rdna2 gpu": "RX 6800 XT", "gfx1030": "RX 6800 XT",
    "amd pro w7700": None, "rx 7600": None, "framework mainboard": "Strix Halo 8060S",
    "gtx 1650 super": None, "rtx 5060 laptop": None, "rtx 5090 mobile": "RTX 5090 Laptop", "radeon 680m": None,
}  # fmt: skip
_SHARED: dict[str, tuple[float, float, str]] = {  # bandwidth, fp16 rate, generation of integrated GPUs
    "arc 140v": (136.5e9, 32e12, "xe2-lpg"), "arc b390": (153.6e9, 60e12, "xe3-lpg"),
    "iris xe": (51.2e9, 4e12, "xe-lp"),
    "radeon 680m": (102.4e9, 6.8e12, "rdna2"),
    "radeon 890m": (120e9, 23.8e12, "rdna3.5"), "840m": (89.6e9, 6e12, "rdna3.5"), "660m": (76.8e9, 3.3e12, "rdna2"),
    "vega 7": (51.2e9, 3.2e12, "vega"),
}  # fmt: skip
# laptops' versions that no profile describes
_MOBILE: dict[str, tuple[float, float, str, str]] = {
    "gtx 1650 max-q": (112.1e9, 5.1e12, "nvidia", "turing"),
    "rtx 3050 ti laptop": (192e9, 21.2e12, "nvidia", "ampere"),
}
_DISCRETE: dict[str, tuple[float, float, str, str]] = {
    "pro w7700": (576e9, 56.5e12, "amd", "rdna3"), "rx 7600": (288e9, 43.5e12, "amd", "rdna3"),
    "rx 6500 xt": (143.9e9, 11.5e12, "amd", "rdna2"), "rx 580": (256e9, 6.2e12, "amd", "polaris"),
    "gtx 1650 super": (192e9, 8.8e12, "nvidia", "turing"), "rtx a2000": (288e9, 32e12, "nvidia", "ampere"),
    "rtx 5060 laptop": (384e9, 35e12, "nvidia", "blackwell"),
}  # fmt: skip


@lru_cache(maxsize=512)
def _profile_device(text: str) -> Accelerator | None:
    try:
        machine = load_profile(text)
    except InputError:
        return None
    return machine.accelerators[0] if machine.accelerators else None


def known(text: str) -> bool:
    """True for the name of one profile with an accelerator."""
    return _profile_device(text) is not None


def backend_of(row: Mapping[str, Any], vendor: str) -> tuple[str, str]:
    text = str(row.get("backend") or "").lower()
    variant = ""
    for name in ("amdvlk", "hipblaslt", "rocwmma", "coopmat1"):
        if name in text:
            variant = name
            break
    for name, backend in (
        ("vulkan", "vulkan"), ("sycl", "sycl"), ("cuda", "cuda"), ("metal", "metal"), ("rocm", "rocm"), ("hip", "rocm"),
    ):  # fmt: skip
        if name in text:
            return backend, variant
    return {"nvidia": "cuda", "apple": "metal", "amd": "rocm", "intel": "sycl"}.get(vendor, "cpu"), variant


def row_device(row: Mapping[str, Any]) -> Device | None:
    key = str(row.get("hw_key") or "")
    text = f"{key} {row.get('hardware') or ''}".lower()
    acc = None
    for part, (bw, rate, vendor, gen) in _MOBILE.items():
        if part in text:
            return Device(
                part, gen, vendor, "gddr", bw, rate, backend_of(row, vendor)[0], 8e9, capacity=4 * 2**30
            )
    for part, profile in _DEVICES.items():
        if part in text and profile:
            acc = _profile_device(profile)
    if key and acc is None:
        acc = _profile_device(key)
    if acc is not None:
        backend, _ = backend_of(row, acc.vendor)
        return device_of(acc, backend)
    for part, (bw, rate, gen) in _SHARED.items():
        if part in text:
            vendor = "intel" if gen.startswith("xe") else "amd"
            return Device(part, gen, vendor, "unified", bw, rate, backend_of(row, vendor)[0])
    for part, (bw, rate, vendor, gen) in _DISCRETE.items():
        if part in text:
            return Device(part, gen, vendor, "gddr", bw, rate, backend_of(row, vendor)[0], 8e9)
    hardware = str(row.get("hardware") or "")
    for piece in re.split(r"[+,(]", hardware):
        acc = _profile_device(re.sub(r"\s*\d+\s*GB.*$", "", re.sub(r"^\s*\d+\s*x\s*", "", piece)).strip())
        if acc is not None:
            return device_of(acc, backend_of(row, acc.vendor)[0])
    return None


def row_host(row: Mapping[str, Any]) -> HostFacts | None:
    text = " ".join(str(row.get(k) or "") for k in ("hw_key", "hardware", "cpu")).lower()
    found = None
    for names, bandwidth, cores, kind in _HOSTS:
        if any(n in text for n in names.split("|")):
            found = HostFacts(bandwidth, cores, kind, True)
            break
    ram = str(row.get("ram") or "")
    for name, bandwidth, cores, kind in _RATED:
        if found is None and name in text:
            found = HostFacts(bandwidth, cores, kind, False)
    rate = re.search(r"DDR\d-(\d{4})", ram)
    if rate:
        channels = re.search(r"(\d+)ch", ram)
        count = int(channels.group(1)) if channels else 4 if "quad" in ram else 2
        if "per socket" in ram:
            count *= 2
        bandwidth = count * int(rate.group(1)) * 8e6
        if channels or found is None or found.kind == "desktop":
            cores = found.cores if found else 8
            found = HostFacts(bandwidth, cores, "server" if bandwidth > 150e9 else "desktop", True)
    if found is None and row.get("residency") == "cpu":
        try:
            machine = load_profile(str(row.get("hw_key") or row.get("hardware")))
            return host_of(machine.host.cpu)
        except InputError:
            return None
    return found
