"""The memory-bandwidth test: plausible figures, and honest refusal."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from planner.errors import InputError
from planner.hardware.host import measure_ram as measure
from planner.hardware.profiles.load import load_profile


def test_reading_takes_about_a_second_and_is_plausible() -> None:
    found = measure.measure_memory_bandwidth()
    assert found.method in {"read", "copy"}
    assert 1e9 < found.bandwidth < 2e12
    assert found.seconds < 5
    assert "GB/s" in found.text


def test_without_numpy_memory_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "numpy":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(measure, "_SECONDS", 0.1)
    found = measure.measure_memory_bandwidth(1)
    assert found.method == "copy" and found.threads == 1 and found.bandwidth > 5e8


def test_little_free_memory_is_refused() -> None:
    with pytest.raises(InputError, match="too little memory"):
        measure.measure_memory_bandwidth(available=100 << 20)


def test_no_threads_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1"):
        measure.measure_memory_bandwidth(-1)


def test_the_machine_carries_the_measurement_and_its_source() -> None:
    machine = load_profile("rtx-4090")
    found = measure.Measured(60e9, "read", 8, 0.6, 256 << 20)
    changed = measure.with_measured(machine, found)
    assert changed.host.cpu.memory_bandwidth == pytest.approx(75e9)
    assert "measured 60.0 GB/s" in changed.sources["memory bandwidth"]
    assert changed.accelerators == machine.accelerators
