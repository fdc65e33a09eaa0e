"""Measure what a build of llama.cpp allocates, and print what moved since another one.

    pip install xllamacpp==2026.10.11549
    python -m benchmarks.measure_build [ARCHITECTURE…] [--against FILE] [--write FILE]

Writes the header of one model of each llama.cpp architecture, asks the installed engine what it would allocate for it
on the CPU in two settings, and compares every figure with those of `--against` (benchmarks/data/build.json, of the
last build that was followed). What moved is where to read the source; docs/accuracy.md says how a build is followed.
`--write` keeps the new figures. Exit code 1 where something moved.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.engine_check import SETTINGS, models
from benchmarks.gguf_headers import write_header
from planner.bounded_read import read_text
from planner.engines.llama_cpp.real_engine import allocated, available
from planner.errors import PlannerError
from planner.models.architecture import Architecture
from planner.models.gguf.header import read_gguf

LAST: Final = Path(__file__).parent / "data" / "build.json"
_LARGEST: Final = 16 << 20  # bytes of such a file
CASES: Final[Mapping[str, Mapping[str, Any]]] = {
    "one slot": SETTINGS,
    "four slots of one q8_0 cache, -ub 256": {
        "n_ctx": 8192,
        "n_parallel": 4,
        "kv_unified": True,
        "n_ubatch": 256,
        "cache_type_k": "q8_0",
        "cache_type_v": "q8_0",
    },
}
Figures = dict[str, int] | str  # bytes by name, or why the engine refused


def measure(name: str, arch: Architecture, folder: Path) -> dict[str, Figures]:
    """Return what the installed engine says of each case of one model."""
    path = folder / "model-F16.gguf"
    found: dict[str, Figures] = {}
    try:
        write_header(path, arch, vocabulary=True)
        header = read_gguf(path)
    except PlannerError as error:
        return dict.fromkeys(CASES, str(error).replace(str(path), name))
    for case, settings in CASES.items():
        try:
            (host,) = allocated(header, settings).devices
        except PlannerError as error:
            found[case] = str(error).partition("refused it: ")[2] or str(error).replace(str(path), name)
        else:
            found[case] = {"weights": host.weights, "caches": host.caches, "compute": host.compute}
    return found


def moved(before: Figures | None, now: Figures) -> str:
    """Say what differs between two builds' figures of one case; empty where nothing does."""
    if before is None:
        return "not measured before"
    if isinstance(before, str) or isinstance(now, str):
        if isinstance(before, str) and isinstance(now, str):
            return ""  # refused by both, maybe in other words
        return f"refused now: {now}" if isinstance(now, str) else f"refused before: {before}"
    parts = [
        f"{what} {now[what] - size:+,} of {size:,}" for what, size in before.items() if now[what] != size
    ]
    return ", ".join(parts)


def main(arguments: list[str]) -> int:
    """Measure, compare and print; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", help="llama.cpp architectures; all where none is named")
    parser.add_argument("--against", type=Path, default=LAST)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args(arguments)
    build = available()
    if build is None:
        print("install the build first, for example: pip install xllamacpp==2026.10.11549", file=sys.stderr)
        return 2
    last = json.loads(read_text(options.against, _LARGEST)) if options.against.exists() else {"figures": {}}
    figures: dict[str, dict[str, Figures]] = {}
    same = other = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, arch in models(options.names, every=False):
            figures[name] = measure(name, arch, Path(folder))
            for case, now in figures[name].items():
                said = moved(last["figures"].get(name, {}).get(case), now)
                same, other = same + (not said), other + bool(said)
                if said:
                    print(f"{arch.gguf_arch} ({name}), {case}: {said}", flush=True)
    print(f"{build} against {last.get('build', 'nothing')}: {same} cases the same, {other} moved")
    if options.write:
        document = {"build": build, "figures": {**last["figures"], **figures}}
        options.write.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 1 if other else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
