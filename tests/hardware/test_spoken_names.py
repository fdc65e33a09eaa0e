"""Machines as people call them: what each name becomes, or the one question that decides (after a "?")."""

from __future__ import annotations

import pytest

from planner.errors import InputError
from planner.hardware.machine import Machine
from planner.hardware.profiles.load import get_profile, load_profile
from planner.hardware.profiles.store import shipped_profiles
from planner.units import GIB

NAMES = [
    ("Mac Mini M4", "? apple-m4-16gb, apple-m4-24gb, apple-m4-32gb"),
    ("MacBook Pro M1 Max 64GB", "apple-m1-max-64gb"),
    ("Mac Studio M3 Ultra 512GB", "apple-m3-ultra-512gb"),
    ("MacBook Pro M5 Max", "? apple-m5-max-128gb, apple-m5-max-36gb, apple-m5-max-48gb, apple-m5-max-64gb"),
    (
        "gfx1151",
        "? strix-halo-390-8050s, strix-halo-395-128, strix-halo-395-32, strix-halo-395-64, strix-halo-395-96, "
        "strix-halo-495-192",
    ),
    ("HX 370", "radeon-890m"),
    ("Ryzen 7840U", "radeon-780m"),
    ("Ryzen 7 8845HS", "radeon-780m"),
    ("Minisforum MS-S1 Max", "strix-halo-395-128"),
    ("HP Z2 Mini G1a", "? strix-halo-395-128, strix-halo-395-32, strix-halo-395-64, strix-halo-395-96"),
    ("Bosgame M5", "? strix-halo-395-128, strix-halo-395-96"),
    ("Beelink GTR9 Pro", "strix-halo-395-128"),
    ("Beelink SER9", "radeon-890m"),
    ("ROG Ally", "radeon-780m"),
    ("RX 9060 XT", "? rx-9060-xt-16, rx-9060-xt-8"),
    ("EPYC 7302", "epyc-7002"),
    ("MI50 32GB", "mi50-32"),
    ("Core Ultra X7 358H", "arc-b390-32"),
    ("Arc B390", "arc-b390-32"),
    ("Quadro M1200", "quadro-m1200"),
    ("RTX 3090 24GB", "rtx-3090"),
    ("RTX 3090 24 GB", "rtx-3090"),
    ("2x RTX 3090", "2x rtx-3090"),
    ("dual RTX 3090", "2x rtx-3090"),
    ("2080 Ti 22GB", "rtx-2080-ti-22"),
    ("RTX 4090 48GB", "rtx-4090-48"),
    ("Strix Halo", "? strix-halo-395-128, strix-halo-395-32, strix-halo-395-64, strix-halo-395-96"),
    ("Strix Halo 128GB", "strix-halo-395-128"),
    ("Framework Desktop 128GB", "strix-halo-395-128"),
    ("Framework Desktop", "? strix-halo-395-128, strix-halo-395-32, strix-halo-395-64, strix-halo-395-96"),
    ("Ryzen AI Max+ 395", "? strix-halo-395-128, strix-halo-395-32, strix-halo-395-64, strix-halo-395-96"),
    ("AI Max 395", "? strix-halo-395-128, strix-halo-395-32, strix-halo-395-64, strix-halo-395-96"),
    ("GMKtec EVO-X2", "? strix-halo-395-128, strix-halo-395-32, strix-halo-395-64, strix-halo-395-96"),
    ("DGX Spark", "dgx-spark"),
    ("Asus Ascent GX10", "dgx-spark"),
    ("GB10", "dgx-spark"),
    ("gfx1100", "? rx-7900-gre, rx-7900-xt, rx-7900-xtx, rx-7900m, w7800-32, w7800-48, w7900"),
    ("gfx906", "? mi50-16, mi50-32, mi60, radeon-pro-vii, radeon-vii"),
    ("gfx90a", "? mi210, mi250, mi250x"),
    ("gfx1030", "? rx-6800, rx-6800-xt, rx-6900-xt, rx-6950-xt, v620, w6800"),
    ("Radeon 780M", "radeon-780m"),
    ("Radeon 890M", "radeon-890m"),
    ("Radeon 680M", "radeon-680m"),
    ("680M", "radeon-680m"),
    ("760M", "radeon-760m"),
    ("Iris Xe", "? iris-xe-adl-16, iris-xe-rpl-32"),
    ("UHD 630", "uhd-630"),
    ("UHD 770", "uhd-770"),
    ("Intel N100", "intel-n100-16"),
    ("i7-12700", "core-12"),
    ("Ryzen 5600G", "vega-cezanne"),
    ("Xeon E5-2680 v4", "xeon-e5-v4"),
    ("EPYC 7763", "epyc-7003"),
    ("Threadripper 3970X", "tr-3000"),
    ("Steam Deck", "steam-deck"),
    ("Jetson Orin Nano", "jetson-orin-nano-super-8"),
    ("Jetson Xavier NX", "jetson-xavier-nx-8"),
    ("Raspberry Pi 5", "rpi5-16"),
    ("RK3588", "rk3588-16"),
    ("M1", "? apple-m1-16gb, apple-m1-8gb"),
    ("MacBook Air M1", "? apple-m1-16gb, apple-m1-8gb"),
    ("MacBook Air M2 16GB", "apple-m2-16gb"),
    ("Mac Studio M2 Ultra 192GB", "apple-m2-ultra-192gb"),
    ("iMac M3", "? apple-m3-16gb, apple-m3-24gb, apple-m3-8gb"),
    ("MBP M3 Max 128GB", "apple-m3-max-128gb"),
    ("M4 Max", "? apple-m4-max-128gb, apple-m4-max-36gb, apple-m4-max-48gb, apple-m4-max-64gb"),
    ("A100", "a100-sxm-80"),
    ("A100 40GB", "a100-sxm-40"),
    ("H100", "h100-sxm"),
    ("H100 80GB", "h100-sxm"),
    ("H100 PCIe", "h100-pcie"),
    ("H200", "h200-sxm"),
    ("MI300X", "mi300x"),
    ("B200", "b200-sxm"),
    ("V100", "v100-sxm2-32"),
    ("V100 32GB", "v100-sxm2-32"),
    ("P40", "p40"),
    ("Tesla P40", "p40"),
    ("Tesla T4", "t4"),
    ("L40S", "l40s"),
    ("RTX A6000", "rtx-a6000"),
    ("A6000", "rtx-a6000"),
    ("RTX 6000 Ada", "rtx-6000-ada"),
    ("RTX PRO 6000", "rtx-pro-6000-ws"),
    ("RTX Pro 6000 Blackwell", "rtx-pro-6000-ws"),
    ("6000 Pro", "rtx-pro-6000-ws"),
    ("Arc A770", "arc-a770-16"),
    ("Arc A770 16GB", "arc-a770-16"),
    ("B580", "arc-b580"),
    ("7900 XTX", "rx-7900-xtx"),
    ("6800 XT", "rx-6800-xt"),
    ("9070 XT", "rx-9070-xt"),
    ("4060 Ti 16GB", "rtx-4060-ti-16"),
    ("4060 Ti", "? rtx-4060-ti-16, rtx-4060-ti-8"),
    ("3060", "? rtx-3060-12, rtx-3060-8"),
    ("3060 12GB", "rtx-3060-12"),
    ("GTX 1660", "gtx-1660"),
    ("GTX 1080 Ti 11GB", "gtx-1080-ti"),
    ("RTX 5090 32GB", "rtx-5090"),
    ("5090", "rtx-5090"),
    ("5080 laptop", "rtx-5080-laptop"),
    ("RTX 4070 mobile", "rtx-4070-laptop"),
    ("4090 mobile", "rtx-4090-laptop"),
    ("H100 MIG 1g.10gb", "h100-sxm-mig-1g.10gb"),
    ("A100 MIG 3g.20gb", "? a100-pcie-40-mig-3g.20gb, a100-sxm-40-mig-3g.20gb"),
    ("MIG 1g.18gb", "? gh200-144-mig-1g.18gb, h200-nvl-mig-1g.18gb, h200-sxm-mig-1g.18gb"),
    ("CPU 16 cores DDR5", "cpu"),
    ("8 cores DDR4-3200", "cpu"),
    ("Snapdragon X Elite", "snapdragon-x-elite"),
    ("Surface Laptop 7", "snapdragon-x-elite"),
    ("iPhone 16 Pro", "iphone-16-pro"),
    ("Ryzen 9 7950X", "ryzen-9-7950x"),
    ("i5-9500T", "core-8"),
    ("i7-1365U", "iris-xe-rpl-32"),
    ("Quadro P1000", "quadro-p1000-laptop"),
    ("CMP 170HX", "cmp-170hx-64"),
    ("Arc 140V", "lunar-lake-32"),
    ("Arc 140T", "arc-140t-32"),
    ("Lunar Lake", "lunar-lake-32"),
    ("Radeon 8060S", "? strix-halo-395-128, strix-halo-395-32, strix-halo-395-64, strix-halo-395-96"),
    ("Vega 8", "vega-cezanne"),
    ("Ryzen 7 7730U", "vega-cezanne"),
    ("Ryzen 5 4600H", "vega-cezanne"),
    ("RTX A2000 laptop", "rtx-a2000-laptop-4"),
    ("RX 5700 XT", "rx-5700-xt"),
    ("RX 580", "rx-580-8"),
    ("DGX Station", "dgx-station-gb300"),
    ("Radeon Pro W7900", "w7900"),
    ("MI50", "mi50-16"),
    ("MI60", "mi60"),
    ("Radeon VII", "radeon-vii"),
    ("16 cores + 64GB ddr5-6000", "cpu"),
    ("CPU 16 cores DDR5 64GB", "cpu"),
    ("cpu", "cpu"),
    ("Ryzen 7840U 64GB", "radeon-780m"),
    ("EPYC 7302 512GB", "epyc-7002"),
    ("i7-12700 64GB", "core-12"),
    ("dual Xeon E5-2680 v4", "2x xeon-e5-v4"),
    ("2x EPYC 7302 + 256GB ddr4-2666 8ch", "2x epyc-7002"),
    ("RTX 3090 + Ryzen 5950X", "rtx-3090 + ryzen-5000"),
    ("Ryzen 9 5950X", "ryzen-5000"),
    ("rtx-3090 + 64GB ddr4", "rtx-3090"),
    ("Ryzen 5 3600", "ryzen-5000"),
    ("i9-14900K", "core-13"),
    ("i5-1240P", "iris-xe-rpl-32"),
    ("Core i7-1260P", "iris-xe-rpl-32"),
    ("Ryzen 9 9900X", "ryzen-9000"),
    ("Ryzen 7 7700", "ryzen-7000"),
    ("Ryzen 5600", "ryzen-5000"),
    ("Core Ultra 7 265K", "core-ultra-200s"),
    ("Threadripper PRO 5975WX", "tr-pro-5000"),
    ("Threadripper 2950X", "tr-1000"),
    ("Xeon Gold 6248", "xeon-2"),
    ("Xeon E5-2690", "xeon-e5-v2"),
    ("a100 mig 1g.5gb", "? a100-pcie-40-mig-1g.5gb, a100-sxm-40-mig-1g.5gb"),
    ("7x H100 MIG 1g.10gb", "7x h100-sxm-mig-1g.10gb"),
    ("NVIDIA H200 MIG 1g.18gb", "h200-sxm-mig-1g.18gb"),
    ("h100-sxm-mig-3g.40gb", "h100-sxm-mig-3g.40gb"),
    ("1002:744c", "rx-7900m"),
    ("MacBook Air M2", "? apple-m2-16gb, apple-m2-24gb, apple-m2-8gb"),
    ("Mac mini M4 Pro 48GB", "apple-m4-pro-48gb"),
    ("Mac mini M4 16GB", "apple-m4-16gb"),
    ("iMac M4 24GB", "apple-m4-24gb"),
    ("Mac Studio M4 Max 128GB", "apple-m4-max-128gb"),
    ("MacBook Pro M3 Max 64GB", "apple-m3-max-64gb"),
    ("RTX 3070 Ti laptop", "rtx-3070-ti-laptop"),
    ("RTX 4060 laptop", "rtx-4060-laptop"),
    ("RTX 4090 laptop GPU", "rtx-4090-laptop"),
    ("GeForce RTX 4070 Ti SUPER", "rtx-4070-ti-super"),
    ("RTX 3080 10GB", "rtx-3080-10"),
    ("RTX 3080 12GB", "rtx-3080-12"),
    ("3080 Ti", "rtx-3080-ti"),
    ("two RTX 3090", "2x rtx-3090"),
    ("quad A6000", "4x rtx-a6000"),
    ("8x H100", "8x h100-sxm"),
    ("Radeon RX 7900 XTX 24GB", "rx-7900-xtx"),
    ("Instinct MI300X", "mi300x"),
    ("RX 9060 XT 16GB", "rx-9060-xt-16"),
    ("RTX A2000 8GB Laptop", "rtx-a2000-laptop-8"),
    ("RTX 2000 Ada laptop", "rtx-2000-ada-laptop"),
    ("RTX PRO 2000 laptop", "rtx-pro-2000-laptop"),
    ("Quadro T2000", "quadro-t2000-laptop"),
    ("Quadro P4000", "quadro-p4000"),
    ("Tesla M60", "tesla-m60"),
    ("GTX 970", "gtx-970"),
    ("GTX 980 Ti", "gtx-980-ti"),
    ("RX 6400", "rx-6400"),
    ("RX 7600M XT", "rx-7600m-xt"),
    ("Arc A770M", "arc-a770m"),
    ("CMP 90HX", "cmp-90hx"),
    ("P102-100", "p102-100"),
    ("Jetson AGX Xavier", "jetson-agx-xavier-32"),
    ("Jetson Nano", "jetson-nano-4"),
    ("DGX Spark 64GB", "dgx-spark-64"),
    ("Gorgon Halo", "strix-halo-495-192"),
    ("Orange Pi 5", "rk3588-16"),
    ("HP ZGX Nano", "dgx-spark"),
    ("Ryzen AI 9 HX 370", "radeon-890m"),
    ("Ryzen AI 7 350", "radeon-860m"),
    ("Core Ultra 7 155H", "arc-mtl-32"),
    ("Core Ultra 9 285H", "arc-140t-32"),
    ("Threadripper 7970X", "tr-7000"),
    ("EPYC 9654", "epyc-9004"),
    ("EPYC 7551", "epyc-7001"),
    ("Xeon E5-2697 v3", "xeon-e5-v3"),
    ("i5-6500", "core-6"),
    ("i7-4770", "core-4"),
    ("i3-10100", "core-10"),
    ("i5-11400", "core-11"),
    ("i9-13900K", "i9-13900k"),
    ("Ryzen 7 5800X3D", "ryzen-5000"),
    ("Ryzen 7 2700X", "ryzen-2000"),
    ("1g.5gb", "? a100-pcie-40-mig-1g.5gb, a100-sxm-40-mig-1g.5gb"),
]


