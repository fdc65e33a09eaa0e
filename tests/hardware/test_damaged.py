"""Broken drivers, missing folders and nonsense degrade with a note, never with an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pynvml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.hardware.detect import detect
from planner.hardware.host.system import System, run_command
from planner.hardware.vendors.amd import gfx_name, is_apu
from planner.hardware.vendors.apple import working_set_rule
from planner.hardware.vendors.intel import is_discrete, shared_limit
from planner.hardware.vendors.visible_devices import visible_indices
from planner.units import GIB, MIB
from tests.hardware.replay import load, system_of

DRIVER = {"/proc/driver/nvidia/version": "NVRM"}
RTX_3090 = {"name": "NVIDIA GeForce RTX 3090", "total_mib": 24576, "used_mib": 500}


def linux(tmp_path: Path, **data: Any) -> System:
    return system_of({"platform": "linux", "files": {}, **data}, tmp_path)


def notes_of(system: System) -> str:
    return "\n".join(detect(system).notes)


def test_nothing_at_all_is_a_machine_without_a_gpu(tmp_path: Path) -> None:
    machine = detect(linux(tmp_path))
    assert machine.accelerators == () and machine.host.ram_total == 0
    text = "\n".join(machine.notes)
    for part in ("RAM cannot be read", "/proc/cpuinfo is missing", "/sys is missing", "no GPU was found"):
        assert part in text


@pytest.mark.parametrize(
    ("code", "part"),
    [
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "reboot"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "may not open /dev/nvidia"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "modprobe nvidia"),
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "cannot be seen"),
        (pynvml.NVML_ERROR_UNKNOWN, "cannot be seen"),
    ],
)
def test_a_broken_nvidia_driver_is_a_note(tmp_path: Path, code: int, part: str) -> None:
    system = linux(tmp_path, files=DRIVER, nvml={"init_error": code, "gpus": []})
    machine = detect(system)
    assert machine.accelerators == ()
    assert part in "\n".join(machine.notes)


def test_a_card_without_a_loaded_driver_is_named(tmp_path: Path) -> None:
    device = "/sys/bus/pci/devices/0000:01:00.0"
    files = {f"{device}/vendor": "0x10de", f"{device}/class": "0x030000"}
    assert "its driver is not loaded" in notes_of(linux(tmp_path, files=files))


def test_no_nvml_module_is_a_note(tmp_path: Path) -> None:
    def missing() -> Any:
        raise ImportError("pynvml")

    system = linux(tmp_path, files=DRIVER)
    system = System(root=system.root, platform="linux", env={}, nvml=missing, affinity=lambda: 1)
    assert "pynvml" in notes_of(system)


def test_one_lost_card_leaves_the_others(tmp_path: Path) -> None:
    lost = {"name": "x", "open_error": pynvml.NVML_ERROR_GPU_IS_LOST}
    machine = detect(linux(tmp_path, files=DRIVER, nvml={"gpus": [lost, RTX_3090]}))
    assert [g.name for g in machine.accelerators] == ["NVIDIA GeForce RTX 3090"]
    assert any("GPU 0 cannot be opened" in note for note in machine.notes)


@pytest.mark.parametrize(
    "raw", [{"total": 0, "free": 0}, {"total": -5, "free": 1}, {"total": 1 << 60, "free": 0}]
)
def test_absurd_memory_is_read_as_shared_not_believed(tmp_path: Path, raw: dict[str, int]) -> None:
    files = DRIVER | {"/proc/meminfo": "MemTotal: 1000000 kB\nMemAvailable: 900000 kB\n"}
    gpus = [{"name": "NVIDIA Thing", "raw_memory": raw}]
    (gpu,) = detect(linux(tmp_path, files=files, nvml={"gpus": gpus})).accelerators
    assert gpu.unified and gpu.memory_total == 1000000 * 1024 and gpu.memory_free == 900000 * 1024


def test_free_memory_above_the_total_is_not_believed(tmp_path: Path) -> None:
    gpus = [{"name": "NVIDIA GeForce RTX 3090", "raw_memory": {"total": 24 * GIB, "free": 99 * GIB}}]
    (gpu,) = detect(linux(tmp_path, files=DRIVER, nvml={"gpus": gpus})).accelerators
    assert gpu.memory_free == gpu.memory_total == 24 * GIB


def test_mig_mode_without_slices_leaves_no_device(tmp_path: Path) -> None:
    gpus = [{"name": "NVIDIA A100-SXM4-80GB", "total_mib": 81920, "used_mib": 0, "mig": []}]
    machine = detect(linux(tmp_path, files=DRIVER, nvml={"gpus": gpus}))
    assert machine.accelerators == () and any("has no slice" in note for note in machine.notes)


def test_an_unknown_card_keeps_its_memory_and_has_no_speed(tmp_path: Path) -> None:
    gpus = [{"name": "NVIDIA Future 9000", "total_mib": 50000, "used_mib": 100}]
    (gpu,) = (machine := detect(linux(tmp_path, files=DRIVER, nvml={"gpus": gpus}))).accelerators
    assert gpu.memory_total == 50000 * MIB and gpu.memory_bandwidth is None
    assert any("no profile knows NVIDIA Future 9000" in note for note in machine.notes)


def test_a_card_with_exchanged_memory_chips_takes_its_namesakes_speed(tmp_path: Path) -> None:
    gpus = [{"name": "NVIDIA GeForce RTX 3070", "total_mib": 16384, "used_mib": 0}]
    (gpu,) = (machine := detect(linux(tmp_path, files=DRIVER, nvml={"gpus": gpus}))).accelerators
    assert gpu.profile == "rtx-3070" and gpu.memory_total == 16384 * MIB
    assert any("another memory size" in note for note in machine.notes)


def test_hidden_cards_are_left_out_and_said(tmp_path: Path) -> None:
    gpus = [RTX_3090 | {"uuid": f"GPU-{i}a"} for i in range(3)]
    env = {"CUDA_VISIBLE_DEVICES": "2,0"}
    machine = detect(linux(tmp_path, files=DRIVER, nvml={"gpus": gpus}, env=env))
    assert [g.uuid for g in machine.accelerators] == ["GPU-2a", "GPU-0a"]
    assert any("shows 2 of 3" in note for note in machine.notes)


def test_pcie_width_and_nvlink_come_from_the_card(tmp_path: Path) -> None:
    gpus = [RTX_3090 | {"pcie": [4, 8, 16], "nvlinks": 4}, RTX_3090 | {"pcie": [3, 16, 16]}]
    machine = detect(linux(tmp_path, files=DRIVER, nvml={"gpus": gpus}))
    first, second = machine.accelerators
    assert first.pcie_bandwidth == pytest.approx(8 * 1.969e9)
    assert first.nvlink_bandwidth == pytest.approx(112.5e9)
    assert second.pcie_bandwidth == pytest.approx(16 * 0.985e9) and second.nvlink_bandwidth is None
    assert any("8 of its 16 PCIe lanes" in note for note in machine.notes)


def test_the_drivers_own_part_comes_from_nvml(tmp_path: Path) -> None:
    gpus = [RTX_3090 | {"reserved_mib": 447, "used_mib": 100}, RTX_3090]
    first, second = detect(linux(tmp_path, files=DRIVER, nvml={"gpus": gpus})).accelerators
    assert first.memory_reserved == 447 * MIB and first.memory_free == (24576 - 447 - 100) * MIB
    assert not second.memory_reserved and second.memory_free == (24576 - 500) * MIB


def test_an_amd_card_without_its_driver_is_left_out(tmp_path: Path) -> None:
    base = "/sys/class/drm/card0/device"
    files = {f"{base}/vendor": "0x1002", f"{base}/device": "0x744c", f"{base}/uevent": "DRIVER=vfio-pci\n"}
    machine = detect(linux(tmp_path, files=files))
    assert machine.accelerators == () and any("reports no memory" in note for note in machine.notes)


def test_an_unknown_intel_card_without_a_size_asks_for_it(tmp_path: Path) -> None:
    base = "/sys/class/drm/card0/device"
    files = {f"{base}/vendor": "0x8086", f"{base}/device": "0xe2ff"}
    assert "say --vram" in notes_of(linux(tmp_path, files=files))


def test_amd_cards_hidden_by_rocm_variables(tmp_path: Path) -> None:
    data = load("amd-2x-rx-6800") | {"env": {"HIP_VISIBLE_DEVICES": "1"}}
    machine = detect(system_of(data, tmp_path))
    assert len(machine.accelerators) == 1 and any("shows 1 of 2" in note for note in machine.notes)


def test_a_mac_that_answers_nothing(tmp_path: Path) -> None:
    machine = detect(system_of({"platform": "darwin"}, tmp_path))
    assert machine.accelerators == () and any("hw.memsize" in note for note in machine.notes)


def test_a_mac_with_an_intel_processor_has_no_gpu_for_us(tmp_path: Path) -> None:
    sysctl = "hw.memsize: 17179869184\nmachdep.cpu.brand_string: Intel(R) Core(TM) i7-8850H CPU @ 2.60GHz\n"
    machine = detect(system_of({"platform": "darwin", "commands": {"sysctl": sysctl}}, tmp_path))
    assert machine.accelerators == () and any("Intel processor" in note for note in machine.notes)


def test_a_windows_registry_without_permission(tmp_path: Path) -> None:
    machine = detect(system_of({"platform": "win32", "registry": []}, tmp_path))
    assert machine.accelerators == () and machine.host.os == "windows"


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(max_size=200),
    name=st.sampled_from(
        [
            "/proc/meminfo",
            "/proc/cpuinfo",
            "/proc/self/cgroup",
            "/proc/self/mountinfo",
            "/sys/fs/cgroup/memory.max",
            "/sys/class/drm/card0/device/mem_info_vram_total",
            "/sys/class/drm/card0/device/uevent",
            "/sys/class/kfd/kfd/topology/nodes/1/properties",
        ]
    ),
)
def test_any_text_in_any_file_is_survived(
    tmp_path_factory: pytest.TempPathFactory, text: str, name: str
) -> None:
    base = "/sys/class/drm/card0/device"
    files = {f"{base}/vendor": "0x1002", f"{base}/device": "0x744c", name: text.replace("\x00", "")}
    if any(0xD800 <= ord(c) < 0xE000 for c in text):
        return
    detect(linux(tmp_path_factory.mktemp("any"), files=files))


def test_files_that_may_not_be_read_or_are_folders_are_none(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    system = System(root=tmp_path)
    assert system.read("/folder") is None and system.read("/none") is None
    assert system.read("/\x00") is None and system.entries("/none") == []


def test_commands_that_fail_are_none() -> None:
    assert run_command(["false"]) is None
    assert run_command(["no-such-command-here"]) is None
    assert run_command(["echo", "x"]) == "x\n"


def test_visible_devices_read_as_the_runtimes_do() -> None:
    uuids = ["GPU-aaaa1111", "GPU-bbbb2222", None]
    assert visible_indices("0,2", uuids) == [0, 2]
    assert visible_indices("", uuids) == [] and visible_indices("-1", uuids) == []
    assert visible_indices("1,9,0", uuids) == [1]  # the list ends at the first entry that is no device
    assert visible_indices("gpu-bb,0", uuids) == [1, 0]
    assert visible_indices("GPU-", uuids) == []  # two cards start so
    assert visible_indices("1,1", uuids) == [1]


def test_rules_of_the_vendors() -> None:
    assert gfx_name(110000) == "gfx1100" and gfx_name(90010) == "gfx90a" and gfx_name(90402) == "gfx942"
    assert gfx_name(120001) == "gfx1201" and gfx_name(100300) == "gfx1030" and gfx_name(110501) == "gfx1151"
    assert is_apu(0x1586) and is_apu(0x15BF) and is_apu(0x74A0) and not is_apu(0x744C) and not is_apu(0x66A1)
    assert is_discrete(0xE20B) and is_discrete(0x56A0) and not is_discrete(0x64A0) and not is_discrete(0x46A6)
    assert shared_limit(4 * GIB) == 2 * GIB and shared_limit(32 * GIB) == 24 * GIB
    assert working_set_rule(64 * GIB) == 53084 * MIB and working_set_rule(96 * GIB) == 72 * GIB
    assert working_set_rule(8 * GIB) == 8 * GIB * 2 // 3
