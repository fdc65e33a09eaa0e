"""NVIDIA drivers that answer nonsense or break: a state or one line, never a traceback, never RAM taken for VRAM."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from planner.hardware.detect import detect
from planner.hardware.host.system import System
from planner.hardware.machine import Machine

GIB = 1 << 30
MEMORY = SimpleNamespace(total=24 * GIB, free=23 * GIB, reserved=GIB // 2)


class NVMLError(Exception):
    """As pynvml's."""


GOOD: dict[str, Any] = {
    "nvmlInit": None,
    "nvmlShutdown": None,
    "nvmlDeviceGetCount": 1,
    "nvmlSystemGetDriverVersion": "570.1",
    "nvmlDeviceGetHandleByIndex": object(),
    "nvmlDeviceGetName": "NVIDIA GeForce RTX 3090",
    "nvmlDeviceGetMemoryInfo": MEMORY,
    "nvmlDeviceGetUUID": "GPU-1",
    "nvmlDeviceGetCudaComputeCapability": (8, 6),
    "nvmlDeviceGetEnforcedPowerLimit": 350_000,
    "nvmlDeviceGetMaxPcieLinkGeneration": 4,
    "nvmlDeviceGetCurrPcieLinkWidth": 16,
    "nvmlDeviceGetMaxPcieLinkWidth": 16,
    "nvmlDeviceGetNvLinkState": 0,
    "nvmlDeviceGetComputeRunningProcesses": [],
    "nvmlDeviceGetGraphicsRunningProcesses": [],
    "nvmlDeviceGetDisplayActive": 0,
    "nvmlDeviceGetMigMode": [0, 0],
}
ODD: tuple[Any, ...] = (
    None,
    -1,
    1 << 80,
    math.nan,
    "\x1b[31mred\n",
    b"\xff\xfe",
    (None, None),
    (1,),
    [],
    {},
    NVMLError("Not Supported"),
    RuntimeError("broken"),
    SystemError("error return without exception set"),
    AttributeError("no such function"),
    OSError("io"),
)


def nvml(**answers: Any) -> Any:
    """A pynvml that answers as GOOD does but for `answers`; an exception is raised, "absent" is no function."""
    module = SimpleNamespace(NVMLError=NVMLError)
    for name, good in GOOD.items():
        value = answers.get(name, good)

        def call(*_: Any, value: Any = value) -> Any:
            if isinstance(value, Exception):
                raise value
            return value

        if value != "absent":
            setattr(module, name, call)
    return module


def seen(root: Path, module: Any) -> Machine:
    for name, text in (
        ("proc/driver/nvidia/version", "NVRM version"),
        ("proc/meminfo", f"MemTotal: {256 * GIB // 1024} kB\nMemAvailable: {200 * GIB // 1024} kB\n"),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    load: Callable[[], Any] = lambda: module  # noqa: E731 (a System's field is a function)
    return detect(System(root=root, platform="linux", env={}, nvml=load, affinity=lambda: 8))


@pytest.mark.parametrize("call", GOOD)
def test_any_answer_of_any_call_is_survived(tmp_path: Path, call: str) -> None:
    for odd in (*ODD, "absent"):
        machine = seen(tmp_path, nvml(**{call: odd}))
        for gpu in machine.accelerators:
            assert gpu.name.isprintable() and 0 <= gpu.memory_free <= gpu.memory_total <= 256 * GIB
        for note in machine.notes:
            assert "\n" not in note
        mig = call == "nvmlDeviceGetMigMode" and odd == (1,)  # split, and no slice answers
        if not mig and call not in ("nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex"):
            assert machine.accelerators, (call, odd)


def test_a_driver_that_answers_every_call_with_nonsense(tmp_path: Path) -> None:
    for odd in ODD:
        seen(tmp_path, nvml(**dict.fromkeys(GOOD, odd)))


@pytest.mark.parametrize("memory", [None, 0, 1.5, 1 << 60, NVMLError("Unknown Error")])
def test_a_discrete_card_that_does_not_tell_its_memory_is_no_shared_memory(
    tmp_path: Path, memory: Any
) -> None:
    answer = memory if isinstance(memory, Exception) else SimpleNamespace(total=memory, free=memory)
    (gpu,) = seen(tmp_path, nvml(nvmlDeviceGetMemoryInfo=answer)).accelerators
    assert not gpu.unified and gpu.memory_total == 24 * GIB


def test_a_chip_that_shares_the_memory_still_does(tmp_path: Path) -> None:
    answers = {"nvmlDeviceGetName": "NVIDIA GB10", "nvmlDeviceGetMemoryInfo": NVMLError("Not Supported")}
    (gpu,) = seen(tmp_path, nvml(**answers)).accelerators
    assert gpu.unified and gpu.memory_total == 256 * GIB


def test_a_binding_that_cannot_be_loaded(tmp_path: Path) -> None:
    for error in (RuntimeError("x"), OSError("x"), SystemError("\x1b[31m")):

        def broken(error: Exception = error) -> Any:
            raise error

        (tmp_path / "proc/driver/nvidia").mkdir(parents=True, exist_ok=True)
        (tmp_path / "proc/driver/nvidia/version").write_text("x")
        machine = detect(System(root=tmp_path, platform="linux", env={}, nvml=broken, affinity=lambda: 8))
        assert any("cannot be seen" in note for note in machine.notes)
