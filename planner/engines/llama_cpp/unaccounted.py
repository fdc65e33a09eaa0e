"""What llama.cpp's own accounting leaves out: contexts, libraries, pools, as intervals with their source.

llama.cpp prints it as "unaccounted" in its memory breakdown: free memory before less after, less what it
allocated itself. It cannot be computed; each interval names what it rests on.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import dataclass
from planner.hardware.machine import Accelerator, Backend
from planner.units import GIB, MIB


@dataclass(frozen=True, slots=True)
class Overhead:
    """Bytes on one device besides what the engine counts, and where the figures come from."""

    low: int
    expected: int
    high: int
    source: str
    date: str


def _of(low: int, expected: int, high: int, source: str, date: str) -> Overhead:
    return Overhead(low * MIB, expected * MIB, high * MIB, source, date)


_CONTEXT: Final = (
    "CUDA context 107 MiB on an RTX 4060 Ti and 555 MiB on an RTX PRO 6000, growing with the number of"
    " multiprocessors (ggml-org/llama.cpp pull request 23604); "
)
CUDA_LARGE: Final = _of(
    450,
    700,
    1000,
    _CONTEXT + "749 MiB unaccounted on an RTX PRO 6000 Max-Q (ggml-org/llama.cpp issue 27953)",
    "2026-05-24",
)
CUDA_HIGH_END: Final = _of(250, 450, 750, _CONTEXT + "cards of 80 to 170 multiprocessors", "2026-05-24")
CUDA_SMALL: Final = _of(110, 250, 500, _CONTEXT + "cards below 80 multiprocessors", "2026-05-24")
CUDA_UNIFIED: Final = _of(500, 1200, 2300, "2.3 GiB unaccounted on a GB10 in published logs", "2026-06")
ROCM_UNIFIED: Final = _of(350, 600, 850, "Strix Halo under ROCm, published logs of b9010", "2026-05")
ROCM: Final = _of(250, 500, 900, "taken from Strix Halo under ROCm; no log of a discrete card", "2026-05")
VULKAN: Final = _of(
    200, 450, 900, "RTX 3090 under Vulkan: 4B to 27B dense models, published logs of b9849", "2026-06"
)
VULKAN_EXPERTS: Final = _of(
    300, 1000, 2200, "RTX 3090 under Vulkan: mixtures of experts, published logs of b9849", "2026-06"
)
VULKAN_UNIFIED: Final = _of(200, 450, 700, "Strix Halo under Vulkan, published logs of b9010", "2026-05")
METAL: Final = _of(
    20,
    100,
    400,
    "Metal reports the process's own allocations only (get_memory in ggml-metal-device.m, ggml-org/llama.cpp"
    " pull request 27701), so little can be missing; no log found, the upper end is assumed",
    "2026-08-25",
)
OTHER: Final = _of(200, 500, 1024, "no measurement found; the upper end is --fit's target", "2026-10-06")
HOST: Final = _of(
    100, 250, 600, "assumed: the server's own process, its vocabulary, graphs and sampling", "2026-10-06"
)


def unaccounted(device: Accelerator, *, experts: bool = False) -> Overhead:
    """Return the interval for one device; `experts`: the model is a mixture of experts."""
    if device.backend is Backend.CUDA:
        return _cuda(device)
    if device.backend is Backend.ROCM:
        return ROCM_UNIFIED if device.unified else ROCM
    if device.backend is Backend.VULKAN:
        if device.unified:
            return VULKAN_UNIFIED
        return VULKAN_EXPERTS if experts else VULKAN
    return METAL if device.backend is Backend.METAL else OTHER


def _cuda(device: Accelerator) -> Overhead:
    if device.unified:
        return CUDA_UNIFIED
    # The number of multiprocessors isn't known here; memory tells the classes apart well enough.
    if device.memory_total >= 38 * GIB:
        return CUDA_LARGE
    return CUDA_HIGH_END if device.memory_total >= 20 * GIB else CUDA_SMALL
