"""A short test of the memory bandwidth that this machine's graphics cards really reach.

The driver's own library copies a buffer far larger than the caches inside each card's memory, a few times over;
both directions count. CUDA's driver API and HIP offer the same five calls; where neither library is installed there
is nothing to measure with, and nothing is said about the card.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Accelerator, Machine

_BUFFER: Final = 256 << 20  # bytes of each of the two buffers: twice the largest last-level cache of a GPU
_COPIES: Final = 20
_ROUNDS: Final = 3
# What a copy inside the card reaches of the data sheet's bandwidth: 80 to 92 %, HBM less than GDDR. A measurement
# says something new only where it leaves that range.
OF_PEAK: Final = (0.80, 0.87, 0.92)
_NAME_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class MeasuredGpu:
    """What was measured on one card."""

    name: str  # as the library reports it
    uuid: str | None  # "GPU-…", None where the library has no call for it
    bandwidth: float  # bytes a second, read and written together
    seconds: float

    @property
    def text(self) -> str:
        """One line for people."""
        return f"measured {self.bandwidth / 1e9:.0f} GB/s (copy inside the card, {self.seconds:.1f} s)"


class _Failed(Exception):
    """A call of the driver's library returned an error."""


class _Library:
    """The few calls of one driver library that the test needs."""

    def __init__(self, library: Any, names: dict[str, str], pointer: type[Any]) -> None:
        self._library = library
        self._names = names
        self.pointer = pointer  # the type of an address in the card's memory

    def call(self, what: str, *args: Any) -> None:
        """Call by its meaning; raises _Failed where the library lacks the call or returns an error."""
        function = getattr(self._library, self._names[what], None)
        if function is None or function(*args) != 0:
            raise _Failed(self._names[what])


_CUDA: Final = {
    "count": "cuDeviceGetCount", "name": "cuDeviceGetName", "uuid": "cuDeviceGetUuid_v2",
    "allocate": "cuMemAlloc_v2", "free": "cuMemFree_v2", "copy": "cuMemcpyDtoD_v2", "wait": "cuCtxSynchronize",
    "start": "cuInit", "open": "cuDevicePrimaryCtxRetain", "enter": "cuCtxSetCurrent",
    "close": "cuDevicePrimaryCtxRelease_v2", "device": "cuDeviceGet",
}  # fmt: skip
_HIP: Final = {
    "count": "hipGetDeviceCount", "name": "hipDeviceGetName", "allocate": "hipMalloc", "free": "hipFree",
    "copy": "hipMemcpyDtoD", "wait": "hipDeviceSynchronize", "start": "hipInit", "enter": "hipSetDevice",
}  # fmt: skip
_FILES: Final = {
    "linux": (("libcuda.so.1", _CUDA), ("libamdhip64.so", _HIP)),
    "win32": (("nvcuda.dll", _CUDA), ("amdhip64.dll", _HIP)),
}


def measure_gpu_bandwidth(
    files: Sequence[tuple[str, dict[str, str]]] | None = None,
) -> tuple[MeasuredGpu, ...]:
    """Measure every card that an installed driver library shows; empty where there is none or it doesn't answer.

    `files`: libraries with the names of their calls; None: those of this system. Takes about half a second a card.
    """
    found: list[MeasuredGpu] = []
    for file, names in _FILES.get(sys.platform, ()) if files is None else files:
        try:
            library = _Library(
                ctypes.CDLL(file), names, ctypes.c_uint64 if names is _CUDA else ctypes.c_void_p
            )
            library.call("start", 0)
            count = ctypes.c_int()
            library.call("count", ctypes.byref(count))
        except (OSError, _Failed):
            continue
        for index in range(count.value):
            try:
                found.append(_measure(library, index, cuda=names is _CUDA))
            except _Failed:  # no memory free, or a card in a mode that forbids it
                continue
    return tuple(found)


def _measure(library: _Library, index: int, *, cuda: bool) -> MeasuredGpu:
    device = ctypes.c_int(index)
    if cuda:
        library.call("device", ctypes.byref(device), index)
    name = ctypes.create_string_buffer(_NAME_BYTES)
    library.call("name", name, _NAME_BYTES, device)
    context = ctypes.c_void_p()
    if cuda:
        library.call("open", ctypes.byref(context), device)
    try:
        library.call("enter", context if cuda else device)
        bandwidth, seconds = _copy(library)
    finally:
        if cuda:
            library.call("close", device)
    return MeasuredGpu(
        name.value.decode("utf-8", "replace"), _uuid(library, device) if cuda else None, bandwidth, seconds
    )


def _copy(library: _Library) -> tuple[float, float]:
    """Bytes a second of the best of a few rounds, and the seconds that all of them took."""
    buffers = [library.pointer(), library.pointer()]
    taken = 0
    size = ctypes.c_size_t(_BUFFER)
    try:
        for buffer in buffers:
            library.call("allocate", ctypes.byref(buffer), size)
            taken += 1
        target, source = buffers
        library.call("copy", target, source, size)  # the pages exist and the clocks are up from here on
        library.call("wait")
        best = 0.0
        start = time.perf_counter()
        for _ in range(_ROUNDS):
            before = time.perf_counter()
            for _ in range(_COPIES):
                library.call("copy", target, source, size)
            library.call("wait")
            best = max(best, 2 * _BUFFER * _COPIES / (time.perf_counter() - before))
        return best, time.perf_counter() - start
    finally:
        for buffer in buffers[:taken]:
            library.call("free", buffer)


def _uuid(library: _Library, device: ctypes.c_int) -> str | None:
    raw = (ctypes.c_ubyte * 16)()
    try:
        library.call("uuid", raw, device)
    except _Failed:
        return None
    text = bytes(raw).hex()
    return f"GPU-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def with_measured_gpus(machine: Machine, measured: Sequence[MeasuredGpu]) -> Machine:
    """The machine with what was measured: a new bandwidth where the card's is unknown or clearly another.

    A card whose measurement is what a copy reaches of its data sheet's bandwidth keeps that.
    """
    if not measured:
        return machine
    sources = dict(machine.sources)
    cards = tuple(_applied(card, measured, sources) for card in machine.host.accelerators)
    hosts = (replace(machine.host, accelerators=cards), *machine.hosts[1:])
    return replace(machine, hosts=hosts, sources=sources)


def _applied(card: Accelerator, measured: Sequence[MeasuredGpu], sources: dict[str, str]) -> Accelerator:
    own = next((m for m in measured if m.uuid and m.uuid == card.uuid), None)
    own = own or next((m for m in measured if m.name == card.name), None)
    if own is None or card.mig:
        return card
    low, usual, high = OF_PEAK
    peak = card.memory_bandwidth
    if peak and low * peak <= own.bandwidth <= high * peak:
        sources[f"memory bandwidth of {card.name}"] = (
            f"{own.text}: as its data sheet's {peak / 1e9:.0f} GB/s lets expect"
        )
        return card
    sources[f"memory bandwidth of {card.name}"] = own.text
    return replace(card, memory_bandwidth=own.bandwidth / usual)
