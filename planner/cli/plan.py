"""`planner plan MODEL`: one model explained: memory, longest context, speed, what would change the answer."""

from __future__ import annotations

from typing import Annotated

import typer

from planner.cli.engine_settings import CONTEXT_SETTINGS, asked_command, read_settings
from planner.cli.machine_options import chosen_machine
from planner.cli.options import (
    BackendOption,
    CommandOrModel,
    ContextOption,
    EngineOption,
    FormatOption,
    FreeOption,
    JsonOption,
    LicenseOption,
    LoadOption,
    MinSpeedOption,
    ProfileOption,
    QuantOption,
    RamOption,
    RoleOption,
    UseCaseOption,
    UsersOption,
    VramOption,
    make_workload,
)
from planner.cli.output import PLAIN, print_document, print_heading, print_line, print_wrapped, style
from planner.cli.progress import say_on_terminal
from planner.cli.several import ForAll, Others, read_models
from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.plan import Plan

__all__ = ["CONTEXT_SETTINGS", "plan"]


# Only the upper end of what it may take, or more than that, is above what is free.
VERDICTS = {True: "tight: does NOT fit for certain", False: "does NOT fit"}


def plan(
    ctx: typer.Context,
    model: CommandOrModel = None,
    quant: QuantOption = None,
    engine: EngineOption = None,
    profile: ProfileOption = None,
    ram: RamOption = None,
    vram: VramOption = None,
    free: FreeOption = None,
    backend: BackendOption = None,
    context: ContextOption = None,
    users: UsersOption = 1,
    load: LoadOption = "typical",
    use_case: UseCaseOption = "general",
    license: LicenseOption = "any",
    min_speed: MinSpeedOption = None,
    role: RoleOption = None,
    prompt: Annotated[
        int | None,
        typer.Option("--prompt", metavar="TOKENS", help="Prompt length for the first token's time."),
    ] = None,
    output: Annotated[
        int,
        typer.Option(
            "--output", metavar="TOKENS", help="Length of an answer, for the speed of several users."
        ),
    ] = 512,
    depth: Annotated[
        bool, typer.Option("--depth", help="Add a table of memory and speed over context depth.")
    ] = False,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE", help="Draw memory and speed to a .png or .svg.")
    ] = None,
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """One model explained: memory per device, longest context, speed, what would change the answer.

    Several models on one machine stand with + between them: planner plan qwen3-32b + 'bge-m3 -c 2k'.

    Any other option is passed to the engine under its own name, for example --n-cpu-moe 12 or
    --gpu-memory-utilization 0.95.
    """
    import planner

    if plot is not None:
        from planner.cli.plot import check_plot

        check_plot(plot)
    workload = replace(
        make_workload(
            context, users, use_case, license=license, min_speed=min_speed, prompt=prompt, load=load
        ),
        output=output,
    )
    if isinstance(ctx.obj, Others):
        if depth or plot is not None:
            raise InputError("--depth and --plot show one model; leave them out for several")
        shared = ForAll(workload, engine, quant, role, tuple(ctx.args))
        answers = planner.plan_together(
            read_models(ctx.obj, model, shared), chosen_machine(profile, ram, vram, free, backend)
        )
        from planner.cli.together_view import show_together

        return show_together(answers, json=json, format=format)
    command = asked_command(ctx, model, engine)
    settings = None if command else read_settings(ctx.args, engine)
    machine = chosen_machine(profile, ram, vram, free, backend)
    if command is not None:
        answer = planner.plan_command(command, machine, workload, quant=quant, progress=say_on_terminal)
    else:
        chosen = planner.load_model(model or "", progress=say_on_terminal)
        answer = planner.plan(chosen, machine, workload, engine=engine, quant=quant, settings=settings)
    if json:
        print_document(answer)
        return 0 if answer.fits else 1
    from planner.cli.plan_view import (
        PLACEMENT_WORDS,
        print_command,
        print_fit,
        print_machine,
        print_measured,
        print_memory,
        print_reasons,
        print_speed,
    )
    from planner.units import context_about

    if format != PLAIN:
        print_memory(answer, format)
        return 0 if answer.fits else 1
    print_machine(machine)
    print_line()
    print_heading(f"{answer.name} {answer.quant} on {planner.engine_title(answer.engine)}")
    if answer.fits:
        started = planner.started_context(answer)
        longest = f"context {context_about(started)}"
        if answer.max_context > started:
            longest += f", longest {context_about(answer.max_context)}"
        fits = style("fits", "green")
        print_wrapped(f"{fits}, {PLACEMENT_WORDS[answer.placement]}; {longest}{_concurrency(answer)}", "  ")
    else:
        print_wrapped(style(VERDICTS[answer.tight], "red"), "  ")
    print_reasons(answer)
    print_line()
    print_memory(answer)
    if answer.speed:
        print_line()
        print_speed(answer.speed, writes=planner.writes_text(answer))
        print_measured(answer)
    changes = planner.alternatives(answer) if planner.writes_text(answer) else ()
    if changes:
        print_line()
        print_heading("What would change the answer")
        for change in changes:
            print_wrapped(change, indent="  ", bullet="- ")
    if depth:
        from planner.cli.depth_view import print_depth

        print_line()
        print_depth(answer)
    if plot:
        from planner.cli.plot import plot_depth

        plot_depth(answer, plot)
    if answer.fits:
        print_line()
        print_heading("Command")
        print_command(answer)
        print_fit(answer)
    return 0 if answer.fits else 1


def _concurrency(plan: Plan) -> str:
    """Say how many users the cache has room for, where that is more than one."""
    if plan.max_concurrency < 2:
        return ""
    return f"; the cache has room for {int(plan.max_concurrency):,} users at the planned context"
