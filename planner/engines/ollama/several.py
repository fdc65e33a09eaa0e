"""Several models under one Ollama: what its server says for all of them.

Read in ollama/ollama at fb30760 (2026-08-21): envconfig/config.go (MaxRunners, NumParallel, KvCacheType),
server/sched.go (each model has a runner, a process of its own; one that finds no room unloads another).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.plan import Plan


def common_settings(plans: Sequence[Plan]) -> Mapping[str, Any]:
    """Return the cache type that any of the models needs, and the most requests at a time."""
    common: dict[str, Any] = {}
    kinds = [str(plan.settings.get("kv_cache_type") or "f16") for plan in plans]
    if narrow := [kind for kind in kinds if kind != "f16"]:
        common["kv_cache_type"] = narrow[0]
    users = [int(plan.settings.get("num_parallel", 1)) for plan in plans]
    if len(set(users)) > 1:
        common["num_parallel"] = max(users)
    return common


def common_environment(loaded: int) -> Mapping[str, str]:
    """Return how many models stay loaded; by itself it is three a GPU, or three (server/sched.go)."""
    return {"OLLAMA_MAX_LOADED_MODELS": str(loaded)}
