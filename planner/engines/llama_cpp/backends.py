"""Backends that ggml has for GPUs (ggml/src, b11434)."""

from __future__ import annotations

from typing import Final

from planner.hardware.machine import Backend

BACKENDS: Final = frozenset({Backend.CUDA, Backend.ROCM, Backend.METAL, Backend.VULKAN, Backend.SYCL})
