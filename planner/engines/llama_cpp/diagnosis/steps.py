"""What makes a start smaller, in the order of its cost; and what the log says of each part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from planner.engines.evidence import Evidence, Fix, Sizing, Step
from planner.engines.llama_cpp.diagnosis.flags import LAYERS
from planner.engines.llama_cpp.log import EngineLog
from planner.engines.llama_cpp.settings import ALL_LAYERS

_KEYS: Final = {"model": "weights", "KV": "kv_cache", "RS": "state", "compute": "compute"}

_STEPS: Final = (
    Step(
        Fix("--no-mmproj", "no images", {"--no-mmproj": ""}, ("--mmproj",)), {"mmproj": None}, gives_up=True
    ),
    Step(Fix("no drafting", "slower decode", drop=("--spec-type",)), {"spec_type": None}, gives_up=True),
    Step(
        Fix("-np 1", "requests wait for each other", {"-np": "1"}),
        {"n_parallel": 1, "kv_unified": None},
        unset=1,
    ),
    Step(Fix("-ub 256", "slower prefill", {"-ub": "256"}), {"n_ubatch": 256}),
    Step(
        Fix("-ctk q8_0 -ctv q8_0", "little quality", {"-ctk": "q8_0", "-ctv": "q8_0"}),
        {"cache_type_k": "q8_0", "cache_type_v": "q8_0"},
    ),
    Step(Fix("-c {}", "context", {"-c": ""}), context="n_ctx"),
)
_SPILL: Final = Fix(
    "no -ngl: --fit then leaves in RAM what does not fit", "each layer in RAM slows every token", drop=LAYERS
)
SIZING: Final = Sizing(_STEPS, {"n_gpu_layers": ALL_LAYERS}, _SPILL)


def logged(evidence: Evidence) -> Mapping[str, int]:
    """Return what the log says of each part, bytes over all devices; nothing where it did not come so far."""
    log = EngineLog()
    for line in evidence.text.splitlines():
        log.read(line)
    found: dict[str, int] = {}
    for (_, what), size in log.buffers.items():
        if what in _KEYS:
            found[_KEYS[what]] = found.get(_KEYS[what], 0) + size
    return found
