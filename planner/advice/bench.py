"""Measuring a running server: what is estimated for it beside how fast it is, and what that says of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from planner.advice.plan.candidates import quants_for
from planner.advice.plan.one_plan import bare_plan
from planner.advice.verification import asked_of, model_of, quant_of
from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.hardware.detect import detect
from planner.models.catalogue.catalogue import lookup
from planner.models.model import Model
from planner.plan import Interval, Plan, PlanRequest
from planner.speed.correction import Factor, factor_of
from planner.speed.job import Load
from planner.speed.plans import speed_at
from planner.verify.bench.server import SECONDS, Point, measure
from planner.verify.bench.stream import Target
from planner.verify.running_server import is_here, probe, server_base
from planner.verify.speed_here import SpeedRecord, ratios_here, record_speeds


@dataclass(frozen=True, slots=True)
class BenchPoint:
    """One speed, said beside got."""

    what: str
    """prefill or decode."""
    prompt: int
    """Tokens of the prompt."""
    depth: int
    """Tokens in the cache in the middle of what was measured."""
    streams: int
    """Requests at once."""
    measured: float
    """Tokens a second that the server reached: of the prompt, or of one stream."""
    said: Interval
    """Tokens a second that were estimated, without anything measured here."""

    @property
    def inside(self) -> bool:
        """True where the measurement lies in the estimate's range."""
        return self.said.low <= self.measured <= self.said.high


@dataclass(frozen=True, slots=True)
class Bench:
    """How fast a running server is."""

    engine: str
    """The engine's name in plans."""
    build: str
    """Its version, as it names it."""
    backend: str
    """Through which it is planned to drive its devices."""
    model: str
    """The model's name."""
    quant: str
    """The quantisation that was planned."""
    points: tuple[BenchPoint, ...]
    """One a measurement."""
    decode_factor: Factor | None = None
    """What further estimates of decode on this machine are multiplied by; None where nothing is."""
    prefill_factor: Factor | None = None
    """The same for prefill."""
    rows: tuple[Mapping[str, Any], ...] = ()
    """The measurements in the schema of benchmarks/data/speed.jsonl, without names or paths."""
    notes: tuple[str, ...] = ()
    """What the reader should know beside the figures."""


def bench_running(
    url: str,
    api_key: str | None,
    model: Model | None,
    settings: Mapping[str, Any],
    progress: Callable[[str], None],
    seconds: float = SECONDS,
) -> Bench:
    """Measure the first model that a server runs, for so many seconds.

    What is measured on this machine is kept and corrects further estimates. Raises InputError where nothing
    answers, no model is loaded, or the server has no completions in OpenAI's form.
    """
    deadline = time.monotonic() + seconds
    running = probe(url, api_key)[0]
    here = is_here(url)
    model = model or model_of(running, here)
    workload, known = asked_of(running, settings)
    quant = quant_of(running, model) or quants_for(model, running.engine)[-1]
    plan = bare_plan(running.engine, PlanRequest(model, quant, detect(), workload, known))
    target = Target(server_base(url), running.model, api_key)
    found = measure(
        target, context=running.context, sequences=running.sequences, progress=progress, deadline=deadline
    )
    if not found:
        raise InputError(f"{target.base}: its answers were too short to time")
    return beside(plan, running.build, found, here=here)


def beside(plan: Plan, build: str, found: Sequence[Point], *, here: bool) -> Bench:
    """What was measured beside what is estimated; kept where it was measured on this machine."""
    points = tuple(_beside(plan, p) for p in found)
    notes = [] if here else ["the server is another machine's: estimates for this one are left as they are"]
    if here:
        alone = [p for p in points if p.streams == 1]
        keys = (plan.engine, plan.backend.value)
        kept = record_speeds([SpeedRecord(*keys, p.what, p.measured, p.said.expected) for p in alone])
        if kept is None:
            notes.append("the measurements could not be kept on this machine")
    decode, prefill = (factor_here(plan, what) if here else None for what in ("decode", "prefill"))
    return Bench(
        engine=plan.engine,
        build=build,
        backend=plan.backend.value,
        model=plan.request.model.name,
        quant=plan.quant,
        points=points,
        decode_factor=decode,
        prefill_factor=prefill,
        rows=tuple(_row(plan, build, p) for p in points),
        notes=tuple(notes),
    )


def factor_here(plan: Plan, what: str) -> Factor | None:
    """What estimates of "decode" or "prefill" are multiplied by on this machine; None where nothing was measured."""
    return factor_of(ratios_here(plan.engine, plan.backend.value, what))


def _beside(plan: Plan, point: Point) -> BenchPoint:
    said = speed_at(plan, point.what, tokens=point.prompt, depth=point.depth, load=Load(point.streams))
    return BenchPoint(point.what, point.prompt, point.depth, point.streams, point.tps, said)


def _row(plan: Plan, build: str, point: BenchPoint) -> dict[str, Any]:
    """A row that says what ran, on what, how fast; a file's or a folder's name is nobody's business."""
    gpus = [d for d in plan.memory.devices if d.kind == "gpu" and d.weights > 0]
    host = plan.request.machine.host
    named = host.accelerators[0] if gpus and host.accelerators else None
    entry = lookup(plan.request.model.id)
    return {
        "engine": plan.engine,
        "engine_version": build,
        "backend": plan.backend.value,
        "model": entry.id if entry else f"unnamed-{plan.request.arch.parameters() / 1e9:.1f}b",
        "quant": plan.quant,
        "hardware": named.name if named else host.cpu.name,
        "hw_key": (named.profile or named.name) if named else (host.cpu.profile or host.cpu.name),
        "hw_count": max(1, len(gpus)),
        "residency": {"gpu": "full", "hybrid": "partial"}.get(plan.placement.value, "cpu"),
        "test": f"planner bench, {point.what}",
        "date": date.today().isoformat(),
        "n_prompt": point.prompt,
        "depth": point.depth if point.what == "decode" else max(0, point.depth - point.prompt // 2),
        "concurrency": point.streams,
        f"{point.what}_tps": round(point.measured, 2),
    }
