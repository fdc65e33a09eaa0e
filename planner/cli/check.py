"""`planner check`: what have I got, what runs best on it, and the command."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated

import typer

from planner.api import adjust_machine, detect, recommend_set, user_speed
from planner.api import check as best_of
from planner.cli import completion
from planner.cli.machine_options import chosen_machine, same_question
from planner.cli.options import (
    BackendOption,
    ContextOption,
    EngineOption,
    FormatOption,
    FreeOption,
    JsonOption,
    LicenseOption,
    LoadOption,
    MinSpeedOption,
    ProfileOption,
    RamOption,
    UseCaseOption,
    UsersOption,
    VramOption,
    make_workload,
)
from planner.cli.output import PLAIN, print_document, print_heading, print_line, print_wrapped
from planner.errors import InputError
from planner.plan import Workload

if TYPE_CHECKING:
    from planner.api import Wish
    from planner.plan import Plan


def check(
    profile: ProfileOption = None,
    ram: RamOption = None,
    vram: VramOption = None,
    free: FreeOption = None,
    backend: BackendOption = None,
    context: ContextOption = None,
    users: UsersOption = 1,
    load: LoadOption = "typical",
    use_case: UseCaseOption = "general",
    engine: EngineOption = None,
    license: LicenseOption = "any",
    min_speed: MinSpeedOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", help="Rows in the table.")] = 8,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            "--with",
            metavar="MODEL",
            help="A model that runs here too, perhaps with its own options in quotes; may be repeated.",
            autocompletion=completion.models,
        ),
    ] = None,
    roles: Annotated[
        str | None,
        typer.Option(
            "--set",
            metavar="NAME",
            help="A model for each role, all at once: coding (chat, completion, embedding, reranker) or documents.",
        ),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Measure the memory bandwidth of this machine and its GPUs first (seconds)."
        ),
    ] = False,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="WHAT",
            help="A running cluster: ray, ray:ADDRESS, or what 'kubectl get nodes -o json' prints (a file, or - ).",
        ),
    ] = None,
    serve: Annotated[
        list[str] | None,
        typer.Option(
            "--serve",
            metavar="MODEL",
            help="With --cluster: a model to place; may be repeated.",
            autocompletion=completion.models,
        ),
    ] = None,
    why: Annotated[bool, typer.Option("--why", help="Show every step of the ranking.")] = False,
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """What have I got, what runs best on it, and the command to start it."""
    workload = make_workload(context, users, use_case, license=license, min_speed=min_speed, load=load)
    if serve and cluster is None:
        raise InputError("--serve places models on a cluster; name it with --cluster")
    if cluster is not None:
        if any((profile, ram, vram, free, backend, engine, beside)):
            raise InputError(
                "--cluster reads its machines; leave out --profile, --ram, --vram, --free, --backend, --engine and"
                " --with"
            )
        from planner.cli.fleet_view import show_cluster

        return show_cluster(cluster, serve or [], workload, json)
    if measure and (profile or ram or vram):
        raise InputError("--measure measures this machine; leave out --profile, --ram and --vram")
    if measure:
        machine = adjust_machine(detect(measure=True), free=free, backend=backend)
    else:
        machine = chosen_machine(profile, ram, vram, free, backend)
    if roles is not None:
        if beside:
            raise InputError("--set recommends all that runs here; leave out --with")
        from planner.cli.together_view import show_together

        return show_together(recommend_set(roles, machine, workload, engine=engine), json=json, format=format)
    answer = best_of(machine, workload, engine=engine, limit=limit, beside=_wishes(beside, engine))
    code = 0 if answer.plans and reaches(answer.plans[0], min_speed) else 1
    if json:
        print_document(answer)
        return code
    from planner.cli.plan_view import print_command, print_machine, print_plans, print_reasons, short_name

    if format != PLAIN:
        print_plans(answer.plans, users, format)
        return code
    print_machine(machine)
    print_line()
    if answer.beside:
        from planner.cli.together_view import print_beside

        print_beside(answer.beside)
    if answer.plans:
        best = answer.plans[0]
        print_plans(answer.plans, users)
        print_line()
        print_heading(f"Best: {short_name(best)} {best.quant}")
        print_reasons(best)
        print_line()
        print_command(best)
        for card in answer.cards[1:]:
            plan = answer.plans[card.rank - 1]
            print_line()
            print_heading(f"{card.kind.value.capitalize()}: {short_name(plan)} {plan.quant}")
            print_wrapped(card.reason, "  ", "- ")
            print_line()
            print_command(plan)
    for note in answer.notes:
        print_line()
        print_wrapped(note)
    if why:
        print_line()
        print_heading("Why")
        for step in answer.why:
            print_wrapped(step, indent="  ")
    if answer.plans:
        print_line()
        same = same_question()
        best = answer.plans[0]
        exactly = f" --quant {best.quant} --engine {shlex.quote(best.engine)}"
        print_heading("More" if why else "More, and how it was ranked")
        if beside:
            quoted = [*beside, f"{short_name(best)}{exactly}"]
            print_line(f"planner plan {' + '.join(map(shlex.quote, quoted))}{same}")
            same += "".join(f" --with {shlex.quote(word)}" for word in beside)
        else:
            print_line(f"planner plan {short_name(best)}{same}{exactly}")
        if not why:
            here = "" if engine is None else f" --engine {shlex.quote(engine)}"
            print_line(f"planner check{same}{here} --why")
    return code


def _wishes(beside: list[str] | None, engine: str | None) -> list[Wish]:
    """Return the models of --with, each with the options that stand in quotes with it."""
    if not beside:
        return []
    from planner.cli.several import ForAll, Others, read_models

    *first, last = beside
    return read_models(Others(tuple((word,) for word in first)), last, ForAll(Workload(), engine))


def reaches(best: Plan, min_speed: float | None) -> bool:
    """True where the best plan is expected to be as fast as was asked for."""
    speed = user_speed(best)
    return min_speed is None or speed is None or speed.expected >= min_speed
