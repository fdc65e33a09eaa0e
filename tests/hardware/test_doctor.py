"""doctor and profiles: what they print, what they export, and what they must never tell."""

from __future__ import annotations

import getpass
import json
import socket
from pathlib import Path

import pytest

from planner.cli.doctor import doctor, print_machine_facts
from planner.cli.profiles import profiles
from planner.errors import InputError
from planner.hardware.detect import detect
from planner.hardware.machine import Host, Machine
from planner.hardware.profiles.exported import export_profile
from planner.hardware.profiles.load import load_profile
from planner.units import GIB
from tests.hardware.replay import load, recorded_names, system_of


@pytest.mark.parametrize("name", recorded_names())
def test_an_exported_machine_reads_back_as_it_was(name: str, tmp_path: Path) -> None:
    machine = detect(system_of(load(name), tmp_path / "root"))
    if machine.host.ram_total == 0:
        machine = Machine(hosts=(Host(16 * GIB, 12 * GIB, machine.host.cpu, machine.accelerators),))
    path = tmp_path / "box.toml"
    path.write_text(export_profile(machine, "box"), encoding="utf-8")
    again = load_profile(str(path))
    for one, two in zip(machine.accelerators, again.accelerators, strict=True):
        assert (one.name, one.backend, one.unified, one.profile) == (
            two.name,
            two.backend,
            two.unified,
            two.profile,
        )
        assert abs(one.memory_total - two.memory_total) < 1 << 20
        assert abs(one.memory_free - two.memory_free) < 1 << 20
        assert two.memory_bandwidth == pytest.approx(one.memory_bandwidth)
        assert two.rates.fp16 == pytest.approx(one.rates.fp16)
        assert (one.compute_capability, one.gfx_target) == (two.compute_capability, two.gfx_target)
        assert two.uuid is None
    assert abs(again.host.ram_available - machine.host.ram_available) < 1 << 20
    assert again.host.cpu.features == machine.host.cpu.features
    assert load_profile(str(path), ram=256 * GIB).host.ram_total == 256 * GIB


@pytest.mark.parametrize("ident", ["", "a b", "../x", "ü", "x" * 99, 'a"b'])
def test_export_names_are_checked(ident: str) -> None:
    with pytest.raises(InputError, match="no name for a profile"):
        export_profile(load_profile("rtx-4090"), ident)


def test_uuids_are_not_exported() -> None:
    data = load("nvidia-rtx-3090-desktop")
    data["nvml"]["gpus"][0]["uuid"] = "GPU-8f3a2b1c-secret"
    assert "8f3a2b1c" not in export_profile(load_profile("rtx-4090"), "x")


def test_hiding_variables_are_told_without_the_uuid(tmp_path: Path) -> None:
    data = load("nvidia-2x-rtx-4090")
    data["nvml"]["gpus"][0]["uuid"] = "GPU-8f3a2b1c-1111-2222"
    data["env"] = {"CUDA_VISIBLE_DEVICES": "GPU-8f3a2b1c-1111-2222"}
    machine = detect(system_of(data, tmp_path))
    assert len(machine.accelerators) == 1
    assert "8f3a2b1c" not in " ".join(machine.notes) and "GPU-…" in " ".join(machine.notes)


def test_doctor_prints_and_tells_nothing_personal(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(export=None, json=False) == 0
    text = capsys.readouterr().out
    for part in ("Machine", "RAM available", "Engines", "Room for models"):
        assert part in text
    assert str(Path.home()) not in text or str(Path.home()) == "/"
    if len(socket.gethostname()) > 3:
        assert socket.gethostname() not in text
    assert getpass.getuser() == "root" or getpass.getuser() not in text
    assert all(len(line) <= 120 for line in text.splitlines())


@pytest.mark.parametrize("name", recorded_names())
def test_every_recorded_machine_prints(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    machine = detect(system_of(load(name), tmp_path))
    print_machine_facts(machine)
    text = capsys.readouterr().out
    for gpu in machine.accelerators:
        assert f"GPU {gpu.index}: {gpu.name}" in text
    assert "None" not in text and max(len(line) for line in text.splitlines()) <= 80


def test_the_list_of_profiles_is_at_most_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert profiles(None, json=False, format="plain") == 0
    assert max(len(line) for line in capsys.readouterr().out.splitlines()) <= 80


def test_doctor_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor(export=None, json=True) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {
        "schema_version",
        "machine",
        "engines",
        "differences",
        "models",
        "stores",
        "exported",
    }
    assert document["machine"]["detected"] is True and "uuid" not in json.dumps(document)


def test_doctor_export_writes_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert doctor(export="box", json=True) == 0
    assert json.loads(capsys.readouterr().out)["exported"] == "box.toml"
    assert load_profile("box.toml").host.ram_total > 0
    with pytest.raises(InputError, match="is there already"):
        doctor(export="box", json=False)
    assert doctor(export="-", json=False) == 0
    assert 'kind = "machine"' in capsys.readouterr().out


def test_profiles_lists_searches_and_says_no(capsys: pytest.CaptureFixture[str]) -> None:
    assert profiles(["rtx", "3090"], json=False, format="plain") == 0
    assert "rtx-3090-ti" in capsys.readouterr().out
    assert profiles(None, json=True, format="plain") == 0
    assert len(json.loads(capsys.readouterr().out)["profiles"]) > 350
    assert profiles(["nothing-like-it"], json=True, format="plain") == 1
    assert json.loads(capsys.readouterr().out)["profiles"] == []
    assert profiles(["h200"], json=False, format="csv") == 0
    assert capsys.readouterr().out.startswith("profile,kind,")