@pytest.mark.parametrize(("name", "means"), NAMES)
def test_a_name_is_found_or_asks_the_one_question(name: str, means: str) -> None:
    if not means.startswith("?"):
        assert load_profile(name).profile == means
        return
    with pytest.raises(InputError) as caught:
        load_profile(name)
    assert str(caught.value).endswith(f"say which: {means[2:]}")


def test_a_product_line_asks_for_chip_and_memory() -> None:
    with pytest.raises(InputError, match="say also which chip and how much memory"):
        load_profile("macbook air")


def test_a_computer_around_a_card_is_not_taken_for_the_card() -> None:
    """A laptop's RTX 4060 isn't the desktop's: both are offered, neither is taken."""
    with pytest.raises(InputError, match="did you mean rtx-4060, rtx-4060-laptop"):
        load_profile("Legion 5 RTX 4060")


def bandwidth(machine: Machine) -> float:
    assert machine.host.cpu.memory_bandwidth is not None
    return machine.host.cpu.memory_bandwidth


def test_a_size_behind_a_processor_is_its_ram() -> None:
    assert load_profile("Ryzen 7840U 64GB").host.ram_total == 64 * GIB
    assert load_profile("EPYC 7302 512GB").host.ram_total == 512 * GIB
    shared = load_profile("Ryzen 7840U 64GB").accelerators[0]
    assert shared.memory_total == 32 * GIB  # the driver lets a GPU take half of the RAM


