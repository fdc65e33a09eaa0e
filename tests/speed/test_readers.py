"""Rows from outside: read where they say enough, refused with the reason where they can't be what they say."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.accuracy_memory import read_rows
from benchmarks.accuracy_speed import compare, summarise
from benchmarks.speed_cases import Unsupported, case_of
from benchmarks.speed_doubts import ranks
from benchmarks.speed_models import Resolver, catalogue_resolver
from benchmarks.speed_rows import data_files


@pytest.fixture(scope="module")
def resolver() -> Resolver:
    return catalogue_resolver()


def _rows(name: str) -> list[dict[str, Any]]:
    return read_rows(next(p for p in data_files() if p.name == name))


@pytest.fixture(scope="module")
def community(resolver: Resolver) -> list[dict[str, Any]]:
    return [compare(row, resolver) for row in _rows("community.jsonl")]


def test_runs_of_home_machines_are_read(community: list[dict[str, Any]]) -> None:
    assert sum(r["status"] == "ok" for r in community) >= 0.85 * len(community)
    groups = summarise(community)["decode"]["by_group"]
    assert groups["community"]["count"] >= 200 and groups["community, all on GPU"]["count"] >= 70


def test_what_a_home_run_says_of_its_placement_is_used(resolver: Resolver) -> None:
    laptop = [r for r in _rows("community.jsonl") if "Iris Xe" in r["hw"]]
    by_end = {
        end: next(r for r in laptop if end in r["model"] and "qwen3-8b" in r["model"])
        for end in ("-cpu", "gpu50", "gpu100")
    }
    placed = {end: case_of(row, resolver).placement for end, row in by_end.items()}
    assert placed == {"-cpu": "cpu", "gpu50": "partial", "gpu100": "full"}


def test_a_model_larger_than_its_card_was_not_all_on_it(resolver: Resolver) -> None:
    row = next(r for r in _rows("community.jsonl") if r["model"] == "qwen2.5-coder:14b" and r["vram"] == 8)
    assert case_of(row, resolver).placement == "partial"


def test_every_public_serving_row_is_read_or_refused_by_name(resolver: Resolver) -> None:
    refused = 0
    for row in _rows("serving.jsonl"):
        try:
            assert case_of(row, resolver).batch >= 1
        except Unsupported as error:
            refused += 1
            assert any(
                word in str(error) for word in ("queueing", "faster than memory", "GPUs", "does not fit")
            )
    assert refused < 20


def _serving(**changed: Any) -> dict[str, Any]:
    return {**_rows("serving.jsonl")[0], **changed}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tpot_ms": 0.2, "ttft_ms": 10.0}, "faster than memory"),
        ({"ttft_ms": 20_000.0}, "queueing"),
        ({"parallel": "tp3", "hw_count": 3}, "doesn't divide"),
        ({"parallel": "tp4 dp4 ep16", "hw_count": 4}, "16 GPUs"),
    ],
)
def test_a_row_that_cannot_be_is_refused(resolver: Resolver, changed: dict[str, Any], reason: str) -> None:
    assert case_of(_serving(), resolver)
    with pytest.raises(Unsupported, match=reason):
        case_of(_serving(**changed), resolver)


@pytest.mark.parametrize(
    ("parallel", "count", "expected"),
    [
        ("tp8", 8, (8, 1)),
        ("tp8 ep8", 8, (8, 1)),  # experts lie inside tensor parallelism
        ("tp4 dp2", 8, (4, 1)),  # two replicas, of which one is planned
        ("tp4 dp4", 4, (4, 4)),  # each rank attends to requests of its own
        (None, 2, (2, 1)),
    ],
)
def test_ranks_and_replicas(parallel: str | None, count: int, expected: tuple[int, int]) -> None:
    assert ranks({"parallel": parallel, "hw_count": count, "engine": "vllm"}, 64) == (*expected, None)


def test_a_queue_is_no_batch_where_the_row_says_how_many_ran(resolver: Resolver) -> None:
    """Little's law: the speed of all over the speed of one is how many ran, whatever the engine runs unasked."""
    row = next(r for r in _rows("speed.jsonl") if r["id"] == "llm-tracker-0138")
    running = row["total_output_tps"] * row["tpot_ms"] / 1000
    assert 256 < running < row["concurrency"]
    assert case_of(row, resolver).batch == pytest.approx(running)


def test_what_tables_of_kernels_add_up_to_is_no_measurement() -> None:
    from benchmarks.speed_rows import load, priors, weight_of

    modelled = priors()
    assert len(modelled) > 300 and {c.situation.engine for c in modelled} == {"vllm", "sglang"}
    assert all(not c.clean and weight_of(c) < 0.2 for c in modelled)
    assert not {c.id for c in modelled} & {c.id for c in load(data_files()[:1])[0]}
