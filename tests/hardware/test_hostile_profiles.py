"""Profile files from outside, and exported machines: numbers that are none, files that don't end."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.hardware.machine import Accelerator, Backend, Cpu, Host, Machine
from planner.hardware.profiles.exported import export_profile
from planner.hardware.profiles.load import load_profile
from planner.hardware.profiles.profile import read_profile
from planner.hardware.profiles.store import user_profiles

MIB = 1 << 20
HEAD = 'id = "x"\nname = "X"\nkind = "gpu"\nvendor = "nvidia"\n'


def profile(folder: Path, text: str) -> Path:
    path = folder / "x.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[memory]\ntotal_mib = {'9' * 400}", "'total_mib' must be a number"),
        (f"[memory]\ntotal_mib = {'9' * 5000}", "not a TOML file"),
        ("[memory]\ntotal_mib = inf", "'total_mib'"),
        ("[memory]\ntotal_mib = nan", "'total_mib'"),
        ("[memory]\ntotal_mib = true", "'total_mib'"),
        ("[memory]\ntotal_mib = 1e-7", "at least one byte"),
        ("[memory]\ntotal_mib = 1024\nreserve_mib = 1e6", "'reserve_mib' must be less than total_mib"),
        ('[compute]\ncompute_capability = "8.²"', "text such as '8.9'"),
        ('[compute]\ncompute_capability = ".5"', "text such as '8.9'"),
        (f'[compute]\ncompute_capability = "8.{"9" * 5000}"', "text such as '8.9'"),
        ('[links]\npcie = "4.0 x²"', "text such as '4.0 x16'"),
        ('[links]\npcie = "٤.0 x16"', "text such as '4.0 x16'"),
        ('[links]\npcie = "4.0 x0"', "text such as '4.0 x16'"),
    ],
)
def test_numbers_that_are_none(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        read_profile(profile(tmp_path, HEAD + text))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


def test_a_share_of_a_gpu_that_is_none(tmp_path: Path) -> None:
    for share in ("1/²", "0/6", "7/6", "1/0", "-1/6"):
        with pytest.raises(InputError, match="text such as '1/6'"):
            read_profile(profile(tmp_path, f'gpu_share = "{share}"\n' + HEAD))


def test_a_card_smaller_than_what_its_driver_holds_has_nothing_free(tmp_path: Path) -> None:
    for vendor in ("nvidia", "amd"):
        text = HEAD.replace("nvidia", vendor) + "[memory]\ntotal_mib = 1"
        (gpu,) = load_profile(str(profile(tmp_path, text))).accelerators
        assert gpu.memory_free == 0


def test_files_that_do_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "planner" / "profiles"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "a.toml")
    (folder / "b.toml").symlink_to("/dev/zero")
    (folder / "c.toml").write_text(HEAD + "[memory]\ntotal_mib = " + "9" * 400)
    (folder / "d.toml").write_bytes(b"\xff")
    (folder / "e.toml").write_text(HEAD.replace('"x"', '"mine"') + "[memory]\ntotal_mib = 8192")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    found, problems = user_profiles()
    assert [p.id for p in found] == ["mine"]
    assert len(problems) == 4 and all(p.isprintable() for p in problems)
    assert load_profile("mine").accelerators[0].memory_total == 8192 * MIB
    assert load_profile("rtx-4090").accelerators  # a broken file of the user's stops no other profile


def machine(gpu: Accelerator, cpu: str = "Some CPU", ram: int = 1 << 36) -> Machine:
    return Machine(hosts=(Host(ram, ram // 2, Cpu(name=cpu), (gpu,), name="h"),), name="m")


GPU = Accelerator(
    name="GPU 1", vendor="nvidia", backend=Backend.CUDA, memory_total=1 << 34, memory_free=1 << 33
)


@pytest.mark.parametrize(
    "made",
    [
        machine(GPU),
        machine(replace(GPU, memory_free=0)),
        machine(replace(GPU, memory_free=1000, memory_reserved=1000)),
        machine(replace(GPU, name="")),
        machine(replace(GPU, name="a\x7fb\x1b[31m\n\udcff\U0001f916", vendor="")),
        machine(replace(GPU, architecture="", gfx_target="", tdp_w=None, memory_bandwidth=1e-9)),
        machine(GPU, cpu=""),
        machine(GPU, cpu="\x00"),
    ],
)
def test_what_is_exported_is_read_back(tmp_path: Path, made: Machine) -> None:
    text = export_profile(made, "mine")
    path = profile(tmp_path, text)
    read = load_profile(str(path))
    (gpu,), (wanted,) = read.accelerators, made.accelerators
    assert gpu.memory_total == wanted.memory_total
    assert gpu.memory_free == wanted.memory_free // MIB * MIB
    assert gpu.name.isprintable() and gpu.name
    assert read.host.ram_total == made.host.ram_total


def test_a_machine_whose_memory_is_not_known_asks_for_it(tmp_path: Path) -> None:
    path = profile(tmp_path, export_profile(machine(GPU, ram=0), "mine"))
    with pytest.raises(InputError, match="say --ram"):
        load_profile(str(path))
    assert load_profile(str(path), ram=1 << 35).host.ram_total == 1 << 35
