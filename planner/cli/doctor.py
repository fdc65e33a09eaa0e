"""`planner doctor`: what was detected, and from where, as text that a person can paste into a bug report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from planner.cli.options import JsonOption
from planner.cli.output import print_document, print_heading, print_line, print_table, print_wrapped
from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.units import gib, mib, rate_text, size_text

if TYPE_CHECKING:
    from planner.api import Accelerator, Doctor, Machine


def doctor(
    export: Annotated[
        str | None,
        typer.Option(
            "--export",
            metavar="NAME",
            help="Write NAME.toml here, a profile of this machine for use on another ('-' prints it).",
        ),
    ] = None,
    json: JsonOption = False,
) -> int:
    """What was detected, and from where each figure came."""
    from planner.api import detect, export_profile
    from planner.api import doctor as examine

    if export == "-":
        print_line(export_profile(detect()).rstrip())
        return 0
    found = examine()
    if export is not None:
        written = _write(Path(f"{export}.toml"), export_profile(found.machine, export))
        found = replace(found, exported=written)
    if json:
        print_document(found)
        return 0
    print_machine_facts(found.machine)
    print_engines(found)
    if found.exported is not None:
        print_line()
        print_wrapped(f"Wrote {found.exported}. On another machine: planner check --profile {found.exported}")
    return 0


def _write(path: Path, text: str) -> str:
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise InputError(f"{path} is there already; export under another name or remove it") from None
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None
    return str(path)


def print_machine_facts(machine: Machine) -> None:
    """Every detected figure with its source, and the notes."""
    host, sources = machine.host, machine.sources
    print_heading("Machine")
    rows: list[tuple[str, str, str]] = [
        ("system", host.os or "unknown", ""),
        ("RAM", gib(host.ram_total), sources.get("ram", "")),
        ("RAM available", gib(host.ram_available), sources.get("ram available", "")),
        ("processor", host.cpu.name, sources.get("cpu", "")),
        ("cores", f"{host.cpu.usable_cores or '?'} usable of {host.cpu.physical_cores or '?'}", ""),
        ("instructions", ", ".join(sorted(host.cpu.features)) or "unknown", ""),
        ("RAM bandwidth", _rate(host.cpu.memory_bandwidth), sources.get("memory bandwidth", "")),
        ("limits", "; ".join(host.limits) or "none", ""),
    ]
    for key in ("nvidia driver", "rocm", "macos"):
        if key in sources:
            rows.append((key, sources[key], ""))
    _print_rows(rows)
    for gpu in machine.accelerators:
        print_line()
        print_heading(f"GPU {gpu.index}: {gpu.name}")
        _print_rows(_gpu_rows(gpu, sources))
    if machine.notes:
        print_line()
        print_heading("Notes")
        for note in machine.notes:
            print_wrapped(note, "  ", "- ")


def _gpu_rows(gpu: Accelerator, sources: Any) -> list[tuple[str, str, str]]:
    cc, known = gpu.compute_capability, sources.get(f"{gpu.name}: speed", "no profile")
    where = sources.get(f"{gpu.name}: memory") or sources.get("gpus", "")
    kind = "shared with the RAM" if gpu.unified else "own memory"
    rows = [
        ("memory", f"{mib(gpu.memory_total)}, {kind}", where),
        ("free", mib(gpu.memory_free), where),
        ("driven by", gpu.backend.value, ""),
        ("architecture", gpu.architecture or "unknown", known),
        ("bandwidth", _rate(gpu.memory_bandwidth), known),
        ("fp16", "unknown" if gpu.rates.fp16 is None else f"{gpu.rates.fp16 / 1e12:.1f} TFLOPS", known),
    ]
    if cc is not None:
        rows.append(("compute capability", f"{cc[0]}.{cc[1]}", ""))
    if gpu.gfx_target:
        rows.append(("gfx target", gpu.gfx_target, ""))
    if gpu.pcie_bandwidth:
        rows.append(("PCIe", _rate(gpu.pcie_bandwidth), "link of now"))
    if gpu.nvlink_bandwidth:
        rows.append(("NVLink", _rate(gpu.nvlink_bandwidth), known))
    if gpu.tdp_w:
        rows.append(("power limit", f"{gpu.tdp_w:.0f} W", ""))
    return rows


def _rate(value: float | None) -> str:
    return "unknown" if value is None else f"{rate_text(value / 1e9)} GB/s"


def _print_rows(rows: list[tuple[str, str, str]]) -> None:
    """Key, value and source in one line each; a long value is wrapped under itself."""
    for key, value, source in rows:
        print_wrapped(value + (f"  [{source}]" if source else ""), "  ", f"{key:<19}")


def print_engines(found: Doctor) -> None:
    """What is installed, what it does otherwise than the rules here, and which models lie here."""
    print_line()
    print_heading("Engines")
    if not found.engines:
        print_line("  none found on the PATH (Ollama, llama.cpp, vLLM, LM Studio, Docker)")
    _print_rows([(e.name, e.version or "version unknown", e.source) for e in found.engines])
    for line in found.differences:
        print_wrapped(line, "  ", "- ")
    print_line()
    print_heading("Room for models")
    _print_rows(
        [
            (s.name, f"{s.folder}: {'unknown' if s.free is None else gib(s.free)} free", "")
            for s in found.stores
        ]
    )
    if found.models:
        print_line()
        print_heading(f"Models on this computer ({len(found.models)})")
        rows = [(m.store, m.name, "" if m.size is None else size_text(m.size)) for m in found.models[:40]]
        print_table(rows, ("where", "model", "size"))
        if len(found.models) > 40:
            print_line(f"… and {len(found.models) - 40} more (all with --json)")
