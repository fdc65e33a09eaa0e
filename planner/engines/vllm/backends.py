"""What drives the GPUs that vLLM's own releases are built for (docs/getting_started/installation, 0.33.0)."""

from __future__ import annotations

from typing import Final

from planner.hardware.machine import Backend

LEAST_CAPABILITY: Final = 75  # gpu.cuda.inc.md there: V100 and older are out
BACKENDS: Final = frozenset({Backend.CUDA, Backend.ROCM})
# AMD's targets that 0.33.0 says it runs on (gpu.rocm.inc.md there), and gfx1250, which its code names. Its build lists
# more, for which it has no kernels of its own: RX 6000, RX 7600, MI50 and MI100 among them.
ROCM_TARGETS: Final = (
    "gfx90a",
    "gfx942",
    "gfx950",
    "gfx1100",
    "gfx1101",
    "gfx1150",
    "gfx1151",
    "gfx1200",
    "gfx1201",
    "gfx1250",
)
