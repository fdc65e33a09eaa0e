"""Measuring a model with an engine that is installed here: its own timing program, or a server of ours for a minute."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Final

from planner.advice.bench import Bench, bench_running, beside
from planner.advice.plan.choose import plan_model
from planner.advice.plan.one_plan import shortage
from planner.advice.plan.question import PlanQuestion
from planner.advice.plan.worth import started_context
from planner.engines.bench_program import BenchTest
from planner.engines.facts import EngineFacts
from planner.engines.local_files import which
from planner.engines.register import engine_facts, planning
from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.hardware.host.system import System
from planner.plan import Plan
from planner.safe_text import one_line
from planner.speed.job import Load
from planner.speed.plans import speed_at
from planner.verify.bench.program import running
from planner.verify.bench.server import Point

SECONDS: Final = 115.0  # for everything, loading the model included
_LEAST: Final = 20.0  # seconds that measuring a server takes at least
_EACH: Final = 8.0  # seconds of one run
_DEPTHS: Final = (
    4096,
    2048,
    1024,
    512,
)  # tokens before the second run of decode, the deepest that time allows
_DEEP: Final = 40.0  # seconds for filling the cache to that depth


def bench_model(question: PlanQuestion, progress: Callable[[str], None]) -> Bench:
    """Measure a model as it is planned on this machine, with what is installed, in under two minutes.

    One user: the engine's own timing program where it is on the PATH; several, or without it: the engine's server,
    started for this and ended. What isn't on this machine is not fetched. Raises InputError where the model does
    not fit, nothing that measures it is installed, or the engine says no figure.
    """
    if question.engine is None:
        able = next(facts.name for facts in planning() if facts.bench_program)
        question = replace(question, engine=able)
    plan = plan_model(question)
    facts, model = engine_facts(plan.engine), plan.request.model
    if not plan.fits:
        raise InputError(f"{plan.name} {plan.quant} does not fit here: {shortage(plan)}")
    if model.path is not None and not Path(model.path).is_file():
        raise InputError(f"{model.path} is not a file that can be measured")
    system, deadline = System(), time.monotonic() + SECONDS
    test = _test(plan)
    words = facts.bench_words(plan, model, test)
    server = facts.local_server(plan, model)
    if words and plan.request.workload.users == 1 and (program := which(system, words[0])):
        progress(f"{words[0]}: prefill, and decode at {len(test.depths)} depths")
        return _by_program(plan, facts, (program, *words[1:]), deadline)
    if server and (program := which(system, server[0])):
        return _by_server(plan, facts, (program, *server[1:]), progress)
    names = " nor ".join(dict.fromkeys(w[0] for w in (words, server) if w))
    found = f"neither {names} is on the PATH" if names else f"{facts.title} has nothing here that measures it"
    raise InputError(f"{found}; start it (planner launch) and give planner bench --server URL")


def bench_line(plan: Plan) -> tuple[str, ...]:
    """The words that would measure what a plan says: the engine's own program, else the planner on its server."""
    facts = engine_facts(plan.engine)
    depth = plan.speed.depth if plan.speed else 0
    words = facts.bench_words(plan, plan.request.model, BenchTest(depths=(0, depth) if depth else (0,)))
    if not words and facts.server and facts.port:
        return ("planner", "bench", "--server", f"localhost:{facts.port}")
    return words


def _test(plan: Plan) -> BenchTest:
    """As much as fits into the time at the low end of what is said, and into the context that was planned."""
    decode = speed_at(plan, "decode", tokens=0, depth=0, load=Load()).low
    prefill = speed_at(plan, "prefill", tokens=512, depth=256, load=Load()).low
    answer = max(8, min(64, int(_EACH * decode)))
    prompt = max(32, min(512, int(_EACH * prefill)))
    room = started_context(plan) - prompt - answer
    deep = next((d for d in _DEPTHS if d <= room and 4 * d / prefill <= _DEEP), None)
    return BenchTest(prompt, answer, (0,) if deep is None else (0, deep), repetitions=2, lines=True)


def _by_program(plan: Plan, facts: EngineFacts, words: tuple[str, ...], deadline: float) -> Bench:
    points: list[Point] = []
    build, last = "", ""
    with running(words, plan.env, deadline) as lines:
        for line in lines:
            told = facts.timed(line)
            if told is None:
                last = line if line.strip() else last
                continue
            build = told.build
            points.append(Point(told.what, told.tps, told.prompt, told.depth))
    if not points:
        late = "nothing was timed in two minutes" if time.monotonic() >= deadline else one_line(last, 200)
        raise InputError(f"{facts.bench_program}: {late or 'it printed nothing'}")
    return beside(plan, build, points, here=True)


def _by_server(
    plan: Plan, facts: EngineFacts, words: tuple[str, ...], progress: Callable[[str], None]
) -> Bench:
    deadline = time.monotonic() + SECONDS
    progress(f"starting {facts.server}")
    with running(words, plan.env, deadline) as lines:
        url, last = _listening(facts, lines)
        left = deadline - time.monotonic()
        if url is None or left < _LEAST:
            late = left < _LEAST
            raise InputError(
                f"{facts.server} took too long to load {plan.name}; start it and give planner bench --server URL"
                if late
                else f"{facts.server} did not start: {one_line(last, 200)}"
            )
        Thread(target=deque, args=(lines, 0), daemon=True).start()  # its log must not fill the pipe
        settings = {k: v for k, v in plan.settings.items() if v is not None}
        return bench_running(url, None, plan.request.model, settings, progress, left)


def _listening(facts: EngineFacts, lines: Iterator[str]) -> tuple[str | None, str]:
    """Where the server listens, None where it ended before; and the last line of its log so far."""
    last = ""
    for line in lines:
        if url := facts.address(line):
            return url, last
        last = line if line.strip() else last
    return None, last
