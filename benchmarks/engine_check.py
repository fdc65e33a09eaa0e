"""Prove the memory rules against the real engine, for every architecture of the catalogue, without weights.

    python -m benchmarks.engine_check [NAME…] [--all] [--json]

Writes the header of each model (one per llama.cpp architecture, or all, or those named), asks the installed
engine (extra "verify") what it would allocate on the CPU, and compares weights, caches and compute buffers
with the plan made from the same header. Exit code 1 where weights or caches differ.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gguf_headers import write_header
from planner.engines.llama_cpp.real_engine import allocated, available
from planner.engines.register import get_engine
from planner.errors import PlannerError
from planner.hardware.detect import detect
from planner.hardware.machine import Host, Machine
from planner.models.architecture import Architecture
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.gguf.architecture import architecture_from_gguf, tensors_from_gguf
from planner.models.gguf.header import read_gguf
from planner.models.model import Model
from planner.plan import PlanRequest, Workload
from planner.verify.compare import compare_allocation
from planner.verify.comparison import Part

SETTINGS = {"n_ctx": 4096, "n_parallel": 1, "kv_unified": False}


@dataclass(frozen=True, slots=True)
class Case:
    """One model: its parts, or the reason why there are none."""

    arch: str
    model: str
    parts: tuple[Part, ...] = ()
    reason: str = ""

    @property
    def exact(self) -> bool:
        """True where weights and caches agree."""
        return bool(self.parts) and all(p.agrees for p in self.parts if p.what != "compute buffers")


def models(names: list[str], every: bool) -> Iterator[tuple[str, Architecture]]:
    """Yield what is to be checked: the named models, or one of each llama.cpp architecture, or all."""
    seen: set[str] = set()
    for entry in load_catalogue().all_entries():
        try:
            arch = entry.architecture()
        except PlannerError:
            continue
        known = arch.gguf_arch
        if known is None or (names and known not in names and entry.id not in names):
            continue
        if known in seen and not every and not names:
            continue
        seen.add(known)
        yield entry.id, arch


def check(name: str, arch: Architecture, folder: Path, machine: Machine) -> Case:
    """Write one header and compare engine and plan."""
    path = folder / "model-F16.gguf"
    known = str(arch.gguf_arch)
    try:
        write_header(path, arch, vocabulary=True)
        header = read_gguf(path)
        report = allocated(header, SETTINGS)
        model = Model(name, name, architecture_from_gguf(header), tensors=tensors_from_gguf(header))
        workload = Workload(context=SETTINGS["n_ctx"])
        request = PlanRequest(model, header.quant, machine, workload, {**SETTINGS, "n_outputs_max": 1})
        estimate = get_engine("llama.cpp").estimate(request)
    except PlannerError as error:
        return Case(known, name, reason=str(error).replace(str(path), name))
    except Exception as error:  # a defect of the planner's: shown, counted, and the next model is checked
        return Case(known, name, reason=f"DEFECT {type(error).__name__}: {error}")
    return Case(known, name, compare_allocation(estimate, report.devices))


def main(arguments: list[str]) -> int:
    """Check and print; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help="llama.cpp architectures or Hugging Face ids")
    parser.add_argument("--all", action="store_true", help="every model, not one of each architecture")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    detected = detect().hosts[0]
    machine = Machine(hosts=(Host(1 << 50, 1 << 50, detected.cpu),))
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for name, arch in models(options.names, options.all):
            case = check(name, arch, Path(folder), machine)
            cases.append(case)
            if not options.json:
                print(_line(case), flush=True)
    exact = sum(c.exact for c in cases)
    refused = sum(not c.parts for c in cases)
    near = sum(p.agrees for c in cases for p in c.parts if p.what == "compute buffers")
    summary = {
        "engine": available(),
        "models": len(cases),
        "exact": exact,
        "compute_within_5pct": near,
        "refused": refused,
    }
    if options.json:
        print(json.dumps({"cases": [_document(c) for c in cases], "summary": summary}, indent=1))
    else:
        print(summary)
    return 0 if exact + refused == len(cases) else 1


def _line(case: Case) -> str:
    parts = "  ".join(
        f"{p.what.split()[0]} {p.predicted / 2**20:.1f}/{p.measured / 2**20:.1f}{'' if p.agrees else ' !'}"
        for p in case.parts
    )
    return f"{case.arch:18} {case.model:50} {parts or case.reason}"


def _document(case: Case) -> dict[str, object]:
    parts = {p.what: {"predicted": int(p.predicted), "measured": int(p.measured)} for p in case.parts}
    return {
        "arch": case.arch,
        "model": case.model,
        "exact": case.exact,
        "parts": parts,
        "reason": case.reason,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
