"""Measured cases from outside: none ends the run, and none is compared with what it isn't."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from benchmarks.accuracy_memory import compare
from benchmarks.accuracy_speed import compare as compare_speed
from benchmarks.accuracy_speed import summarise
from benchmarks.speed_models import Resolver, catalogue_resolver

DATA: Final = Path(__file__).parent.parent / "benchmarks" / "data"
ODD: Final = (None, "x", "12", 0, -1, 3, 1e30, True, [], {}, [1], [None], {"a": 1}, {"CUDA0": None})


@cache
def _rows(name: str) -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(line) for line in (DATA / name).read_text().splitlines() if line)


def _first(kind: str, engine: str) -> dict[str, Any]:
    return next(r for r in _rows("memory.jsonl") if r["source"]["kind"] == kind and r["engine"] == engine)


CASES: Final = {
    "allocator": lambda: next(
        r
        for r in _rows("memory.jsonl")
        if r["source"]["kind"] == "allocator" and r["model"] == "Qwen/Qwen3-8B" and "fit" not in r["settings"]
    ),
    "llama.cpp log": lambda: _first("log", "llama.cpp"),
    "ollama log": lambda: _first("log", "ollama"),
    "vllm planning": lambda: _first("engine-planning", "vllm"),
    "vllm log": lambda: _first("log", "vllm"),
}


def _damaged(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The row without each field, and with something else in it; the same for the fields inside."""
    for name in row:
        yield {k: v for k, v in row.items() if k != name}
        for value in ODD:
            yield {**row, name: value}
        if isinstance(row[name], dict):
            for inner in row[name]:
                for value in ODD:
                    yield {**row, name: {**row[name], inner: value}}


@pytest.mark.parametrize("kind", CASES)
def test_a_damaged_memory_case_is_answered(kind: str) -> None:
    for row in _damaged(CASES[kind]()):
        result = compare(row)
        assert result.status in ("ok", "refused", "unsupported", "missed")
        assert result.status in ("ok", "refused") or result.reason
        json.dumps(result.as_json())


@cache
def _resolver() -> Resolver:
    return catalogue_resolver()


def test_a_damaged_speed_row_is_answered() -> None:
    rows = [r for r in _rows("speed.jsonl") if not r.get("flags")]
    chosen = [
        next(r for r in rows if r.get("residency") == residency and r.get("decode_tps"))
        for residency in ("full", "partial", "cpu")
    ]
    results = [compare_speed(damaged, _resolver()) for row in chosen for damaged in _damaged(row)]
    assert all(r["status"] == "ok" or r["reason"] for r in results)
    json.dumps(summarise(results))


def _changed(kind: str, **settings: Any) -> dict[str, Any]:
    row = deepcopy(CASES[kind]())
    row["settings"] |= settings
    return row


@pytest.mark.parametrize("quant", ["UD-Q4_K_XL", "Q4_K_XL", "UD-IQ1_S", "IQ4_KS", "weird", "AWQ"])
def test_tensor_types_are_not_guessed(quant: str) -> None:
    result = compare({**CASES["allocator"](), "quant": quant})
    assert result.status == "unsupported" and result.reason and quant in result.reason


@pytest.mark.parametrize("name", ["rope_freq_scale", "lora", "anything_new"])
def test_a_setting_without_a_rule_is_not_left_out(name: str) -> None:
    result = compare(_changed("allocator", **{name: 1}))
    assert result.status == "unsupported" and result.reason and name in result.reason


@pytest.mark.parametrize(
    "flag",
    [
        "--hf-overrides '{\"num_hidden_layers\": 4}'",
        "--kv-cache-dtype-skip-layers 0",
        '--speculative-config \'{"method":"dflash","model":"x/y","num_speculative_tokens":3}\'',
        "--prefill-context-parallel-size 2",
    ],
)
def test_a_flag_without_a_rule_is_not_left_out(flag: str) -> None:
    row = CASES["vllm planning"]()
    assert compare({**row, "command": f"vllm serve {row['model']} {flag}"}).status == "unsupported"


def test_the_trained_context_comes_in_cells_of_every_sequence() -> None:
    """n_ctx 0 for three sequences: 40,960 tokens become 3 × 13,824 cells, no other model's context."""
    row = _changed("allocator", n_ctx=0, n_parallel=3, n_outputs_max=3, kv_unified=False)
    row["measured"] |= {"n_ctx": 41472}
    assert compare(row).status == "ok"
    row["measured"] |= {"n_ctx": 41472 + 3 * 256}
    assert compare(row).status == "unsupported"


def test_fit_starts_from_the_trained_context_of_every_sequence() -> None:
    """Four sequences of their own may have four times the trained context, one shared cache may not."""
    row = deepcopy(
        next(
            r
            for r in _rows("memory.jsonl")
            if r["settings"].get("fit")
            and r["settings"].get("n_parallel") == 4
            and not r["settings"]["n_ctx"]
        )
    )
    trained = 40960
    row |= {"model": "Qwen/Qwen3-8B"}
    row["measured"] |= {"n_ctx": 4 * trained}
    for unified, status in ((False, "ok"), (True, "unsupported")):
        row["settings"] |= {"kv_unified": unified}
        assert compare(row).status == status
