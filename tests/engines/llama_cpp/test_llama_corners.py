"""Settings and models at the edges of llama.cpp's rules: to the byte what its own allocator says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from planner.engines.llama_cpp.allocation import Devices, allocate
from planner.engines.llama_cpp.compute import accounted_buffers
from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.models.catalogue.catalogue import find_entry

CASES: Final[list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("llama_corner_cases.json").read_text()
)["cases"]


@pytest.mark.parametrize("case", CASES, ids=[f"{c['what']}, {c['model'].split('/')[1]}" for c in CASES])
def test_as_the_engine_accounts(case: dict[str, Any]) -> None:
    table = weight_table(find_entry(case["model"]).architecture(), case["quant"], imatrix=False)
    devices = Devices((1 << 42,) * case["devices"])
    memory = allocate(table, LlamaCppSettings.of(case["settings"]), devices, measure=accounted_buffers)
    caches = memory.caches
    found = {
        "weights": [*memory.weights.devices, memory.weights.host],
        "caches": [
            *(k + s for k, s in zip(caches.kv, caches.state, strict=True)),
            caches.kv_host + caches.state_host,
        ],
        "compute": [*memory.compute.devices, memory.compute.host],
    }
    assert found == {part: case[part] for part in found}
