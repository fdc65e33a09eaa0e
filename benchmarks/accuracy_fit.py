"""Adapter for --fit cases: what we choose beside what llama.cpp chose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.llama_pairs import compare_allocation
from benchmarks.memory_case import Pairs
from planner.engines.llama_cpp.allocation import Devices
from planner.engines.llama_cpp.builds import build_of
from planner.engines.llama_cpp.fit import FitLimits, fit
from planner.engines.llama_cpp.placing.weights import WeightTable
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.units import MIB


def predict_fit(
    row: Mapping[str, Any], table: WeightTable, settings: LlamaCppSettings, free: tuple[int, ...]
) -> Pairs:
    """Return the allocation's pairs, and `fit_choice`: 1 where context and layers are the engine's."""
    given, measured = row["settings"], row["measured"]
    limits = FitLimits(
        int(given.get("fit_target_mib", 1024)) * MIB,
        int(given.get("fit_ctx", 4096)),
        build=build_of(str(row.get("engine_version"))),
    )
    choice = fit(table, settings, Devices(free), limits)
    pairs = compare_allocation(measured["devices"], row["machine"]["gpus"], choice.memory)
    theirs = measured["fit"]
    steps = 256 * (1 if settings.kv_unified else settings.n_parallel)
    same = (
        choice.fits == (theirs["status"] == 0)
        and abs(choice.n_ctx - theirs["n_ctx"]) <= steps
        and choice.n_gpu_layers == theirs["ngl"]
        and list(choice.tensor_split) == list(theirs["ts"])
        and [f"{pattern}={buffer}" for pattern, buffer in choice.overrides] == list(theirs["ot"])
    )
    pairs["fit_choice"] = [(float(same), 1.0)]
    return pairs
