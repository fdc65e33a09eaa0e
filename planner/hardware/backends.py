"""What drives a GPU where nobody says otherwise: the interface for which engines ship builds that know the card."""

from __future__ import annotations

from typing import Final

from planner.hardware.machine import Backend

# Targets that a ROCm release of llama.cpp or Ollama drives on Linux, or a ROCm wheel of vLLM (llama.cpp's
# .github/workflows/release.yml of 2026 after PR 23780; ollama docs/gpu.mdx of 2026-08-21; vLLM 0.31.0's
# installation page). Every other Radeon is left to Vulkan: gfx803, 900, 906, 1010, 1012, 1031 to 1036, 1103, 1152.
ROCM_TARGETS: Final = frozenset(
    {"gfx908", "gfx90a", "gfx942", "gfx950", "gfx1250"}
    | {"gfx1030", "gfx1100", "gfx1101", "gfx1102", "gfx1150", "gfx1151", "gfx1200", "gfx1201"}
)
_MAKERS: Final = {
    "nvidia": frozenset({Backend.CUDA, Backend.VULKAN}),
    "amd": frozenset({Backend.ROCM, Backend.VULKAN}),
    "intel": frozenset({Backend.SYCL, Backend.VULKAN}),
    "apple": frozenset({Backend.METAL}),
}


def usual_backend(vendor: str, gfx_target: str | None = None) -> Backend:
    """Return what drives a card by default. Intel's is Vulkan: SYCL is in no release of llama.cpp (PR 23705)."""
    if vendor == "amd":
        return Backend.ROCM if gfx_target is None or gfx_target in ROCM_TARGETS else Backend.VULKAN
    usual = {"nvidia": Backend.CUDA, "intel": Backend.VULKAN, "apple": Backend.METAL}
    return usual.get(vendor, Backend.OTHER)


def backends_of(vendor: str) -> frozenset[Backend]:
    """Return what may drive a maker's cards; all of them for a card of an unknown maker."""
    return _MAKERS.get(vendor, frozenset(Backend) - {Backend.OTHER, Backend.CPU})
