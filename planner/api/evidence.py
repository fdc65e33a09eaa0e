"""Evidence: predicted beside measured on the user's own engine, and what the source articles say, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.api.arguments import (
    instance_of,
    text_of,
    text_or_none,
    the_engine,
    the_machine,
    the_model,
    the_plan,
    the_settings,
    the_workload,
)
from planner.errors import InputError

if TYPE_CHECKING:
    from planner.advice.bench import Bench
    from planner.documents.claims import Claims
    from planner.documents.verify import Verifications
    from planner.hardware.machine import Machine
    from planner.models.model import Model
    from planner.plan import Plan, Workload
    from planner.speed.measured import MeasuredSpeed
    from planner.verify.diagnose.diagnose import Diagnosed


def verify_file(
    path: str | PathLike[str], *, context: int | str | None = None, settings: Mapping[str, Any] | None = None
) -> Verifications:
    """Compare what is predicted for a GGUF file with what the real llama.cpp allocates for it.

    Only the file's header is read. Needs the extra "verify". `context` is in tokens, `settings` are the engine's
    own. Raises InputError for a file that is none, or without the extra.
    """
    from planner.advice.verification import verify_gguf
    from planner.documents.verify import Verifications

    file = Path(text_of(fspath(path), "path"))
    return Verifications((verify_gguf(file, context, the_settings(settings)),))


def verify_server(
    url: str,
    *,
    api_key: str | None = None,
    model: Model | str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Verifications:
    """Compare what is predicted with what a running Ollama, llama-server or vLLM uses.

    `model` says which model the server runs, where its name isn't known; `settings` what it was started with.
    Raises InputError where nothing answers, or no model is loaded.
    """
    from planner.advice.verification import verify_running
    from planner.documents.verify import Verifications

    results, notes = verify_running(
        text_of(url, "server"),
        text_or_none(api_key, "api_key"),
        None if model is None else the_model(model),
        the_settings(settings),
    )
    return Verifications(results, notes)


def diagnose(text: str, *, machine: Machine | str | None = None, model: str | None = None) -> Diagnosed:
    """Return what a pasted command, log or error shows: the cause with its numbers, and the smallest change.

    `machine` and `model` say what the paste leaves out; a machine is one, or a profile's name. Nothing of the paste
    is run or opened. Raises InputError for an empty or an enormous paste, and for a machine that is none.

        >>> planner.diagnose("cudaMalloc failed: out of memory").recognised
        True
    """
    from functools import partial

    from planner.verify.diagnose.diagnose import Knowing
    from planner.verify.diagnose.diagnose import diagnose as diagnose_text
    from planner.verify.diagnose.explain import add_up_beside
    from planner.verify.diagnose.figures import figures_for, is_model, released
    from planner.verify.diagnose.machine import given

    named = None if machine is None else given(the_machine(machine))
    add_up = partial(add_up_beside, machine=named)
    knowing = Knowing(figures_for, released, is_model, add_up, text_or_none(model, "model"))
    return diagnose_text(text_of(_printable(text), "text"), knowing)


def _printable(text: object) -> object:
    """A paste without null characters, which logs of services hold now and then."""
    return text.replace("\0", "") if isinstance(text, str) else text


def remember(results: Verifications) -> Path | None:
    """Keep verifications on this machine, where `recommend` and `plan` say what was measured here.

    Returns the file; None where it can't be written.
    """
    from planner.documents.verify import Verifications
    from planner.verify.comparison import measurements_file, record

    kept = [record(one) for one in instance_of(results, Verifications, "results").verifications if one.parts]
    return None if None in kept else measurements_file()


def bench_server(
    url: str,
    *,
    api_key: str | None = None,
    model: Model | str | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Bench:
    """Measure how fast a running server is, in under two minutes, beside what is estimated for it.

    A server on this machine corrects further estimates here, until `forget_speeds()`. Nothing is sent anywhere but
    to the server. `progress(what)` is called before each measurement; the rest is as for `verify_server`.
    """
    from planner.advice.bench import bench_running

    return bench_running(
        text_of(url, "server"),
        text_or_none(api_key, "api_key"),
        None if model is None else the_model(model),
        the_settings(settings),
        progress or (lambda what: None),
    )


def bench_model(
    model: Model | str,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
    quant: str | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Bench:
    """Measure a model with an engine that is installed here, in under two minutes, beside what is estimated for it.

    One user: by the engine's own timing program; several: by its server, started on a free port of this machine and
    ended. What isn't here is not fetched. Corrects further estimates here, until `forget_speeds()`. Raises
    InputError where the model doesn't fit, or nothing is installed that measures it.
    """
    from planner.advice.bench_local import bench_model as measure
    from planner.advice.plan.question import PlanQuestion
    from planner.hardware.detect import detect

    question = PlanQuestion(
        the_model(model),
        detect(),
        the_workload(workload),
        engine=the_engine(engine),
        quant=text_or_none(quant, "quant"),
        settings=the_settings(settings),
    )
    return measure(question, progress or (lambda what: None))


def bench_line(plan: Plan) -> tuple[str, ...]:
    """Return the words of the command that would measure what a plan says; none where nothing is known that does.

    >>> planner.bench_line(planner.plan("gpt-oss-20b", "rtx-4090", engine="llama.cpp"))[0]
    'llama-bench'
    """
    from planner.advice.bench_local import bench_line as words

    return words(the_plan(plan))


def measured_like(plan: Plan) -> tuple[MeasuredSpeed, ...]:
    """Return published measurements on a plan's card, the nearest first; none where there are none.

    >>> planner.measured_like(planner.plan("qwen3.8-27b", "rtx-4090", engine="llama.cpp"))[0].model
    'Qwen/Qwen3.8-27B'
    """
    from planner.speed.plans import measured_like as like

    return like(the_plan(plan))


def export_rows(answer: Bench, path: str | PathLike[str]) -> None:
    """Add a bench's measurements to a file, one JSON object a line, without names or paths of this machine.

    Raises InputError where it can't be written.
    """
    import json

    from planner.advice.bench import Bench
    from planner.verify.speed_here import append_lines

    rows = instance_of(answer, Bench, "answer").rows
    append_lines(Path(text_of(fspath(path), "path")), [json.dumps(dict(row)) for row in rows])


def forget_speeds() -> bool:
    """Remove what was measured on this machine by `bench_server`; True where there was something."""
    from planner.verify.speed_here import forget_speeds as forget

    return forget()


def claims(name: str | None = None, *, progress: Callable[[int, int], None] | None = None) -> Claims:
    """Check what the source articles say about open-weight models: one claim by its name, or all of them.

    `progress(done, all)` is called while it works. Raises InputError for a name that no claim has.

        >>> planner.claims("moe-active").claims[0].verdict
        'holds'
    """
    from planner.advice.claims import check_claim, load_claims
    from planner.documents.claims import Claims
    from planner.hardware.profiles.load import load_profile

    def machine(profile: str, ram: int | None) -> Machine:
        return load_profile(profile, ram=ram)

    wanted = load_claims()
    if name is not None:
        known, chosen = [str(c["id"]) for c in wanted], text_of(name, "name")
        wanted = [c for c in wanted if c["id"] == chosen]
        if not wanted:
            raise InputError(f"no claim is called '{chosen}'; one of: {', '.join(known)}")
    verdicts = []
    for done, claim in enumerate(wanted, 1):
        verdicts.append(check_claim(claim, machine))
        if progress:
            progress(done, len(wanted))
    return Claims(tuple(verdicts))


def claim_names() -> tuple[str, ...]:
    """Return the names of all claims."""
    from planner.advice.claims import load_claims

    return tuple(str(claim["id"]) for claim in load_claims())
