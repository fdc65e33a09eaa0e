"""Build shipped/buffers.json, the compute buffers of planner/engines/llama_cpp (see its shipped.curves).

    python -m benchmarks.build_buffers             ask common questions, record the figures they need
    python -m benchmarks.build_buffers --more      the same, but keep what the file holds: restamp it first
    python -m benchmarks.build_buffers --restamp   keep the figures that a change of the sources left alone

Needed after a change of the graph's sources. Building takes ten minutes, `--restamp` one: it recomputes figures
of every architecture, leaves out those that changed, and replaces the hash. What is left out is computed when
somebody asks, until the file is built anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import planner
import planner.engines.llama_cpp.compute as compute
from planner.advice.plan.candidates import quants_for
from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.graph.buffers import ComputeBuffers
from planner.engines.llama_cpp.graph.reserve import compute_buffers
from planner.engines.llama_cpp.placing.placement import place
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings, resolve
from planner.engines.llama_cpp.shipped import curves as buffers
from planner.engines.llama_cpp.traits import Rule
from planner.errors import PlannerError
from planner.fast_dataclass import replace
from planner.hardware.machine import Backend
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.load import from_entry
from planner.plan import UseCase, Workload
from planner.quant.quantisations import ladder

Key = tuple[str, str]

PACKAGE: Final = Path(planner.__file__).parent
SOURCES: Final = (
    "engines/llama_cpp/graph/**/*.py",
    "engines/llama_cpp/architectures.py",
    "engines/llama_cpp/tensor_types.py",
    "engines/llama_cpp/traits.py",
    "quant/formats.py",
)
MACHINES: Final = (
    *("rtx-4090", "rtx-3060-12gb", "rtx-4060-ti-16gb", "rtx-5090", "rtx-3090", "rtx-3090 x2", "rtx-4080"),
    *("rx-7900-xtx", "arc-b580", "apple-m4-16gb", "apple-m4-max-64gb", "strix-halo-395-128", "dgx-spark"),
    *("raspberry-pi-5-8gb", "h100-80gb", "8x h200", "a100-80gb", "l40s", "t4", "rtx-pro-6000", "mi300x"),
)
# Graphics memory and RAM (GiB) of machines that people build themselves
OWN: Final = (
    (6, 16),
    (8, 16),
    (8, 32),
    (10, 32),
    (12, 32),
    (12, 64),
    (16, 32),
    (16, 64),
    (24, 64),
    (24, 128),
    (32, 64),
)
BARE: Final = (8, 16, 24, 32, 48, 64, 96, 128)  # RAM (GiB) of machines without a GPU
QUESTIONS: Final = ((1, None), (8, 32768), (1, 32768))  # users, context
USE_CASES: Final = (UseCase.GENERAL, UseCase.CODING, UseCase.VISION)
POINTS: Final = (
    4096,
    8192,
    12288,
    16384,
    24576,
    32768,
    65536,
    131072,
)  # tokens a sequence, where no lines are
FIRST: Final = 4096  # tokens a sequence from which lines are sought; on the CPU alone, two steps
MOST: Final = 18  # graphs that one curve may cost
LARGE: Final = 1 << 46  # bytes: a device where everything fits


def sources_hash() -> str:
    """Return a hash of everything that decides the figures of a given key."""
    digest = hashlib.sha256()
    for path in sorted(p for pattern in SOURCES for p in PACKAGE.glob(pattern)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


class Recorder:
    """Stands in for the graph: builds the whole curve when a placement is first asked for."""

    def __init__(self, *, more: bool) -> None:
        self.more = more  # what the file holds stays
        self.curves: dict[Key, buffers.Curve] = {}
        self.asked: dict[Key, Run] = {}
        self.graphs = 0
        self.seconds = 0.0

    def __call__(self, asked: Run) -> ComputeBuffers:
        """Return what planner.engines.llama_cpp.compute.built_buffers would."""
        key = self.key(asked)
        if key is None:
            return compute_buffers(asked)
        if key not in self.curves:
            self.add(key, asked)
        found = self.curves[key].at(asked.context.n_ctx)
        return found or compute_buffers(asked)

    def key(self, asked: Run) -> Key | None:
        """Return shape and kind; None where the table holds no such thing."""
        if traits(asked.arch).graph is not Rule.FOLLOWED:
            return None
        kind = buffers.kind_of(asked)
        return None if kind is None else (buffers.fingerprint(asked.arch), kind)

    def add(self, key: Key, asked: Run) -> None:
        """Build the curve of a placement."""
        start = time.process_time()
        self.asked[key] = asked
        self.curves[key] = self._kept(key, asked) or self._curve(asked)
        self.seconds += time.process_time() - start

    def _kept(self, key: Key, asked: Run) -> buffers.Curve | None:
        """What the file holds, but for points that were once fewer."""
        row = buffers.curves(key[0]).get(key[1]) if self.more else None
        if row is None:
            return None
        curve = buffers.unpacked(row, asked.placement.n_devices + 2)
        trained = -(-asked.arch.n_ctx_train // buffers.STEP)
        fewer = not curve.linear and 1 < len(curve.rows) < len(steps_of(trained))
        return None if fewer else curve

    def _curve(self, asked: Run) -> buffers.Curve:
        placement, context = asked.placement, asked.context
        step = buffers.STEP * context.n_seq_max
        if context.n_ctx < asked.settings.n_ubatch:
            return buffers.Curve(False, [measure(asked, context.n_ctx)])
        trained = -(-asked.arch.n_ctx_train // buffers.STEP)
        rows: dict[int, list[int]] = {}

        def row(n: int) -> list[int]:
            if n not in rows:
                self.graphs += 1
                rows[n] = measure(asked, n * step)
            return rows[n]

        partial = placement.n_devices and placement.any_on_host and not placement.moved
        if not partial:
            low = min(FIRST // buffers.STEP if placement.n_devices else 2, trained)
            corners = lines(row, low, trained, MOST) if trained > low else None
            if corners is not None:
                return buffers.Curve(True, [rows[n] for n in corners])
        return buffers.Curve(False, [row(n) for n in steps_of(trained)])


def steps_of(trained: int) -> list[int]:
    """Steps for which single figures are kept, the longest context last: what lies between has a bound."""
    return sorted({trained, *(p // buffers.STEP for p in POINTS if p // buffers.STEP < trained)})


def measure(asked: Run, n_ctx: int) -> list[int]:
    """Return a row of the curve: the context and its exact buffers."""
    settings = replace(asked.settings, n_ctx=n_ctx)
    at = resolve(asked.arch, settings, asked.backend if asked.placement.n_devices else Backend.CPU)
    at = replace(at, flash_attn=asked.context.flash_attn)
    found = compute_buffers(replace(asked, settings=settings, context=at))
    return [at.n_ctx, *found.devices, found.host]


def lines(row: Callable[[int], list[int]], low: int, high: int, most: int) -> list[int] | None:
    """Return the corners between which rows lie on lines; None where that takes more than so many rows."""
    corners = {low, high}
    open_ends = [(low, high)]
    seen = {low, high}

    def on_line(n: int, a: int, b: int) -> bool:
        seen.add(n)
        return all(
            (y - x) * (n - a) == (z - x) * (b - a)
            for x, y, z in zip(row(a)[1:], row(b)[1:], row(n)[1:], strict=True)
        )

    while open_ends:
        a, b = open_ends.pop()
        probes = {a + 1, (3 * a + b) // 4, (a + b) // 2, b - 1} - {a, b}
        if all(on_line(n, a, b) for n in probes):
            continue
        if len(seen) > most:
            return None
        at = _meeting(row(a), row(a + 1), row(b - 1), row(b), a, b)
        ends = sorted({a, *(n for n in at if a < n < b), b})
        if len(ends) == 2:
            ends = [a, (a + b) // 2, b]
        corners.update(ends)
        open_ends += pairwise(ends)
    return _needed(sorted(corners), row)


def _meeting(a: list[int], a1: list[int], b1: list[int], b: list[int], low: int, high: int) -> set[int]:
    """Steps beside which the line from the low end meets the line to the high end, in any component."""
    found = set()
    for start, then, before, end in zip(a[1:], a1[1:], b1[1:], b[1:], strict=True):
        rise, fall = then - start, end - before
        if rise != fall:
            at = low + int((end - start - fall * (high - low)) / (rise - fall))
            found |= {at, at + 1}
    return found


def _needed(corners: list[int], row: Callable[[int], list[int]]) -> list[int]:
    """Leave out corners that lie on the line between their neighbours."""
    kept = corners[:1]
    for n, after in pairwise(corners[1:]):
        a, b = row(kept[-1]), row(after)
        straight = all(
            (y - x) * (n - kept[-1]) == (z - x) * (after - kept[-1])
            for x, y, z in zip(a[1:], b[1:], row(n)[1:], strict=True)
        )
        if not straight:
            kept.append(n)
    return [*kept, *corners[len(corners) - 1 :]]


def questions() -> Iterator[tuple[planner.Machine, Workload]]:
    """Yield what people ask."""
    machines = [planner.load_profile(name) for name in MACHINES]
    machines += [planner.load_profile("rtx-4090", ram=ram << 30, vram=vram << 30) for vram, ram in OWN]
    machines += [planner.load_profile("raspberry-pi-5-8gb", ram=ram << 30) for ram in BARE]
    for machine in machines:
        for users, context in QUESTIONS:
            for use_case in USE_CASES if context is None else USE_CASES[:1]:
                yield machine, Workload(users=users, context=context, use_case=use_case)


def ask(recorder: Recorder) -> None:
    """Ask for recommendations, and for plans of what has a name."""
    for n, (machine, workload) in enumerate(questions()):
        compute._points.clear()
        planner.recommend(machine, workload)
        if n % 5 == 0:
            progress(f"question {n}", recorder)
        if n % 20 == 19:
            save(recorder)


def extend(recorder: Recorder) -> None:
    """Add placements beside those that were asked for: other machines have a little less free, or more."""
    seen = set()
    for n, asked in enumerate(list(recorder.asked.values())):
        placement, settings = asked.placement, asked.settings
        if placement.n_devices != 1 or not placement.any_on_host or settings.override_tensor:
            continue
        for other in neighbours(asked):
            numbers = (
                other.settings.n_cpu_moe,
                other.placement.n_gpu_layers,
                settings.n_parallel,
                settings.cache_type_k,
            )
            which = (id(asked.table), *numbers, settings.op_offload, asked.backend)
            if which in seen:
                continue
            seen.add(which)
            key = recorder.key(other)
            if key is not None and key not in recorder.curves:
                recorder.add(key, other)
        if n % 100 == 0:
            progress(f"extension {n}", recorder)
            save(recorder)


def neighbours(asked: Run) -> Iterator[Run]:
    """Yield the same placement with other numbers of layers, or of layers' experts, on the host.

    All of them for one user with the usual cache, for any amount of memory; else one or two more or less.
    """
    placement, settings = asked.placement, asked.settings
    count = sum(g.count for g in asked.arch.groups)
    now = settings.n_cpu_moe if placement.moved else count + 1 - placement.n_gpu_layers
    usual = settings.n_parallel == 1 and settings.cache_type_k == "f16"
    for n in range(1, count + 1) if usual else (now - 1, now + 1, now + 2):
        if not 1 <= n <= count:
            continue
        moved = (
            replace(settings, n_cpu_moe=n)
            if placement.moved
            else replace(settings, n_gpu_layers=count + 1 - n)
        )
        yield replace(asked, placement=place(asked.arch, moved, (LARGE,)), settings=moved)


def progress(text: str, recorder: Recorder) -> None:
    """Say how far it is."""
    print(
        f"{text}: {len(recorder.curves)} kinds, {recorder.graphs} graphs, {recorder.seconds:.0f} s",
        file=sys.stderr,
        flush=True,
    )


def write(curves: dict[Key, list[int]]) -> None:
    """Write the file: a header with the place of each architecture's line, then the lines."""
    shapes: dict[str, dict[str, list[int]]] = {}
    for (shape, kind), row in sorted(curves.items()):
        shapes.setdefault(shape, {})[kind] = row
    index, body, at = {}, [], 0
    for shape, rows in shapes.items():
        line = json.dumps(rows, separators=(",", ":"))
        index[shape] = [at, len(line)]
        body.append(line)
        at += len(line) + 2
    header = json.dumps({"sources": sources_hash(), "shapes": index}, separators=(",", ":"))
    text = header[:-1].encode() + buffers.ROWS + ",\n".join(body).encode() + b"\n]}\n"
    buffers.FILE.write_bytes(text)
    buffers._index.cache_clear()
    buffers.curves.cache_clear()
    print(f"{buffers.FILE.name}: {len(shapes)} shapes, {len(curves)} kinds, {len(text) / 1e6:.2f} MB")


