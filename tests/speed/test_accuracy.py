"""Against published measurements: the errors and the calibration that the documentation states."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.accuracy_memory import read_rows
from benchmarks.accuracy_speed import compare, summarise
from benchmarks.speed_models import Resolver, catalogue_resolver, tokens

DATA = Path(__file__).parents[2] / "benchmarks" / "data" / "speed.jsonl"


@pytest.fixture(scope="module")
def resolver() -> Resolver:
    return catalogue_resolver()


@pytest.fixture(scope="module")
def results(resolver: Resolver) -> list[dict[str, Any]]:
    return [compare(row, resolver) for row in read_rows(DATA)]


@pytest.fixture(scope="module")
def plain(results: list[dict[str, Any]]) -> Mapping[str, Any]:
    return summarise([r for r in results if not r["flags"]])


def test_nearly_every_row_is_predicted(plain: Mapping[str, Any]) -> None:
    assert plain["covered"] >= 0.95


def test_decode_error(plain: Mapping[str, Any]) -> None:
    assert plain["decode"]["median"] <= 0.10
    assert plain["decode"]["p90"] <= 0.30


@pytest.mark.parametrize("residency", ["partial", "cpu"])
def test_decode_error_off_the_gpu(plain: Mapping[str, Any], residency: str) -> None:
    assert plain["decode"]["by_residency"][residency]["median"] <= 0.20


def test_prefill_error(plain: Mapping[str, Any]) -> None:
    assert plain["prefill"]["median"] <= 0.20
    assert plain["prefill"]["p90"] <= 0.50


def test_serving_error(plain: Mapping[str, Any]) -> None:
    assert plain["serving"]["median"] <= 0.25


@pytest.mark.parametrize("quantity", ["decode", "prefill", "serving"])
def test_the_interval_holds(plain: Mapping[str, Any], quantity: str) -> None:
    assert 0.75 <= plain[quantity]["inside"] <= 0.93
    assert abs(plain[quantity]["bias"]) < 0.05


def test_far_better_than_the_formulas_of_others(plain: Mapping[str, Any]) -> None:
    ours = plain["peers"]["planner"]["median"]
    assert all(2 * ours < f["median"] for name, f in plain["peers"].items() if name != "planner")


def test_leaving_hardware_out_is_recorded() -> None:
    raw = json.loads((Path("planner") / "speed" / "coefficients.json").read_text(encoding="utf-8"))
    left_out = raw["decode"]["residuals"]["hardware left out"]["median"]
    assert raw["decode"]["residuals"]["in the fit"]["median"] < left_out < 0.25
    assert raw["date"] and raw["decode"]["count"] > 1000


@pytest.mark.parametrize("page", ["README.md", "docs/accuracy.md"])
def test_the_pages_state_errors_of_rows_that_the_fit_had_not_seen(page: str) -> None:
    """The figures of the fit's own report: median, 90th percentile and share inside, left out."""
    root = DATA.parents[2]
    table = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (root / "docs" / "speed_errors.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ]
    stated = " ".join((root / page).read_text(encoding="utf-8").split())
    for quantity, rows in (
        ("decode", "planned engines, builds of the last twelve months"),
        ("decode", "one stream, all on GPU"),
        ("serving", "all"),
        ("prefill", "planned engines, builds of the last twelve months"),
    ):
        found = next(cells for cells in table if cells[:2] == [quantity, rows])
        median, p90, inside = (found[i].replace("%", " %") for i in (7, 8, 9))
        assert re.search(rf"{re.escape(median)}\D+(?:90 % within )?{p90}\D+{inside}", stated), (
            quantity,
            rows,
        )


def test_where_a_row_was_published_does_not_matter(resolver: Resolver) -> None:
    row = next(r for r in read_rows(DATA) if r.get("decode_tps") and not r.get("flags"))
    other = {**row, "id": "x", "src": "elsewhere", "source_url": "https://example.org"}
    assert compare(other, resolver)["decode"] == compare(row, resolver)["decode"]


@pytest.mark.parametrize(
    "damage",
    [
        {"model": None},
        {"model": "nothing-like-it"},
        {"hw_key": "Abacus 3000", "hardware": "Abacus 3000"},
        {"quant": "???", "file_size_gib": None},
        {"hw_count": "many"},
        {"isl": 0, "osl": 0},
        {"decode_tps": None, "prefill_tps": None, "total_output_tps": None, "tpot_ms": None},
    ],
)
def test_a_damaged_row_is_named_not_fatal(resolver: Resolver, damage: dict[str, Any]) -> None:
    row = next(r for r in read_rows(DATA) if r.get("decode_tps") and r.get("hw_key") == "RTX 4090")
    result = compare({**row, **damage}, resolver)
    assert result["status"] in {"ok", "unsupported", "dropped"}
    assert result["status"] == "ok" or result["reason"]


@pytest.mark.parametrize(
    ("name", "raw", "kind", "expected"),
    [
        ("Qwen3-30B-A3B", None, "moe", "Qwen/Qwen3-30B-A3B"),
        ("qwen3.5:35b-mlx", None, "moe", "Qwen/Qwen3.5-35B-A3B"),
        ("ConicCat_Qwen3.5-27B-Writer-Q4_K_M.gguf", None, "dense", "Qwen/Qwen3.5-27B"),
        ("Llama-4-Scout", None, "moe", "meta-llama/Llama-4-Scout-17B-16E-Instruct"),
        ("gemma-4-E4B-it-QAT-Q4_0.gguf", None, "dense", "google/gemma-4-E4B-it"),
        ("DeepSeek-V3-671B", "deepseek-ai/DeepSeek-R1", "moe", "deepseek-ai/DeepSeek-V3"),
        ("Llama-2-7B", None, "dense", "meta-llama/Llama-2-7b-chat-hf"),
    ],
)
def test_models_are_found_by_the_names_people_write(
    resolver: Resolver, name: str, raw: str | None, kind: str, expected: str
) -> None:
    assert resolver.find(name, raw, kind).name == expected


def test_an_unknown_model_is_taken_by_its_size(resolver: Resolver) -> None:
    found = resolver.find("Somebodys-Tune-7B-Q4_K_M.gguf", None, "dense")
    assert found.how == "size" and found.work.parameters == pytest.approx(7e9)
    with pytest.raises(KeyError):
        resolver.find("no-size-at-all", None, "dense")


def test_quantisation_is_no_part_of_a_name() -> None:
    assert tokens("Qwen2.5-7B-Instruct-Q4_K_M.gguf") == ("qwen", "2.5", "7b")
