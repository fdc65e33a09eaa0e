"""`planner check`: what have I got, what runs best on it, and the command."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from planner.api import adjust_machine, detect
from planner.api import check as best_of
from planner.cli import completion
from planner.cli.machine_options import asked, chosen_machine
from planner.cli.options import (
    BackendOption,
    ContextOption,
    EngineOption,
    FormatOption,
    FreeOption,
    JsonOption,
    LicenseOption,
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
from planner.reason import ReasonKind


def check(
    profile: ProfileOption = None,
    ram: RamOption = None,
    vram: VramOption = None,
    free: FreeOption = None,
    backend: BackendOption = None,
    context: ContextOption = None,
    users: UsersOption = 1,
    use_case: UseCaseOption = "general",
    engine: EngineOption = None,
    license: LicenseOption = "any",
    min_speed: MinSpeedOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", help="Rows in the table.")] = 8,
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
    workload = make_workload(context, users, use_case, license, min_speed)
    if serve and cluster is None:
        raise InputError("--serve places models on a cluster; name it with --cluster")
    if cluster is not None:
        if any((profile, ram, vram, free, backend, engine)):
            raise InputError(
                "--cluster reads its machines; leave out --profile, --ram, --vram, --free, --backend and --engine"
            )
        from planner.cli.fleet_view import show_cluster

        return show_cluster(cluster, serve or [], workload, json)
    if measure and (profile or ram or vram):
        raise InputError("--measure measures this machine; leave out --profile, --ram and --vram")
    if measure:
        machine = adjust_machine(detect(measure=True), free=free, backend=backend)
    else:
        machine = chosen_machine(profile, ram, vram, free, backend)
    answer = best_of(machine, workload, engine=engine, limit=limit)
    if json:
        print_document(answer)
        return 0 if answer.plans else 1
    from planner.cli.plan_view import print_command, print_machine, print_plans, print_reasons, short_name

    if format != PLAIN:
        print_plans(answer.plans, users, format)
        return 0 if answer.plans else 1
    print_machine(machine)
    print_line()
    if answer.plans:
        best = answer.plans[0]
        print_plans(answer.plans, users)
        print_line()
        print_heading(f"Best choice: {short_name(best)} {best.quant}")
        print_reasons(best)
        print_line()
        print_command(best)
        others = [p for p in answer.plans[1:] if p.why and p.why[0].kind in _ALTERNATIVES]
        if others:
            print_line()
            print_heading("Or")
            for plan in others:
                print_wrapped(f"{short_name(plan)} {plan.quant}: {plan.why[0].text}", "  ", "- ")
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
        speed = None if min_speed is None else f"{min_speed:g}"
        same = asked(
            profile, ram, vram, context, users, free=free, backend=backend, engine=engine, min_speed=speed
        )
        print_heading("More" if why else "More, and how it was ranked")
        print_line(f"planner plan {short_name(answer.plans[0])}{same}")
        if not why:
            use = f" --use-case {use_case}" if use_case != "general" else ""
            terms = f" --license {license}" if license != "any" else ""
            print_line(f"planner check{same}{use}{terms} --why")
    return 0 if answer.plans else 1


# What a plan is first in, beside the best one.
_ALTERNATIVES: Final = frozenset({ReasonKind.FASTEST, ReasonKind.LONGEST_CONTEXT, ReasonKind.BEST_PERMISSIVE})
