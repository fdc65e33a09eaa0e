"""The machine of a paste: what logs and tools list, with what is free, else what the person wrote of it."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Evidence
from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Machine
from planner.hardware.profiles.load import load_profile
from planner.units import GIB, MIB

MOST_GPUS: Final = 16
_SIZES: Final = (4, 6, 8, 10, 11, 12, 16, 20, 24, 32, 48, 80, 96)  # GiB of cards that are sold in several
_COUNTS: Final = {"dual": 2, "two": 2, "three": 3, "four": 4, "quad": 4, "eight": 8}
_NAMED: Final = re.compile(
    r"(?:\b(?P<n>\d{1,2}|dual|two|three|four|quad|eight) ?[x×]? ?)?"
    r"(?P<gpu>\b(?:(?:NVIDIA |GeForce |Tesla |Quadro |AMD |Radeon |Intel )+)?"
    r"(?:RTX (?:PRO )?[A-Z]?\d{4}(?: ?(?:Ti|SUPER|Ada|Blackwell|D)\b)*|GTX ?\d{4}(?: ?Ti)?|RX ?\d{4}(?:"
    " ?(?:XTX|XT|GRE))?"
    r"|Arc (?:Pro )?[AB]\d{2,3}|(?:A100|A10G?|A30|A40|L4|L40S?|H100|H200|B200|GB10|V100|P40|P100|T4|MI\d{3}X?)\b"
    r"|Radeon \d{4}S|DGX Spark|Strix Halo|Ryzen AI Max\+? ?(?:PRO )?\d{3}|M[1-9](?: (?:Pro|Max|Ultra))?(?=\W|$)))"
    r"(?:\D{0,12}?\b(?P<gb>\d{1,3}) ?G(?:i?B)\b)?",
    re.I,
)
_RAM: Final = re.compile(
    r"\b(?P<gb>\d{1,4}(?:\.\d)?) ?G(?:i?B)\b(?: of)? (?:(?:system|host|DDR\d) )?(?:RAM|memory)"
    r"|\bRAM:? (?P<gb2>\d{1,4}) ?G(?:i?B)"
)
# Rows that state what a device has and what is free of it, in MiB or GiB: each with `total`, `free` or `used`.
_ROWS: Final = (
    re.compile(
        r"(?P<id>(?:CUDA|ROCm|Vulkan|SYCL|Metal|MTL)\d{0,2})\s*:\s+(?P<name>[^\n|(]{2,80})[^\n|]{0,60}?"
        r"\((?P<total>\d{3,7}) MiB, (?P<free>\d{3,7}) MiB free\)"
    ),
    re.compile(r"(?P<used>\d{1,7})MiB\s*/\s*(?P<total>\d{3,7})MiB"),  # nvidia-smi
    re.compile(
        r'library="?(?P<library>CUDA|ROCm|Vulkan|Metal|cuda|rocm)"?[^\n]*?(?:name|description)="(?P<name>[^"]{2,80})"'
        r'[^\n]*?total="(?P<total>[\d.]+ \wiB)" available="(?P<free>[\d.]+ \wiB)"'
    ),  # Ollama
    re.compile(r'msg="gpu memory"[^\n]*? available="(?P<free>[\d.]+ \wiB)"'),  # Ollama, before a load
    re.compile(
        r"Free memory on device (?:\S+ )?\((?P<free>[\d.]+)/(?P<total>[\d.]+) (?P<unit>GiB)\)"
    ),  # vLLM
    re.compile(r"total_gpu_memory \((?P<total>[\d.]+)(?P<unit>GiB)\)"),  # vLLM until 0.10
    re.compile(r"total capacity of (?P<total>[\d.]+) (?P<unit>GiB)"),  # PyTorch
)
_NUMBER: Final = re.compile(r"\d{1,7}(?:\.\d{1,4})?")
_SMI_NAME: Final = re.compile(
    r"\|\s+\d+\s+(?P<name>(?:NVIDIA|Tesla|Quadro|GeForce)[^|]{2,40}?)\s+(?:On|Off|N/A)\s"
)


@dataclass(frozen=True, slots=True)
class Found:
    """The machine, and how it is known."""

    machine: Machine
    measured: bool
    """True where a log or tool says what is free; else it is a machine of this kind with nothing else running."""
    said: str
    """The devices as the paste names them."""


@dataclass(frozen=True, slots=True)
class _Gpu:
    name: str
    total: int | None
    free: int | None


def given(machine: Machine) -> Found:
    """A machine that the person named or that was detected: what is free is what it says."""
    gpus = machine.host.accelerators
    free = sum(a.memory_free for a in gpus) / GIB if gpus else machine.host.ram_available / GIB
    many = f"{len(gpus)} x " if len(gpus) > 1 else ""
    shown = gpus[0].name if gpus else "no GPU, RAM"
    return Found(machine, True, f"{many}{shown}, {free:.2f} GiB free")


def machine_of(evidence: Evidence) -> Found | None:
    """Return the machine that a paste shows; None where it says too little."""
    text = evidence.text
    rows = _listed(text)
    named = _spoken(text)
    ram = _ram(text)
    if rows and any(row.name for row in rows):
        return _build([row for row in rows if row.name], ram, measured=True)
    if named:
        measured = len(rows) in (1, len(named))
        if measured:
            several = rows if len(rows) == len(named) else rows * len(named)
            named = [_Gpu(n.name, r.total, r.free) for n, r in zip(named, several, strict=True)]
        return _build(named, ram, measured=measured)
    return _build(rows, ram, measured=any(r.free for r in rows)) if rows else None


def _listed(text: str) -> list[_Gpu]:
    """The devices that one kind of line lists, each once."""
    for pattern in _ROWS:
        found: dict[str, _Gpu] = {}
        for number, row in enumerate(pattern.finditer(text)):
            said = row.groupdict()
            key = said.get("id") or said.get("name") or (str(number) if said.get("used") else "")
            total, free = _size(said.get("total"), said), _size(said.get("free"), said)
            if total is None and free is None:
                continue
            used = said.get("used")
            if used is not None and total is not None:
                free = max(total - int(used) * MIB, 0)
            found.setdefault(key, _Gpu((said.get("name") or "").strip(), total, free))
        if found:
            gpus = list(found.values())[:MOST_GPUS]
            names = [m["name"] for m in _SMI_NAME.finditer(text)]
            if len(names) >= len(gpus) and not gpus[0].name:
                gpus = [_Gpu(name, gpu.total, gpu.free) for name, gpu in zip(names, gpus, strict=False)]
            return gpus
    return []


def _size(text: str | None, said: dict[str, str | None]) -> int | None:
    if text is None:
        return None
    number, _, unit = text.partition(" ")
    unit = unit or said.get("unit") or "MiB"
    if _NUMBER.fullmatch(number) is None:
        return None
    return int(float(number) * (GIB if unit == "GiB" else MIB))


def _spoken(text: str) -> list[_Gpu]:
    """GPUs that prose names, where all it names are of one kind."""
    found: dict[str, tuple[int, int | None]] = {}
    for said in _NAMED.finditer(text):
        name = " ".join(said["gpu"].split())
        count = said["n"] or "1"
        number = _COUNTS.get(count.lower()) or (int(count) if count.isdigit() else 1)
        before = found.get(name.lower(), (0, None))
        size = int(said["gb"]) * GIB if said["gb"] else before[1]
        found[name.lower()] = (max(number, before[0]), size)
    if len(found) != 1:
        return []
    name, (number, size) = next(iter(found.items()))
    return [_Gpu(name, size, None)] * number if 0 < number <= MOST_GPUS else []


def _ram(text: str) -> int | None:
    found = _RAM.search(text)
    return int(float(found["gb"] or found["gb2"]) * GIB) if found else None


def _build(gpus: list[_Gpu], ram: int | None, *, measured: bool) -> Found | None:
    names = {gpu.name for gpu in gpus}
    if len(names) != 1:
        return None
    name = names.pop()
    first = gpus[0]
    guesses = [s * GIB for s in _SIZES if first.free and s * GIB >= first.free] if first.total is None else []
    tried = (_profile(name, len(gpus), size, ram) for size in (None, first.total, *guesses))
    machine = next((machine for machine in tried if machine is not None), None)
    if machine is None and first.total is not None and len(gpus) == 1:
        machine = _of_size(first.total, ram)
    if machine is None:
        return None
    host = machine.host
    accelerators = host.accelerators
    if measured and len(accelerators) == len(gpus):
        accelerators = tuple(
            replace(
                accelerator,
                memory_total=gpu.total or accelerator.memory_total,
                memory_free=gpu.free if gpu.free is not None else accelerator.memory_free,
            )
            for accelerator, gpu in zip(accelerators, gpus, strict=True)
        )
        machine = replace(machine, hosts=(replace(host, accelerators=accelerators), *machine.hosts[1:]))
    if not accelerators:
        return None
    return replace(given(machine), measured=measured)


def _profile(name: str, count: int, total: int | None, ram: int | None) -> Machine | None:
    many = f"{count}x " if count > 1 else ""
    sized = f" {round(total / GIB)}GB" if total else ""
    try:
        return load_profile(f"{many}{name}{sized}", ram=ram) if name else None
    except InputError:
        return None


def _of_size(total: int, ram: int | None) -> Machine | None:
    try:
        return load_profile("", vram=total, ram=ram or 64 * GIB)
    except InputError:
        return None
