"""A hardware profile: what one TOML file in profiles/ (or in the user's config folder) says.

Profiles are read by hand-written checks, not pydantic: one is read on every command with `--profile`, and
building a model class costs more than reading the file. A file from outside is hostile until checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from planner.bounded_read import read_text
from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.hardware.machine import TensorRates
from planner.hardware.profiles.prices import Price, met_by_a_buyer
from planner.outside_numbers import MAX_BYTES, digits, real
from planner.safe_text import one_line
from planner.units import GIB, MIB

KINDS: Final = ("gpu", "soc", "cpu", "cloud", "machine")
MAX_FILE_BYTES: Final = 1 << 20

# Usable bytes/s of one PCIe lane one way, after line coding: 8b/10b up to 2.0, 128b/130b from 3.0.
_PCIE_LANE: Final = {1: 0.25e9, 2: 0.5e9, 3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}


@dataclass(frozen=True, slots=True)
class Bin:
    """A smaller version of a chip sold under the same name, told apart by its GPU cores."""

    gpu_cores: int
    rates: TensorRates
    bandwidth: float | None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a GPU that the driver can cut off (MIG) and that programs see as a device of its own."""

    name: str  # as the driver calls it: 1g.10gb
    memory_total: int  # bytes, as nvidia-smi prints it
    verified: bool
    memory_share: float  # of the card's memory slices, and so of its bandwidth
    compute_share: float  # of its multiprocessors, and so of its rates
    count: int  # how many of this kind one card is cut into
    source: str


# No generated comparison or repr: they would cost a millisecond of every start.
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Profile:
    """One device (gpu), chip with unified memory (soc), processor (cpu), cloud instance or whole machine."""

    id: str
    name: str
    vendor: str
    kind: str
    device_class: str = "other"
    path: Path | None = None
    driver_names: tuple[str, ...] = ()
    cpu_names: tuple[str, ...] = ()
    cpu_patterns: tuple[str, ...] = ()  # regular expressions found in the brand strings of a whole family
    pci_ids: tuple[str, ...] = ()  # vendor:device or vendor:device:revision, lower-case hexadecimal
    device_tree_names: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    released: str | None = None
    notes: tuple[str, ...] = ()
    assumes: tuple[str, ...] = ()  # what must be true for these figures; told with every machine made of it
    memory_total: int | None = None  # bytes as the driver reports them; Metal's limit on Apple
    memory_verified: bool = False
    memory_reserve: int | None = None  # bytes that an idle driver holds back of memory_total
    ram: int | None = None  # bytes of RAM of a soc, cpu or cloud profile
    ram_visible: int | None = None  # bytes of it that the operating system reports
    usable_fraction: float = 1.0  # of the RAM, where the system grants one program only a part
    bandwidth: float | None = None  # bytes/s
    memory_type: str | None = None
    channels: int | None = None
    unified: bool = False
    integrated: bool = False
    architecture: str | None = None
    compute_capability: tuple[int, int] | None = None
    gfx_target: str | None = None
    undriven: bool = False  # no engine here drives it: it is listed for comparison
    gpu_cores: int | None = None
    physical_cores: int | None = None
    features: frozenset[str] = frozenset()
    rates: TensorRates = field(default_factory=TensorRates)
    pcie_bandwidth: float | None = None
    nvlink_bandwidth: float | None = None
    network_bandwidth: float | None = None  # bytes/s to other machines of the kind
    tdp_w: float | None = None
    idle_w: float | None = None
    wall_load_w: float | None = None  # of the whole machine around it, measured while a model generates
    wall_idle_w: float | None = None  # of the whole machine, doing nothing
    bins: tuple[Bin, ...] = ()
    slices: tuple[Slice, ...] = ()
    mig: bool = False  # a slice of a card
    any_ram: bool = False  # a chip that is sold with whatever RAM the computer's maker puts beside it
    host_cpu: str | None = None  # id of the cpu profile that this device comes with
    host_ram: int | None = None
    gpu: str | None = None  # cloud: id of the device profile
    gpu_count: int = 0
    gpu_share: float = 1.0  # cloud: part of a GPU that the instance gets
    vcpu: int | None = None
    region: str | None = None
    prices: tuple[Price, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, Any] | None = None  # the raw tables of a whole machine

    def bin(self, gpu_cores: int | None) -> Bin | None:
        """The smaller version with that many GPU cores, or None for the profile's own figures."""
        return next((b for b in self.bins if b.gpu_cores == gpu_cores), None)

    @property
    def price(self) -> Price | None:
        """The purchase price that a buyer meets; see met_by_a_buyer."""
        return met_by_a_buyer(self.prices)

    @property
    def hourly_price(self) -> Price | None:
        """The latest on-demand price by the hour, or another rent where there is no on-demand one."""
        rented = [p for p in self.prices if p.usd_per_hour is not None]
        on_demand = [p for p in rented if p.kind == "on-demand"]
        return max(on_demand or rented, key=lambda p: p.date, default=None)


