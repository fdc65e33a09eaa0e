"""The bandwidth test of graphics cards, on a driver library compiled over the host's memory."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from planner.hardware.machine import Machine
from planner.hardware.profiles.load import load_profile
from planner.hardware.vendors import measure_vram as measure_gpu
from planner.hardware.vendors.measure_vram import (
    OF_PEAK,
    MeasuredGpu,
    measure_gpu_bandwidth,
    with_measured_gpus,
)

SOURCE = Path(__file__).with_name("gpu_library.c")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    built = tmp_path_factory.mktemp("driver") / "libcuda.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(built), str(SOURCE)], check=True)
    return built


def test_the_driver_copies_and_a_card_that_fails_is_left_out(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure_gpu, "_COPIES", 2)
    found = measure_gpu_bandwidth([(str(library), measure_gpu._CUDA)])
    assert [m.name for m in found] == ["NVIDIA GeForce RTX 4090"]  # the second card's context can't be opened
    assert found[0].uuid == "GPU-00010203-0405-0607-0809-0a0b0c0d0e0f"
    assert 1e8 < found[0].bandwidth < 1e12 and found[0].seconds < 10  # the host's RAM


def test_without_a_library_nothing_is_measured(tmp_path: Path) -> None:
    assert measure_gpu_bandwidth([(str(tmp_path / "libcuda.so.1"), measure_gpu._CUDA)]) == ()


def test_a_library_without_the_calls_is_passed_over(library: Path) -> None:
    assert measure_gpu_bandwidth([(str(library), measure_gpu._HIP)]) == ()


def with_bandwidth(bandwidth: float | None) -> Machine:
    machine = load_profile("rtx-4090")
    card = replace(machine.accelerators[0], memory_bandwidth=bandwidth, uuid="GPU-1")
    return replace(machine, hosts=(replace(machine.host, accelerators=(card,)),))


def test_a_measurement_that_confirms_the_data_sheet_changes_nothing() -> None:
    machine = with_bandwidth(1008e9)
    changed = with_measured_gpus(machine, [MeasuredGpu("other name", "GPU-1", 905e9, 0.4)])
    assert changed.accelerators == machine.accelerators
    assert "905 GB/s" in changed.sources[f"memory bandwidth of {machine.accelerators[0].name}"]


@pytest.mark.parametrize("known", [None, 1008e9])
def test_a_slower_or_unknown_card_takes_what_was_measured(known: float | None) -> None:
    machine = with_bandwidth(known)
    changed = with_measured_gpus(machine, [MeasuredGpu(machine.accelerators[0].name, None, 522e9, 0.4)])
    assert changed.accelerators[0].memory_bandwidth == pytest.approx(522e9 / OF_PEAK[1])


def test_another_cards_measurement_is_not_taken() -> None:
    machine = with_bandwidth(1008e9)
    assert (
        with_measured_gpus(machine, [MeasuredGpu("NVIDIA T4", "GPU-2", 250e9, 0.4)]).accelerators
        == machine.accelerators
    )
    assert with_measured_gpus(machine, []) is machine
