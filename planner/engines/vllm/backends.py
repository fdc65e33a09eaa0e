"""What drives the GPUs that vLLM's own releases are built for (docs/getting_started/installation, 0.33.0)."""

from __future__ import annotations

from typing import Final

from planner.hardware.machine import Backend

BACKENDS: Final = frozenset({Backend.CUDA, Backend.ROCM})