def save(recorder: Recorder) -> None:
    """Write what is known so far."""
    found = {key: buffers.packed(curve) for key, curve in recorder.curves.items()}
    write({**(shipped() if recorder.more else {}), **found})


def shipped() -> dict[Key, list[int]]:
    """Return every row of the file."""
    return {(s, k): row for s in buffers._index()["shapes"] for k, row in buffers.curves(s).items()}


def likely(every: int = 1) -> Iterator[Run]:
    """Yield placements of catalogue models for which the file may hold figures; of layers, some numbers.

    `every`: take one of so many models.
    """
    for entry in load_catalogue().entries()[::every]:
        try:
            model = from_entry(entry)
        except PlannerError:
            continue
        arch = model.architecture
        if arch.gguf_arch is None or traits(arch).graph is not Rule.FOLLOWED:
            continue
        count = sum(g.count for g in arch.groups)
        for quant in quants_for(model, "llama.cpp"):
            table = weight_table(arch, quant)
            partly = quant in {q.name for q in ladder(beside_cpu=True)} or quant.startswith("MXFP4")
            for n in (0, count // 4, count // 2, count - 2) if partly else (0,):
                for users, given in (
                    (1, {"n_cpu_moe": n}),
                    (1, {"n_gpu_layers": count + 1 - n}),
                    (8, {"n_cpu_moe": n}),
                ):
                    shared = {"n_ctx": 8192 * users, "n_parallel": users, "n_outputs_max": users}
                    settings = LlamaCppSettings.of({**shared, **given})
                    context = resolve(arch, settings, Backend.CUDA)
                    yield Run(table, place(arch, settings, (LARGE,)), settings, context, Backend.CUDA)
            settings = LlamaCppSettings.of({"n_ctx": 8192, "n_outputs_max": 1, "n_gpu_layers": 0})
            context = resolve(arch, settings, Backend.CPU)
            yield Run(table, place(arch, settings, ()), settings, context, Backend.CPU)


def checked(every: int = 1) -> Iterator[tuple[str, list[int], list[int]]]:
    """Recompute a figure of each row that the catalogue leads to: its shape, as shipped, as it is now.

    Between corners where the row is of lines, so that the lines are checked too.
    """
    done = set()
    for asked in likely(every):
        shape, kind = buffers.fingerprint(asked.arch), buffers.kind_of(asked)
        rows = buffers.curves(shape)
        if kind is None or kind not in rows or (shape, kind) in done:
            continue
        done.add((shape, kind))
        curve = buffers.unpacked(rows[kind], asked.placement.n_devices + 2)
        at = curve.contexts[-1]
        if curve.linear and len(curve.contexts) > 1:
            # every stream has a whole number of steps
            step = buffers.STEP * asked.context.n_stream
            at = max(curve.contexts[-2], (curve.contexts[-2] + at) // 2 // step * step)
        found = curve.at(at)
        if found is not None:
            yield shape, [at, *found.devices, found.host], measure(asked, at)


def restamp() -> int:
    """Replace the hash; leave out shapes of which a figure changed, or none could be recomputed."""
    same: set[str] = set()
    changed: set[str] = set()
    for shape, before, now in checked():
        (same if before == now else changed).add(shape)
    shapes = buffers._index()["shapes"]
    print(f"{len(same - changed)} shapes as they were, {len(changed)} changed, of {len(shapes)}")
    write({key: row for key, row in shipped().items() if key[0] in same - changed})
    return 0


def main() -> int:
    """Build the file, or restamp it."""
    parser = argparse.ArgumentParser(description="Build the shipped compute buffers.")
    parser.add_argument("--restamp", action="store_true", help="keep what did not change")
    parser.add_argument("--more", action="store_true", help="keep what the file holds, add what it lacks")
    options = parser.parse_args()
    if options.restamp:
        return restamp()
    recorder = Recorder(more=options.more)
    vars(compute).update(shipped_curve=lambda *_: None, built_buffers=recorder)
    ask(recorder)
    save(recorder)
    extend(recorder)
    progress("done", recorder)
    save(recorder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
