"""Profiles: every name finds its device, descriptions build the machine they say, mistakes get one clear line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from planner.errors import InputError
from planner.hardware.machine import Backend
from planner.hardware.profiles.assemble import driver_reserve, system_reserve
from planner.hardware.profiles.build_index import INDEX_NAME, build_index, load_index, render
from planner.hardware.profiles.load import (
    Profile,
    find_by_cpu_name,
    find_by_device_tree,
    find_by_driver_name,
    find_by_pci_id,
    get_profile,
    list_profiles,
    load_profile,
)
from planner.hardware.profiles.profile import parse_profile, read_profile
from planner.shipped_files import profiles_dir, seeds_dir
from planner.units import GIB, MIB


@pytest.fixture(autouse=True)
def no_user_profiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture(scope="module")
def everything() -> list[Profile]:
    return [read_profile(path) for path in sorted(profiles_dir().rglob("*.toml"))]


def test_the_index_is_up_to_date() -> None:
    written = (profiles_dir() / INDEX_NAME).read_text(encoding="utf-8")
    assert written == render(build_index(profiles_dir())), (
        "run: python -m planner.hardware.profiles.build_index"
    )


def test_data_folders_are_found() -> None:
    assert (profiles_dir() / "nvidia").is_dir() and seeds_dir().is_dir()


def test_there_are_enough_profiles_of_every_kind(everything: list[Profile]) -> None:
    assert len(everything) >= 320
    count = {kind: sum(p.kind == kind for p in everything) for kind in ("gpu", "soc", "cpu", "cloud")}
    assert count["gpu"] >= 150 and count["soc"] >= 60 and count["cpu"] >= 30 and count["cloud"] >= 60


def test_every_figure_has_a_source_and_every_price_a_date(everything: list[Profile]) -> None:
    for p in everything:
        if p.memory_total is not None:
            assert p.sources.get("memory"), p.id
        if p.bandwidth is not None:
            assert p.sources.get("bandwidth"), p.id
        if p.rates.fp16 is not None:
            assert p.sources.get("rates"), p.id
        for price in p.prices:
            assert price.date and price.source, p.id
            assert price.usd or price.usd_per_hour, p.id
            assert (price.low or 0) <= (price.high or 0) or price.usd is None, p.id


def test_figures_are_plausible(everything: list[Profile]) -> None:
    for p in everything:
        if p.kind == "gpu":
            assert p.memory_total and 2 * GIB <= p.memory_total <= 512 * GIB, p.id
        if p.bandwidth is not None:
            assert 10e9 < p.bandwidth < 30e12, p.id
        r = p.rates
        if r.fp16 and r.fp16_acc16:
            assert r.fp16_acc16 / r.fp16 == pytest.approx(
                2 if "GeForce" in p.name or "TITAN" in p.name else 1, rel=0.01
            ) or (p.id == "titan-rtx"), p.id
        if r.fp16 and r.fp8:
            assert 1 <= r.fp8 / r.fp16 <= 2.1, p.id
        if p.compute_capability and p.compute_capability < (8, 9):
            assert r.fp8 is None, p.id
        if p.compute_capability and p.compute_capability < (8, 0):
            assert r.bf16 is None, p.id


def test_geforce_rates_are_the_measured_ones() -> None:
    rates = get_profile("rtx-5090").rates
    assert rates.fp16 == pytest.approx(209.5e12, rel=0.01) and rates.fp16_acc16 == pytest.approx(
        419e12, rel=0.01
    )
    assert rates.fp8 == pytest.approx(419e12, rel=0.01) and rates.fp4 == pytest.approx(1676e12, rel=0.01)
    assert get_profile("h100-sxm").rates.bf16 == 989e12


def own_memory(profile: Profile) -> int | None:
    return profile.ram if profile.unified else profile.memory_total


def test_every_driver_name_finds_its_profile_with_the_right_memory(everything: list[Profile]) -> None:
    named = [(p, n) for p in everything for n in p.driver_names]
    assert len(named) > 300
    right = 0
    for profile, name in named:
        found = find_by_driver_name(name, own_memory(profile))
        assert found is not None, (profile.id, name)
        right += own_memory(found) == own_memory(profile)
    assert right / len(named) >= 0.98


def test_collected_driver_names_match_with_the_right_memory() -> None:
    path = Path(__file__).parent / "driver_names.json"
    devices = json.loads(path.read_text(encoding="utf-8"))["devices"]
    assert len(devices) > 200
    wrong: list[str] = []
    for name, mib, exact in devices:
        found = find_by_driver_name(name, mib * MIB)
        size = None if found is None else own_memory(found)
        slack = 0 if exact else mib // 20
        if size is None or abs(size // MIB - mib) > slack:
            wrong.append(f"{name} {mib}: {found and found.id}")
    assert len(wrong) <= 0.02 * len(devices), wrong


def test_a_name_with_several_sizes_asks_and_a_size_answers() -> None:
    for name, sizes in {
        "NVIDIA GeForce RTX 4060 Ti": {8188: "rtx-4060-ti-8", 16380: "rtx-4060-ti-16"},
        "NVIDIA GeForce RTX 3080": {10240: "rtx-3080-10", 12288: "rtx-3080-12"},
        "AMD Radeon RX 9060 XT": {16304: "rx-9060-xt-16", 8176: "rx-9060-xt-8"},
    }.items():
        with pytest.raises(InputError, match="different amounts of memory"):
            find_by_driver_name(name)
        for mib, ident in sizes.items():
            found = find_by_driver_name(name, mib * MIB)
            assert found is not None and found.id == ident
    assert find_by_driver_name("Apple M4 Max", 128 * GIB).id == "apple-m4-max-128gb"  # type: ignore[union-attr]
    assert find_by_driver_name("NVIDIA GeForce RTX 4090", 80 * GIB) is None
    assert find_by_driver_name("Voodoo 2") is None
    for name, mib, ident in (
        ("GeForce RTX 3090", 24576, "rtx-3090"),
        ("AMD Radeon(TM) 8060S Graphics", 65536, "strix-halo-395-64"),
        ("AMD Radeon 8060S", 131072, "strix-halo-395-128"),
        ("AMD Radeon RX 6700 XT (RADV NAVI22)", 12272, "rx-6700-xt"),
        ("AMD Radeon Graphics (RADV GFX1151)", 98304, "strix-halo-395-96"),
        ("Intel(R) Arc(tm) B580 Graphics", 12168, "arc-b580"),
    ):
        found = find_by_driver_name(name, mib * MIB)
        assert found is not None and found.id == ident, name


def test_other_ways_to_find_a_device() -> None:
    by_pci = find_by_pci_id("1002:744C:CC")
    assert by_pci is not None and by_pci.id == "rx-7900-xt"
    assert find_by_pci_id("1002:74a1:00").id == "mi300x"  # type: ignore[union-attr]
    assert find_by_pci_id("dead:beef:00") is None
    board = find_by_device_tree("Raspberry Pi 5 Model B Rev 1.1", 16 * GIB)
    assert board is not None and board.id == "rpi5-16"
    assert find_by_cpu_name("AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", 128 * GIB).id == "strix-halo-395-128"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("spec", "profile", "gpus"),
    [
        ("rtx-4090", "rtx-4090", 1),
        ("RTX 4090", "rtx-4090", 1),
        ("NVIDIA GeForce RTX 4090", "rtx-4090", 1),
        (" rtx_4090 ", "rtx-4090", 1),
        ("rtx-3090 x2", "2x rtx-3090", 2),
        ("2x rtx-3090", "2x rtx-3090", 2),
        ("2× rtx-3090", "2x rtx-3090", 2),
        ("rtx-3090x2", "2x rtx-3090", 2),
        ("RTX 3090 X 2", "2x rtx-3090", 2),
        ("2 x rtx-3090 + rtx-4090", "2x rtx-3090 + rtx-4090", 3),
        ("h100-80gb", "h100-sxm", 1),
        ("h200", "h200-sxm", 1),
        ("rx6800", "rx-6800", 1),
        ("RX 580", "rx-580-8", 1),
        ("p5.48xlarge", "aws-p5.48xlarge", 8),
        ("m4 max 128gb", "apple-m4-max-128gb", 1),
        ("dgx spark", "dgx-spark", 1),
        ("rtx-4060-ti-16gb", "rtx-4060-ti-16", 1),
        ("gh200", "gh200-96", 1),
        ("epyc-9004", "epyc-9004", 0),
        ("rpi5-16", "rpi5-16", 0),
        ("4090", "rtx-4090", 1),
        ("2x 3090 24GB", "2x rtx-3090", 2),
        ("RTX 5060 Ti (16GB)", "rtx-5060-ti-16", 1),
        ("A100 40GB", "a100-sxm-40", 1),
        ("Tesla V100 32GB", "v100-sxm2-32", 1),
        ("strix halo 64GB", "strix-halo-395-64", 1),
        ("n1-standard-4 + T4", "gcp-n1-t4", 1),
    ],
)
def test_descriptions(spec: str, profile: str, gpus: int) -> None:
    machine = load_profile(spec)
    assert machine.profile == profile and len(machine.accelerators) == gpus
    assert not machine.detected and machine.sources
    for gpu in machine.accelerators:
        assert 0 < gpu.memory_free <= gpu.memory_total
    assert 0 < machine.host.ram_available < machine.host.ram_total


def test_a_composition_sets_ram_and_its_speed() -> None:
    machine = load_profile("2x rtx-3090 + 128GiB ddr5-6000")
    assert machine.host.ram_total == 128 * GIB
    assert machine.host.cpu.memory_bandwidth == 2 * 6000e6 * 8
    eight = load_profile("rtx-3090 + 512GiB 8ch ddr4-3200")
    assert eight.host.cpu.memory_bandwidth == 8 * 3200e6 * 8
    server = load_profile("rtx-3090 + 2x epyc-9004")
    assert server.host.cpu.memory_bandwidth == 2 * 460.8e9 and server.host.ram_total == 768 * GIB


def test_overrides() -> None:
    assert load_profile("rtx-4090", ram=32 * GIB).host.ram_total == 32 * GIB
    assert load_profile("rtx-4090", vram=48 * GIB).accelerators[0].memory_total == 48 * GIB
    unknown = load_profile(None, vram=24 * GIB)
    (gpu,) = unknown.accelerators
    assert gpu.memory_total == gpu.memory_free == 24 * GIB and gpu.memory_bandwidth is None
    assert load_profile(None, ram=16 * GIB).accelerators == ()
    halo = load_profile("strix halo", ram=128 * GIB)
    assert halo.profile == "strix-halo-395-128" and halo.accelerators[0].memory_total == 96 * GIB
    assert load_profile("strix-halo-395-128", vram=110 * GIB).accelerators[0].memory_total == 110 * GIB


def test_assumptions_are_said() -> None:
    notes = "\n".join(load_profile("rtx-4090").notes)
    assert "64 GiB" in notes and "--ram" in notes and "price is that of the GPU" in notes
    assert "not verified" in "\n".join(load_profile("rtx-5050").notes)
    assert "also sold as rtx-3080-12" in "\n".join(load_profile("rtx-3080").notes)
    assert "also sold as" not in "\n".join(load_profile("rtx-3080-10").notes)


def test_every_profile_makes_a_machine() -> None:
    for info in list_profiles():
        machine = load_profile(info.id)
        assert machine.host.ram_available > 0, info.id
        assert machine.host.cpu.memory_bandwidth, info.id
        for gpu in machine.accelerators:
            assert 0 < gpu.memory_free <= gpu.memory_total and gpu.memory_bandwidth, info.id
    assert any("ttm.pages_limit" in n for n in load_profile("strix-halo-395-128").notes)
    assert any("not on sale" in n for n in load_profile("vr200").notes)
    assert any("assumption" in n for n in load_profile("epyc-9004").notes)
    assert not any("assumption" in n for n in load_profile("epyc-9004", ram=64 * GIB).notes)


def test_several_whole_machines_are_several_hosts() -> None:
    pair = load_profile("2x dgx-spark")
    assert len(pair.hosts) == 2 and len(pair.accelerators) == 2 and pair.unified
    assert pair.network_bandwidth == 25e9 and load_profile("dgx-spark").network_bandwidth is None
    assert any("network" in n for n in load_profile("2x strix-halo-395-128").notes)
    cloud = load_profile("2x aws-p5.48xlarge")
    assert len(cloud.hosts) == 2 and len(cloud.accelerators) == 16
    assert cloud.hourly_price == pytest.approx(2 * 55.04) and cloud.price is None


def test_smaller_bins_of_apple_chips() -> None:
    small, big = load_profile("apple-m1-8gb-7c"), load_profile("apple-m1-8gb")
    assert small.accelerators[0].rates.fp16 == 2.29e12 and big.accelerators[0].rates.fp16 == 2.62e12
    assert load_profile("apple-m4-max-36gb").accelerators[0].memory_bandwidth == 410e9


def test_every_rate_family_that_a_chip_has_is_there(everything: list[Profile]) -> None:
    for p in everything:
        if p.compute_capability and p.compute_capability >= (8, 0) and p.rates.fp16:
            assert p.rates.bf16 == p.rates.fp16, p.id
        if p.compute_capability and p.compute_capability >= (10, 0) and p.rates.fp16:
            assert p.rates.fp4, p.id


def test_a_shared_gpu_never_has_more_free_than_the_system_leaves() -> None:
    for ident in ("dgx-spark", "apple-m4-max-128gb", "strix-halo-395-128", "jetson-agx-orin-64"):
        machine = load_profile(ident)
        (gpu,) = machine.accelerators
        assert gpu.unified and gpu.memory_free <= machine.host.ram_available < machine.host.ram_total


def test_backends() -> None:
    backends = {
        s: load_profile(s).accelerators[0].backend
        for s in ("rtx-4090", "mi300x", "rx-5700-xt", "arc-b580", "gaudi3", "apple-m5-16gb")
    }
    other = [Backend.VULKAN, Backend.VULKAN, Backend.OTHER, Backend.METAL]
    assert list(backends.values()) == [Backend.CUDA, Backend.ROCM, *other]
    assert load_profile("tpu-v6e").accelerators[0].backend is Backend.OTHER


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("rtx-4099", "did you mean"),
        ("xyzzy", "planner profiles"),
        ("rtx-4090 40GB", "unknown profile"),
        ("0x rtx-4090", "count must be"),
        ("-1x rtx-4090", "count must be"),
        ("rtx-4090 x0", "count must be"),
        ("rtx-4090 x99999999999", "count must be"),
        ("rtx-3090 +", "empty part"),
        ("+", "empty part"),
        ("128GiB", "names no device"),
        ("rtx-3090 + 64GiB + 32GiB", "twice"),
        ("rtx-3090 + 0GiB", "more than zero"),
        ("rtx-3090 + 64GiB ddr5-99999", "not a memory speed"),
        ("rtx-3090 + 64GiB 99ch ddr5-5600", "memory channels"),
        ("dgx-spark + mi300x + strix-halo-395-128", "several computers"),
        ("rtx-4060-ti", "say which"),
        ("m4 pro", "say which"),
        ("no-such-file.toml", "cannot read"),
        ("x" * 600, "too long"),
    ],
)
def test_mistakes_get_one_clear_line(spec: str, part: str) -> None:
    with pytest.raises(InputError) as caught:
        load_profile(spec)
    assert part in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kwargs", [{"ram": 0}, {"vram": -1}, {"ram": -5, "vram": 1}])
def test_impossible_overrides(kwargs: dict[str, int]) -> None:
    with pytest.raises(InputError, match="more than zero"):
        load_profile("rtx-4090", **kwargs)


def test_nothing_given() -> None:
    with pytest.raises(InputError, match="no profile given"):
        load_profile(None)
    with pytest.raises(InputError, match="must not be more"):
        load_profile("apple-m1-8gb", vram=64 * GIB)


def test_listing_and_searching() -> None:
    assert len(list_profiles()) == len(load_index()["profiles"])
    assert {i.id for i in list_profiles("rtx 3090")} >= {"rtx-3090", "rtx-3090-ti"}
    assert [i.id for i in list_profiles("8060s")] and not list_profiles("no such thing")
    spark = next(i for i in list_profiles("dgx spark") if i.id == "dgx-spark")
    assert spark.ram == 128 * GIB and spark.price_low and spark.price_date
    cloud = next(i for i in list_profiles("p5.48xlarge"))
    assert cloud.hourly_price == 55.04 and cloud.gpu_count == 8


GOOD = {"id": "box", "name": "Box", "kind": "gpu", "vendor": "nvidia", "memory": {"total_mib": 10000}}


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"kind": "toaster"}, "'kind'"),
        ({"id": 5}, "'id'"),
        ({"name": ""}, "'name'"),
        ({"memory": {"total_mib": -1}}, "'total_mib'"),
        ({"memory": {"total_mib": True}}, "'total_mib'"),
        ({"memory": {"total_mib": float("nan")}}, "'total_mib'"),
        ({"memory": {"total_mib": 1e30}}, "'total_mib'"),
        ({"memory": []}, "'memory'"),
        ({"memory": {"total_mib": 1, "bandwidth_gb_s": "fast"}}, "'bandwidth_gb_s'"),
        ({"compute": {"compute_capability": "nine"}}, "'compute_capability'"),
        ({"links": {"pcie": "fast"}}, "'pcie'"),
        ({"aliases": "rtx"}, "'aliases'"),
        ({"prices": {"usd": 5}}, "'prices'"),
        ({"gpu_share": "3/2"}, "'gpu_share'"),
        ({"bins": [{}]}, "'gpu_cores'"),
    ],
)
def test_a_bad_file_is_refused_by_key(change: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_profile(GOOD | change, "box.toml")
    assert part in str(caught.value) and "box.toml" in str(caught.value)


def write_own(tmp_path: Path, name: str, text: str) -> None:
    folder = tmp_path / "config" / "planner" / "profiles"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def test_the_users_own_profiles_come_first(tmp_path: Path) -> None:
    text = 'id = "rtx-4090"\nname = "My 4090"\nkind = "gpu"\nvendor = "nvidia"\n[memory]\ntotal_mib = 49140\n'
    write_own(tmp_path, "mine.toml", text)
    machine = load_profile("rtx-4090")
    assert machine.accelerators[0].memory_total == 49140 * MIB
    assert any(i.user and i.name == "My 4090" for i in list_profiles("4090"))


def test_a_damaged_own_profile_spoils_nothing_and_is_named(tmp_path: Path) -> None:
    write_own(tmp_path, "bad.toml", "this is not toml")
    assert load_profile("rtx-4090").profile == "rtx-4090"
    with pytest.raises(InputError, match=r"bad\.toml"):
        load_profile("no-such-box")


def test_a_profile_file_by_path(tmp_path: Path) -> None:
    path = tmp_path / "box.toml"
    path.write_text('id = "box"\nname = "Box"\nkind = "gpu"\n[memory]\ntotal_mib = 12345\n', encoding="utf-8")
    assert load_profile(str(path)).accelerators[0].memory_total == 12345 * MIB


def test_reserves() -> None:
    assert system_reserve(8 * GIB) == 2 * GIB and system_reserve(4 * GIB) == GIB
    assert system_reserve(64 * GIB) == 4 * GIB and system_reserve(512 * GIB) == 8 * GIB
    assert 400 * MIB < driver_reserve(12 * GIB) < driver_reserve(96 * GIB) < 700 * MIB


def test_loading_one_profile_is_quick_and_reads_few_files() -> None:
    code = (
        "import sys, time; import planner.hardware.profiles.load as p; t = time.process_time(); "
        "p.load_profile('h100-80gb'); print(time.process_time() - t); "
        "print('pydantic' in sys.modules, 'pynvml' in sys.modules, 'difflib' in sys.modules)"
    )
    best = 9.0
    for _ in range(3):
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        assert out[1:] == ["False", "False", "False"]
        best = min(best, float(out[0]))
    assert best < 0.015
