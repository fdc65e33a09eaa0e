"""vLLM's own planning code and real servers' logs, against the planner (benchmarks/data)."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.accuracy_memory import compare
from benchmarks.memory_case import CaseResult

DATA = Path(__file__).parents[3] / "benchmarks" / "data" / "memory.jsonl"
# Servers' logs gathered after the rules were written: NVIDIA cards, and a Radeon whose overheads were read off them.
LOGS = DATA.with_name("vllm_logs.jsonl")


@lru_cache(maxsize=1)
def rows() -> tuple[dict[str, Any], ...]:
    lines = DATA.read_text(encoding="utf-8").splitlines()
    return tuple(r for r in map(json.loads, lines) if r["engine"] == "vllm")


@lru_cache(maxsize=1)
def results() -> tuple[CaseResult, ...]:
    return tuple(compare(row) for row in rows())


def errors(kind: str, part: str) -> list[float]:
    return sorted(abs(r.parts[part]["error"]) for r in results() if r.kind == kind and part in r.parts)


def test_every_planning_case_is_covered() -> None:
    cases = [r for r in results() if r.kind == "engine-planning"]
    assert len(cases) >= 90
    assert [r.id for r in cases if r.status not in ("ok", "refused")] == []


def test_weights_are_those_that_vllm_counts() -> None:
    found = errors("engine-planning", "weights")
    assert len(found) >= 90 and found[-1] < 0.02
    assert sum(e < 0.005 for e in found) >= 0.95 * len(found)


@pytest.mark.parametrize("part", ["kv_cache_tokens", "max_concurrency"])
def test_the_cache_is_exact(part: str) -> None:
    found = errors("engine-planning", part)
    assert len(found) >= 88 and found[-1] < 1e-6


def test_what_vllm_refuses_is_refused() -> None:
    assert errors("engine-planning", "refused") == [0.0] * 3
    assert [r.status for r in results() if r.model == "Qwen/Qwen3-8B" and r.status == "refused"]


def test_weights_of_real_servers() -> None:
    found = errors("log", "weights") + errors("log-reported_table", "weights")
    found.sort()
    assert len(found) >= 35
    assert found[len(found) // 2] < 0.01
    assert found[int(0.8 * len(found))] < 0.03


def test_cache_of_real_servers_from_their_own_bytes() -> None:
    """Tokens and concurrency of logs from 0.8 to 0.29: the geometry of older releases."""
    found = sorted(errors("log", "max_concurrency"))
    assert len(found) >= 20 and found[int(0.9 * len(found))] < 0.01


def test_runs_and_failures_are_foreseen() -> None:
    judged = [r.parts["ran"] for r in results() if "ran" in r.parts]
    ran = [p for p in judged if p["measured"] == 1]
    failed = [p for p in judged if p["measured"] == 0]
    assert len(ran) >= 25 and sum(p["predicted"] == 1 for p in ran) >= 0.95 * len(ran)
    assert len(failed) >= 6 and sum(p["predicted"] == 0 for p in failed) >= 0.8 * len(failed)


@lru_cache(maxsize=1)
def logged() -> tuple[tuple[dict[str, Any], CaseResult], ...]:
    found = [json.loads(line) for line in LOGS.read_text(encoding="utf-8").splitlines()]
    return tuple((row, compare(row)) for row in found)


def test_what_is_left_for_the_cache_in_logs_of_other_servers() -> None:
    found = sorted(abs(r.parts["kv_cache_available"]["error"]) for _, r in logged())
    assert len(found) >= 37
    assert (
        found[len(found) // 2] < 0.02
    )  # a Radeon's tail depends on what was compiled before: docs/accuracy.md


def test_what_is_left_on_discrete_gpus() -> None:
    """Half within 5 %, nine of ten within 20 %, over all logs that name a card with memory of its own."""
    shared = {row["id"] for row in rows() if "GB10" in json.dumps(row.get("machine"))}
    judged = [r for r in results() if r.kind == "log" and r.id not in shared] + [r for _, r in logged()]
    found = sorted(
        abs(r.parts["kv_cache_available"]["error"]) for r in judged if "kv_cache_available" in r.parts
    )
    assert len(found) >= 50
    assert found[len(found) // 2] < 0.05 and found[int(0.9 * len(found))] < 0.20


def test_every_log_is_covered() -> None:
    assert [r.id for r in results() if r.kind == "log" and r.status != "ok"] == []


def test_a_discrete_nvidia_card_keeps_what_is_foreseen() -> None:
    cuda = [r for row, r in logged() if "NVIDIA" in row["machine"]["gpus"][0]["name"]]
    assert len(cuda) >= 16
    assert max(abs(r.parts["kv_cache_available"]["error"]) for r in cuda) < 0.03
    assert max(abs(r.parts["weights"]["error"]) for r in cuda) < 0.01
