"""Plans: one model on one machine, what runs best, what would change the answer, what starts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from planner.api.arguments import (
    count_of,
    instance_of,
    text_of,
    text_or_none,
    the_engine,
    the_machine,
    the_model,
    the_models,
    the_plan,
    the_settings,
    the_workload,
)
from planner.errors import FieldError
from planner.fast_dataclass import replace
from planner.plan import Interval, Plan, Workload

if TYPE_CHECKING:
    from planner.advice.plan.depth import DepthPoint
    from planner.advice.plan.question import PlanQuestion
    from planner.advice.plan.side_by_side import QuantTable
    from planner.advice.recommend.recommend import Recommendation
    from planner.advice.together.wish import Wish
    from planner.documents.check import Check
    from planner.engines.commands import Command
    from planner.engines.launch import Launch
    from planner.hardware.machine import Machine
    from planner.launching.clients.connect import Connected
    from planner.launching.run import Ended
    from planner.models.catalogue.catalogue import Entry
    from planner.models.model import Model

MOST_PLANS: Final = 500  # of one recommendation


def plan(
    model: Model | str,
    machine: Machine | str | None = None,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
    quant: str | None = None,
    settings: Mapping[str, Any] | Command | None = None,
) -> Plan:
    """Plan one model on one machine: memory per device, longest context, speed, command.

    `machine` is a Machine, a profile's name, or None for the one in front of you. `engine`, `quant` and
    `settings` (the engine's own names, or options that were read) fix what the planner would choose otherwise. A
    plan that does not fit is returned with fits=False. Raises InputError, UnsupportedError or RefusedError, each
    with one line.

        >>> plan = planner.plan("gpt-oss-20b", "rtx-4090", planner.Workload(context="32k"))
        >>> plan.fits, plan.quant, plan.placement.value
        (True, 'MXFP4', 'gpu')
    """
    from planner.advice.plan.choose import plan_model
    from planner.advice.plan.question import PlanQuestion

    question = PlanQuestion(
        the_model(model),
        the_machine(machine),
        the_workload(workload),
        engine=the_engine(engine),
        quant=text_or_none(quant, "quant"),
    )
    if isinstance(settings, Mapping) or settings is None:
        question = replace(question, settings=with_draft(the_settings(settings)))
        return plan_model(question) if question.model.entry is None else _in_its_role(question)
    from planner.advice.plan.asked_command import plan_options
    from planner.engines.commands import Command

    return plan_options(instance_of(settings, Command, "settings"), question, with_draft)


def _in_its_role(question: PlanQuestion) -> Plan:
    """Plan a model of the catalogue as its card's role is served: one that writes text as it is asked."""
    from planner.advice.together.wish import Wish, role_of

    model, workload = question.model, question.workload
    wish = Wish(model, role_of(model), workload, question.engine, question.quant, question.settings)
    return wish.planned(question.machine)


def with_draft(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings with the draft model that they name loaded, in the format that its engine takes unasked."""
    from planner.engines.register import planning

    for facts in planning():
        named = settings.get(facts.draft_setting) if facts.draft_setting else None
        if isinstance(named, str):
            from planner.engines.base import DraftModel

            model = the_model(named)
            quant = model.quant or facts.draft_quant
            return {
                **settings,
                facts.draft_setting: DraftModel(model, quant, facts.draft_source(model, quant)),
            }
    return settings


def recommend(
    machine: Machine | str | None = None,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
    limit: int = 8,
    entries: Sequence[Entry] | None = None,
) -> Recommendation:
    """Recommend what to run on a machine, best first, each plan with its reasons.

    `entries` replaces the shipped catalogue. An empty list of plans is an answer; the notes say why nothing
    fits. Raises InputError for an engine that isn't known.

        >>> best = planner.recommend("rtx-4090", limit=3).plans[0]
        >>> best.fits
        True
    """
    from planner.advice.recommend.recommend import recommend as recommend_models

    if entries is not None and not isinstance(entries, list | tuple):
        raise FieldError("entries", "must be a list of entries of a catalogue, or None")
    return recommend_models(
        the_machine(machine),
        the_workload(workload),
        engine=the_engine(engine),
        limit=count_of(limit, "limit", 1, MOST_PLANS),
        entries=entries,
    )


def check(
    machine: Machine | str | None = None,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
    limit: int = 8,
    beside: Sequence[Wish | Model | str] = (),
) -> Check:
    """As `recommend`, with the machine: what `planner check` prints.

    `beside`: models that run there too (names, Models, or what `wish` returns): what is recommended has room beside
    them. Raises UnfitError where one of them has none itself.

    >>> planner.check("raspberry-pi-5-8gb").machine.name
    'Raspberry Pi 5 8GB'
    """
    from planner.documents.check import Check

    where = the_machine(machine)
    if not beside:
        answer = recommend(where, workload, engine=engine, limit=limit)
        return Check(where, answer.plans, answer.notes, answer.why, answer.cards)
    from planner.advice.together.beside import there
    from planner.api.together import wishes_of

    others = there(wishes_of(beside), where)
    answer = recommend(others.left, workload, engine=engine, limit=limit)
    plans = tuple(others.beside(plan) for plan in answer.plans)
    return Check(where, plans, answer.notes, answer.why, answer.cards, beside=others.plans)


def check_cluster(
    cluster: Machine | str, models: Sequence[Model | str] = (), workload: Workload | None = None
) -> Check:
    """Place models on a cluster: how many replicas of each, on which GPUs; without any, the best one.

    `cluster` is a Machine of several hosts, or what `load_cluster` takes. The check's `fleet` says what has no
    place. Raises InputError for a cluster that can't be read.
    """
    from planner.advice.fleet import Request, fleet_engine, plan_fleet
    from planner.api.hardware import load_cluster
    from planner.documents.check import Check
    from planner.documents.fleet import places_of
    from planner.hardware.machine import Machine

    machine = load_cluster(cluster) if isinstance(cluster, str) else instance_of(cluster, Machine, "cluster")
    wanted = the_workload(workload)
    if models:
        served = the_models(models)
    else:
        best = recommend(machine, wanted, engine=fleet_engine(), limit=1)
        served = [plan.request.model for plan in best.plans]
    fleet = plan_fleet(machine, [Request(model, wanted) for model in served])
    notes = tuple(f"{model}: {reason}" for model, reason in fleet.short)
    return Check(machine, tuple(p.plan for p in fleet.placed), notes, fleet=places_of(fleet))


def alternatives(plan: Plan) -> tuple[str, ...]:
    """Say what would change a plan's answer: a smaller or larger quantisation, context or machine, each computed.

    >>> any("Q4_K_M" in line for line in planner.alternatives(planner.plan("qwen3-32b", "rtx-4060-ti-16gb")))
    False
    """
    from planner.advice.plan.alternatives import alternatives as neighbours

    return tuple(neighbours(the_plan(plan)))


def over_depth(plan: Plan) -> tuple[DepthPoint, ...]:
    """Return memory and speed of a plan at 1k, 2k, 4k … tokens, up to the longest context that fits.

    >>> [point.tokens for point in planner.over_depth(planner.plan("gpt-oss-20b", "rtx-4090"))][:3]
    [1024, 2048, 4096]
    """
    from planner.advice.plan.depth import depth_points

    return tuple(depth_points(the_plan(plan)))


def side_by_side(
    model: Model | str,
    machine: Machine | str | None = None,
    workload: Workload | None = None,
    *,
    engine: str | None = None,
) -> QuantTable:
    """Plan every quantisation that is published of a model on a machine: size, context, speed, loss, does it fit.

    >>> table = planner.side_by_side("qwen3.6-27b", "rtx-4090")
    >>> {row.quant: row.fits for row in table.quants}["Q4_K_M"]
    True
    """
    from planner.advice.plan.question import PlanQuestion
    from planner.advice.plan.side_by_side import side_by_side as every

    where, wanted = the_machine(machine), the_workload(workload)
    return every(PlanQuestion(the_model(model), where, wanted, engine=the_engine(engine)))


def shortage(plan: Plan) -> str:
    """Return why a plan does not fit, to stand after "does not fit: "."""
    from planner.advice.plan.one_plan import shortage as short_of

    return short_of(the_plan(plan))


def user_speed(plan: Plan) -> Interval | None:
    """Return the tokens a second that each user of a plan sees; None where its speed isn't known."""
    from planner.advice.plan.worth import user_interval

    return user_interval(the_plan(plan), plan.request.workload.users)


def started_context(plan: Plan) -> int:
    """Return the tokens that each user gets as the plan starts; the longest that fits may be more (max_context).

    >>> planner.started_context(planner.plan("gpt-oss-20b", "rtx-4090", planner.Workload(context="16k")))
    16384
    """
    from planner.advice.plan.worth import started_context as started

    return started(the_plan(plan))


def launch(plan: Plan, model: Model | str | None = None, *, format: str = "shell") -> Launch:
    """Render a plan as what starts it, in one of `launch_formats`.

    `model` replaces the one that was planned. Raises InputError for a format that the engine or the machine has
    no use for.

        >>> planner.launch(planner.plan("gpt-oss-20b", "rtx-4090", engine="llama.cpp")).command[:12]
        'llama-server'
    """
    from planner.launching.render import render

    planned = the_plan(plan).request.model if model is None else the_model(model)
    return render(plan, planned, text_of(format, "format"))


def connect(
    plan: Plan, clients: Sequence[str], model: Model | str | None = None, *, format: str = "shell"
) -> Connected:
    """Render a plan as `launch` does, with the configurations of programs that will ask its server.

    `clients` are some of `client_names()`. The server's command gets what they need: a name for the model, tools.
    Nothing is written. Raises InputError for a client that isn't known, or that the engine's server can't answer.

        >>> plan = planner.plan("gpt-oss-20b", "rtx-4090", engine="llama.cpp")
        >>> [file.path for file in planner.connect(plan, ["opencode"]).files]
        ['opencode.json']
    """
    from planner.launching.clients.connect import connect as connected

    planned = the_plan(plan).request.model if model is None else the_model(model)
    if isinstance(clients, str) or not all(isinstance(name, str) for name in clients):
        raise FieldError("clients", "must be a list of names of clients")
    return connected(plan, planned, text_of(format, "format"), clients, started_context(plan))


def planned_by(engine: str | None, format: str = "shell") -> tuple[str | None, str]:
    """Return the engine that plans and the launch's format, where an engine is named that starts another's plans.

    >>> planner.api.planned_by("sglang")
    ('vllm', 'sglang')
    """
    from planner.launching.render import planned_by as planning_engine

    return planning_engine(text_or_none(engine, "engine"), text_of(format, "format"))


def is_command(format: str) -> bool:
    """Return True for a launch's format that is a command to type, without files for a supervisor."""
    from planner.launching.formats import is_command as is_typed

    return is_typed(text_of(format, "format"))


def address(plan: Plan, launch: Launch, format: str = "shell") -> str | None:
    """Return where the server of a launch answers; None where that isn't known."""
    from planner.launching.render import address as of_launch
    from planner.launching.render import starter

    return of_launch(launch, starter(the_plan(plan), text_of(format, "format")))


def differences_here(plan: Plan, format: str = "shell") -> tuple[str, ...]:
    """Return what the engine installed here, which would start a plan, does otherwise than the planner's rules."""
    from planner.hardware.host.system import System
    from planner.launching.render import starter

    return starter(the_plan(plan), text_of(format, "format")).differences_here(System())


def daemon_of(plan: Plan) -> tuple[str, ...]:
    """Return the command of the server that must run before a plan's command is given; empty where none must.

    >>> planner.api.daemon_of(planner.plan("gpt-oss-20b", "rtx-4090", engine="ollama"))
    ('ollama', 'serve')
    """
    from planner.engines.register import engine_facts

    return engine_facts(the_plan(plan).engine).daemon


def run(launch: Launch) -> Ended:
    """Start a launch on this machine and wait for its end: signals go to the engine, its last words are kept.

    Its files are written into the current folder. Raises InputError where the engine is not installed, or a file
    is already there with another content.
    """
    from planner.engines.launch import Launch
    from planner.launching.run import run_launch

    return run_launch(instance_of(launch, Launch, "launch"))
