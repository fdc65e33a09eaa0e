"""llama.cpp's own allocator and real runs' logs, against the planner (benchmarks/data)."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from benchmarks.accuracy_memory import compare
from benchmarks.memory_case import CaseResult

DATA = Path(__file__).parents[3] / "benchmarks" / "data" / "memory.jsonl"


@lru_cache(maxsize=1)
def results() -> tuple[CaseResult, ...]:
    rows = map(json.loads, DATA.read_text(encoding="utf-8").splitlines())
    return tuple(compare(row) for row in rows if row["engine"] in ("llama.cpp", "ollama"))


def errors(engine: str, kind: str, part: str) -> list[float]:
    """Signed relative errors of a part over the cases of a kind, ascending."""
    found = (r for r in results() if (r.engine, r.kind) == (engine, kind))
    return sorted(r.parts[part]["error"] for r in found if part in r.parts)


def test_nearly_every_allocation_is_covered_and_refusals_are_shared() -> None:
    cases = [r for r in results() if r.kind == "allocator"]
    covered = [r for r in cases if r.status in ("ok", "refused")]
    assert len(cases) >= 1199 and len(covered) >= 0.99 * len(cases)
    assert len([r for r in covered if r.status == "refused"]) >= 7
    assert all("header" in (r.reason or "") for r in cases if r not in covered)


def test_weights_and_caches_are_exact() -> None:
    for part in ("weights", "kv_cache", "state"):
        found = errors("llama.cpp", "allocator", part)
        assert len(found) >= 1180
        assert (found[0], found[-1]) == (0.0, 0.0), part


def test_compute_and_total_are_within_a_few_percent() -> None:
    compute = errors("llama.cpp", "allocator", "compute")
    assert compute[0] >= -0.05 and compute[-1] <= 0.05
    total = errors("llama.cpp", "allocator", "total")
    assert total[0] >= -0.02
    assert sorted(map(abs, total))[int(0.9 * len(total))] <= 0.015


def test_fit_makes_the_same_choice() -> None:
    found = errors("llama.cpp", "allocator", "fit_choice")
    assert len(found) >= 120 and sum(e == 0 for e in found) >= 0.95 * len(found)


def test_logs_of_real_runs() -> None:
    for engine in ("llama.cpp", "ollama"):
        cache = errors(engine, "log", "kv_cache")
        assert len(cache) >= 16 and max(map(abs, cache)) < 1e-4, engine
        total = sorted(map(abs, errors(engine, "log", "total")))
        assert total[len(total) // 2] <= 0.02 and total[int(0.9 * len(total))] <= 0.05, engine
