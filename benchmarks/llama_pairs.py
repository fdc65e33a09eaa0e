"""An allocation of ours beside llama.cpp's own breakdown of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.memory_case import Pairs
from planner.engines.llama_cpp.allocation import LlamaMemory


def compare_allocation(
    measured: Mapping[str, Mapping[str, int]], gpus: list[dict[str, Any]], memory: LlamaMemory
) -> Pairs:
    """Pair an allocation with the engine's own breakdown: every GPU, and the host as one more device."""
    pairs: Pairs = {p: [] for p in ("weights", "kv_cache", "state", "compute", "total")}

    def add(predicted: tuple[int, int, int, int], figures: Mapping[str, int]) -> None:
        keys = ("weights", "kv_cache", "state", "compute")
        if "kv_cache" not in figures and "state" not in figures and "context" in figures:
            # both in one figure: where the engine's log didn't tell them apart
            weights, kv, state, compute = predicted
            predicted = weights, kv + state, 0, compute
            figures = {**figures, "kv_cache": figures["context"]}
        actual = tuple(figures.get(k, 0) for k in keys)
        for key, ours, theirs in zip(keys, predicted, actual, strict=True):
            pairs[key].append((ours, theirs))
        pairs["total"].append((sum(predicted), sum(actual)))

    for i, gpu in enumerate(gpus):
        caches = memory.caches
        ours = (memory.weights.devices[i], caches.kv[i], caches.state[i], memory.compute.devices[i])
        add(ours, measured.get(gpu["device"], {}))
    host: dict[str, int] = {}
    for name in ("CUDA_Host", "CPU", "CPU_REPACK"):
        for key, value in measured.get(name, {}).items():
            host[key] = host.get(key, 0) + value
    weights = memory.weights.host + memory.weights.repacked
    add((weights, memory.caches.kv_host, memory.caches.state_host, memory.compute.host), host)
    return pairs
