"""Recorded real machines detect right: name, memory, what is free, unified or not, the profile's facts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planner.hardware.detect import detect
from planner.hardware.machine import Accelerator, Machine
from planner.units import MIB
from tests.hardware.replay import load, recorded_names, system_of


def _detected(data: dict[str, Any], tmp_path: Path) -> Machine:
    return detect(system_of(data, tmp_path))


def check_gpu(gpu: Accelerator, want: dict[str, Any]) -> None:
    assert gpu.name == want["name"]
    assert gpu.memory_total // MIB == want["total_mib"]
    if want["free_mib"] is not None:
        assert gpu.memory_free // MIB == want["free_mib"]
    assert gpu.memory_free <= gpu.memory_total
    assert gpu.unified is want["unified"]
    assert gpu.profile == want["profile"]
    assert gpu.mig is want.get("mig", False)
    assert (gpu.memory_bandwidth is None) == (want["profile"] is None)
    checks = {
        "architecture": gpu.architecture,
        "cc": list(gpu.compute_capability or ()),
        "gfx": gpu.gfx_target,
        "backend": gpu.backend.value,
        "tdp_w": gpu.tdp_w,
        "integrated": gpu.integrated,
        "bandwidth_gb_s": (gpu.memory_bandwidth or 0) / 1e9,
        "fp16_tflops": (gpu.rates.fp16 or 0) / 1e12,
    }
    for key, value in checks.items():
        if key in want:
            assert (
                value == pytest.approx(want[key]) if isinstance(want[key], float) else value == want[key]
            ), key


@pytest.mark.parametrize("name", recorded_names())
def test_recorded_machine(name: str, tmp_path: Path) -> None:
    data = load(name)
    want = data["expect"]
    machine = _detected(data, tmp_path)
    host = machine.host
    assert machine.detected and len(machine.hosts) == 1
    assert len(machine.accelerators) == len(want["gpus"])
    for gpu, expected in zip(machine.accelerators, want["gpus"], strict=True):
        check_gpu(gpu, expected)
    assert [g.index for g in machine.accelerators] == list(range(len(machine.accelerators)))
    for text in want.get("notes", []):
        assert any(text in note for note in machine.notes), (text, machine.notes)
    if "limits" in want:
        assert len(host.limits) == len(want["limits"])
        assert all(limit.startswith(w) for limit, w in zip(host.limits, want["limits"], strict=True)), (
            host.limits
        )
    if "cpu_bandwidth_gb_s" in want:
        assert host.cpu.memory_bandwidth == pytest.approx(want["cpu_bandwidth_gb_s"] * 1e9)
    facts = {
        "ram_mib": host.ram_total // MIB,
        "ram_available_mib": host.ram_available // MIB,
        "cpu": host.cpu.name,
        "cores": host.cpu.usable_cores,
        "cpu_profile": host.cpu.profile,
        "os": host.os,
    }
    for key, value in facts.items():
        if key in want:
            assert value == want[key], key
    if "features" in want:
        assert host.cpu.features == set(want["features"])


def test_enough_machines_of_every_vendor_each_with_its_source() -> None:
    names = recorded_names()
    assert len(names) >= 25
    for vendor in ("nvidia", "amd", "intel", "apple", "windows", "host"):
        assert sum(n.startswith(vendor + "-") for n in names) >= 3, vendor
    assert all(len(load(n)["source"]) > 20 for n in names)
