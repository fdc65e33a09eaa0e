"""A recorded machine behind the door that detection goes through: a file tree, commands and NVML answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml

from planner.hardware.host.system import System
from planner.units import MIB

RECORDED = Path(__file__).parent / "recorded"


def recorded_names() -> list[str]:
    return sorted(path.stem for path in RECORDED.glob("*.json"))


def load(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))
    return data


class ReplayNvml:
    """Answers as pynvml does, with its own errors, from a recorded list of devices."""

    NVMLError = pynvml.NVMLError
    nvmlMemory_v2 = pynvml.nvmlMemory_v2

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.open = False

    def _fail(self, code: int) -> Any:
        raise pynvml.NVMLError(code)

    def nvmlInit(self) -> None:
        if "init_error" in self.state:
            self._fail(self.state["init_error"])
        self.open = True

    def nvmlShutdown(self) -> None:
        self.open = False

    def nvmlDeviceGetCount(self) -> int:
        return len(self.state["gpus"])

    def nvmlSystemGetDriverVersion(self) -> str:
        return self.state.get("driver") or self._fail(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> dict[str, Any]:
        device: dict[str, Any] = self.state["gpus"][index]
        if "open_error" in device:
            self._fail(device["open_error"])
        return device

    def nvmlDeviceGetName(self, device: dict[str, Any]) -> str:
        return device["name"]

    def nvmlDeviceGetMemoryInfo(self, device: dict[str, Any], version: int | None = None) -> Any:
        if version is not None and "reserved_mib" not in device:
            self._fail(pynvml.NVML_ERROR_FUNCTION_NOT_FOUND)
        if device.get("memory") == "not supported":
            self._fail(pynvml.NVML_ERROR_NOT_SUPPORTED)
        if "raw_memory" in device:
            return SimpleNamespace(**device["raw_memory"])
        total, used = device["total_mib"] * MIB, device["used_mib"] * MIB
        reserved = device["reserved_mib"] * MIB if version is not None else 0
        return SimpleNamespace(total=total, free=total - used - reserved, used=used, reserved=reserved)

    def nvmlDeviceGetUUID(self, device: dict[str, Any]) -> str:
        return device.get("uuid") or self._fail(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetCudaComputeCapability(self, device: dict[str, Any]) -> list[int]:
        return device.get("cc") or self._fail(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetEnforcedPowerLimit(self, device: dict[str, Any]) -> int:
        return (
            device["power_w"] * 1000 if "power_w" in device else self._fail(pynvml.NVML_ERROR_NOT_SUPPORTED)
        )

    def nvmlDeviceGetMaxPcieLinkGeneration(self, device: dict[str, Any]) -> int:
        return device["pcie"][0] if "pcie" in device else self._fail(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetCurrPcieLinkWidth(self, device: dict[str, Any]) -> int:
        return device["pcie"][1] if "pcie" in device else self._fail(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetMaxPcieLinkWidth(self, device: dict[str, Any]) -> int:
        return device["pcie"][2] if "pcie" in device else self._fail(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetNvLinkState(self, device: dict[str, Any], link: int) -> int:
        return 1 if link < device.get("nvlinks", 0) else self._fail(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetComputeRunningProcesses(self, device: dict[str, Any]) -> list[Any]:
        return [SimpleNamespace(pid=pid) for pid in device.get("pids", [])]

    def nvmlDeviceGetGraphicsRunningProcesses(self, device: dict[str, Any]) -> list[Any]:
        return []

    def nvmlDeviceGetDisplayActive(self, device: dict[str, Any]) -> int:
        return int(device.get("display", False))

    def nvmlDeviceGetMigMode(self, device: dict[str, Any]) -> list[int]:
        return [1, 1] if "mig" in device else self._fail(pynvml.NVML_ERROR_NOT_SUPPORTED)

    def nvmlDeviceGetMaxMigDeviceCount(self, device: dict[str, Any]) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: dict[str, Any], number: int) -> dict[str, Any]:
        slices: list[dict[str, Any]] = device["mig"]
        return slices[number] if number < len(slices) else self._fail(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetAttributes(self, device: dict[str, Any]) -> Any:
        return SimpleNamespace(gpuInstanceSliceCount=device["slices"])


def write_tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def system_of(data: dict[str, Any], root: Path) -> System:
    """The recorded machine, its files below `root`."""
    write_tree(root, data.get("files", {}))
    commands: dict[str, str] = data.get("commands", {})

    def run(command: Sequence[str]) -> str | None:
        return commands.get(command[0])

    def nvml() -> Any:
        if "nvml" not in data:
            return ReplayNvml({"init_error": pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "gpus": []})
        return ReplayNvml(data["nvml"])

    limit = data.get("metal_limit_mib")
    return System(
        root=root,
        platform=data["platform"],
        env=data.get("env", {}),
        run=run,
        nvml=nvml,
        affinity=lambda: data.get("affinity"),
        metal_limit=lambda: None if limit is None else limit * MIB,
        registry=lambda: [_registry_row(row) for row in data.get("registry", [])],
    )


def _registry_row(row: dict[str, Any]) -> dict[str, Any]:
    """JSON holds no bytes: REG_BINARY values are recorded as hexadecimal text."""
    key = "HardwareInformation.qwMemorySize"
    value = row.get(key)
    return row | {key: bytes.fromhex(value)} if isinstance(value, str) else row
