"""Every reader of foreign input, on damaged inputs: a bounded part of what benchmarks/fuzz.py runs by the million."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import Record, fuzz, run_one, table
from benchmarks.fuzz_readers import READERS


@pytest.mark.parametrize("name", READERS)
def test_damaged_inputs(name: str) -> None:
    record = fuzz(name, executions=400, seconds=4, seed=7)
    assert record.runs and record.worst < 2
    assert name in table({name: record})


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.binary(max_size=300))
def test_any_bytes(name: str, data: bytes) -> None:
    run_one(READERS[name], data, Record())


@pytest.mark.parametrize("name", READERS)
def test_the_seeds_are_read(name: str) -> None:
    """Damage is worth little to inputs that a reader refuses at once: most seeds pass it."""
    record = Record()
    for seed in READERS[name].seeds():
        run_one(READERS[name], seed, record)
    assert record.refused <= record.runs / 2


@pytest.mark.parametrize("option", ["--max-model-len", "--tensor-parallel-size", "--gpu-memory-utilization"])
def test_a_number_of_hundreds_of_digits_is_refused(option: str) -> None:
    """Found by the fuzzer: infinity became no whole number."""
    run_one(READERS["command"], f"vllm serve a/b {option} {'9' * 400}".encode(), record := Record())
    run_one(READERS["command"], f"vllm serve a/b {option} {'9' * 5000}".encode(), record)
    assert record.refused == 2