def test_a_kind_of_memory_without_speed_has_the_usual_one() -> None:
    assert bandwidth(load_profile("rtx-3090 + 64GB ddr4")) == 2 * 3200e6 * 8
    assert bandwidth(load_profile("16 cores + 64GiB ddr5-6000")) == 2 * 6000e6 * 8
    assert any("DDR4-3200" in note for note in load_profile("8 cores DDR4").notes)


def test_a_machine_of_cores_and_memory_has_no_gpu() -> None:
    machine = load_profile("24 cores + 128GB ddr5 4ch")
    assert machine.accelerators == () and machine.host.cpu.physical_cores == 24
    assert machine.host.ram_total == 128 * GIB and bandwidth(machine) == 4 * 5600e6 * 8


def test_sizes_in_gb_are_what_vendors_of_memory_mean() -> None:
    assert load_profile("rtx-3090 + 64GB").host.ram_total == 64 * GIB


def test_slices_of_a_card_are_devices_of_their_own() -> None:
    card, part = get_profile("h100-sxm"), get_profile("h100-sxm-mig-1g.20gb")
    assert part.memory_total == 20090 << 20 and card.bandwidth and card.rates.bf16
    assert part.bandwidth == card.bandwidth / 4
    assert part.rates.bf16 == pytest.approx(card.rates.bf16 * 26 / 132)
    two = load_profile("2x H100 MIG 1g.10gb").accelerators
    assert [a.mig for a in two] == [True, True] and two[0].nvlink_bandwidth is None


def test_every_printed_slice_has_a_profile() -> None:
    slices = [p for p in shipped_profiles() if p.mig]
    cards = {p.id.partition("-mig-")[0] for p in slices}
    assert len(slices) >= 58 and {"a30", "h200-sxm", "b200-sxm", "gb200", "rtx-pro-6000-server"} <= cards
    for part in slices:
        card = get_profile(part.id.partition("-mig-")[0])
        assert part.memory_total and card.memory_total and part.memory_total <= card.memory_total, part.id