class _Reader:
    """Typed access to one TOML table, with errors that name the file and the key."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self.table = table
        self.where = where

    def fail(self, key: str, want: str) -> InputError:
        return InputError(f"{self.where}: '{key}' must be {want}, not {_brief(self.table.get(key))}")

    def sub(self, key: str) -> _Reader:
        value = self.table.get(key, {})
        if not isinstance(value, dict):
            raise self.fail(key, "a table")
        return _Reader(value, f"{self.where} [{key}]")

    def many(self, key: str) -> list[_Reader]:
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise self.fail(key, f"a list of tables ([[{key}]])")
        return [_Reader(v, f"{self.where} [[{key}]]") for v in value]

    def text(self, key: str) -> str | None:
        value = self.table.get(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.fail(key, "text")
        return value

    def required(self, key: str) -> str:
        value = self.text(key)
        if value is None:
            raise InputError(f"{self.where}: '{key}' is missing")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise self.fail(key, "a list of texts")
        return tuple(value)

    def number(self, key: str, *, top: float = 1e9, zero: bool = False) -> float | None:
        value = self.table.get(key)
        if value is None:
            return None
        number = real(value, 0, top)
        if number is None or (number == 0 and not zero):
            raise self.fail(
                key, f"a number {'of zero or more' if zero else 'above zero'} and at most {top:g}"
            )
        whole: float = value  # an integer stays one
        return whole

    def whole(self, key: str, *, top: int = 1 << 40) -> int | None:
        value = self.number(key, top=top)
        if value is not None and value != int(value):
            raise self.fail(key, "a whole number")
        return None if value is None else int(value)

    def flag(self, key: str) -> bool:
        value = self.table.get(key, False)
        if not isinstance(value, bool):
            raise self.fail(key, "true or false")
        return value

    def scaled(self, key: str, factor: float) -> float | None:
        value = self.number(key)
        return None if value is None else value * factor

    def size(self, key: str, factor: int, *, zero: bool = False) -> int | None:
        """Bytes: a whole number of them, none only with `zero`."""
        value = self.number(key, top=MAX_BYTES / factor, zero=zero)
        if value is not None and not zero and value * factor < 1:
            raise self.fail(key, "at least one byte")
        return None if value is None else int(value * factor)

    def numbers(self, key: str, separator: str, want: str) -> tuple[int, int] | None:
        """Two whole numbers in one text, such as '8.9' or '1/6'; `want` says so in the error."""
        text = self.text(key)
        if text is None:
            return None
        left, _, right = text.partition(separator)
        first, second = digits(left, 9999), digits(right, 9999)
        if first is None or second is None:
            raise self.fail(key, f"text such as '{want}'")
        return first, second


def parse_profile(data: Mapping[str, Any], where: str, path: Path | None = None) -> Profile:
    """Check the tables of one profile file and return the profile. Raises InputError naming the key."""
    top = _Reader(data, where)
    kind = top.required("kind")
    if kind not in KINDS:
        raise top.fail("kind", "one of " + ", ".join(KINDS))
    _check_reserve(top.sub("memory"))
    memory, compute, links = top.sub("memory"), top.sub("compute"), top.sub("links")
    power, host = top.sub("power"), top.sub("host")
    rates = rates_of(top.sub("rates_tflops"))
    return Profile(
        id=top.required("id"),
        name=top.required("name"),
        vendor=top.text("vendor") or "other",
        kind=kind,
        device_class=top.text("class") or "other",
        path=path,
        driver_names=top.texts("driver_names"),
        cpu_names=top.texts("cpu_names"),
        cpu_patterns=top.texts("cpu_patterns"),
        pci_ids=top.texts("pci_ids"),
        device_tree_names=top.texts("device_tree_names"),
        aliases=top.texts("aliases"),
        released=top.text("released"),
        notes=top.texts("notes"),
        assumes=top.texts("assumes"),
        memory_total=memory.size("total_mib", MIB),
        memory_verified=memory.flag("verified"),
        memory_reserve=memory.size("reserve_mib", MIB),
        ram=memory.size("ram_gib", GIB) or top.size("ram_gb", GIB),
        ram_visible=memory.size("ram_visible_mib", MIB),
        usable_fraction=memory.number("usable_fraction", top=1) or 1.0,
        bandwidth=memory.scaled("bandwidth_gb_s", 1e9),
        memory_type=memory.text("type"),
        channels=memory.whole("channels", top=64),
        unified=memory.flag("unified"),
        integrated=compute.flag("integrated"),
        architecture=compute.text("architecture"),
        compute_capability=compute.numbers("compute_capability", ".", "8.9"),
        gfx_target=compute.text("gfx_target"),
        undriven=compute.flag("undriven"),
        gpu_cores=compute.whole("gpu_cores"),
        physical_cores=compute.whole("physical_cores", top=1 << 16),
        features=frozenset(compute.texts("features")),
        rates=rates,
        pcie_bandwidth=_pcie(links),
        nvlink_bandwidth=links.scaled("nvlink_gb_s", 1e9),
        network_bandwidth=links.scaled("network_gb_s", 1e9),
        tdp_w=power.number("tdp_w"),
        idle_w=power.number("idle_w"),
        wall_load_w=power.number("wall_load_w"),
        wall_idle_w=power.number("wall_idle_w"),
        bins=tuple(_bin(b, rates) for b in top.many("bins")),
        slices=tuple(_slice(s) for s in top.many("mig")),
        any_ram=memory.flag("any_ram") or kind == "cpu",
        host_cpu=host.text("cpu"),
        host_ram=host.size("ram_gib", GIB),
        gpu=top.text("gpu"),
        gpu_count=top.whole("gpu_count", top=1024) or 0,
        gpu_share=_share(top, "gpu_share") or 1.0,
        vcpu=top.whole("vcpu", top=1 << 16),
        region=top.text("region"),
        prices=tuple(_price(p) for p in top.many("prices")),
        sources={k: v for k, v in top.sub("sources").table.items() if isinstance(v, str)},
        machine=data if kind == "machine" else None,
    )


def read_profile(path: Path) -> Profile:
    """Read and check one profile file. Raises InputError when it is missing, too big or not a profile."""
    import tomllib

    try:
        data = tomllib.loads(read_text(path, MAX_FILE_BYTES))
    except OSError as error:
        raise InputError(f"cannot read the profile {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, an integer of thousands of digits
        raise InputError(f"{path} is not a TOML file: {one_line(str(error), 120)}") from None
    return parse_profile(data, path.name, path)


def rates_of(table: _Reader) -> TensorRates:
    """Matrix rates of a [rates_tflops] table (TFLOPS or TOPS) in operations a second."""
    names = ("fp16", "fp16_acc16", "bf16", "fp8", "fp4", "int8", "fp32")
    return TensorRates(**{name: table.scaled(name, 1e12) for name in names})


def reader(table: Mapping[str, Any], where: str) -> _Reader:
    """Typed access to a table of a profile file, for the parts that are read late."""
    return _Reader(table, where)


def _check_reserve(memory: _Reader) -> None:
    total, reserve = memory.size("total_mib", MIB), memory.size("reserve_mib", MIB)
    if total is not None and reserve is not None and reserve >= total:
        raise memory.fail("reserve_mib", "less than total_mib")


def _brief(value: Any) -> str:
    """A value for a message; an integer of thousands of digits can't even be printed."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of too many digits"
    return repr(one_line(str(value), 40))


def pcie_bandwidth(generation: int, lanes: int) -> float | None:
    """Bytes/s one way of a PCIe link, or None for a generation that does not exist."""
    lane = _PCIE_LANE.get(generation)
    return None if lane is None else lane * lanes


def _pcie(links: _Reader) -> float | None:
    text = links.text("pcie")
    if text is None:
        return None
    generation, _, lanes = text.partition(" x")
    major, wide = digits(generation.partition(".")[0], 99), digits(lanes, 32)
    found = None if major is None or not wide else pcie_bandwidth(major, wide)
    if found is None:
        raise links.fail("pcie", "text such as '4.0 x16'")
    return found


def _share(top: _Reader, key: str) -> float | None:
    found = top.numbers(key, "/", "1/6")
    if found is None:
        return None
    part, all_parts = found
    if not 0 < part <= all_parts:
        raise top.fail(key, "text such as '1/6'")
    return part / all_parts


def _slice(table: _Reader) -> Slice:
    memory = table.size("total_mib", MIB)
    if memory is None:
        raise InputError(f"{table.where}: 'total_mib' is missing")
    return Slice(
        name=table.required("name"),
        memory_total=memory,
        verified=table.flag("verified"),
        memory_share=_share(table, "memory") or 1.0,
        compute_share=_share(table, "compute") or 1.0,
        count=table.whole("count", top=64) or 1,
        source=table.required("source"),
    )


def _bin(table: _Reader, rates: TensorRates) -> Bin:
    cores = table.whole("gpu_cores")
    if cores is None:
        raise InputError(f"{table.where}: 'gpu_cores' is missing")
    fp16 = table.scaled("fp16_tflops", 1e12)
    own = rates if fp16 is None else TensorRates(fp16=fp16, fp32=fp16)
    return Bin(cores, own, table.scaled("bandwidth_gb_s", 1e9), table.texts("aliases"))


def _price(table: _Reader) -> Price:
    usd, hourly = table.number("usd"), table.number("usd_per_hour")
    return Price(
        kind=table.text("kind") or "new",
        date=table.text("date") or "",
        source=table.text("source") or "",
        low=table.number("usd_low") or usd,
        high=table.number("usd_high") or usd,
        hourly_low=table.number("usd_per_hour_low") or hourly,
        hourly_high=table.number("usd_per_hour_high") or hourly,
    )
