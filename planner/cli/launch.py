"""`planner launch MODEL`: the command, and the files it needs, whose settings make the plan true."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated

import typer

from planner.api import engine_names, launch_formats, starter_names
from planner.cli import completion
from planner.cli.engine_settings import CONTEXT_SETTINGS, asked_command, read_settings
from planner.cli.machine_options import chosen_machine, same_question
from planner.cli.options import (
    BackendOption,
    CommandOrModel,
    ContextOption,
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
    either,
    make_workload,
)
from planner.cli.output import diagnostic, print_document, print_line, print_shell
from planner.cli.progress import say_on_terminal
from planner.cli.several import ForAll, Others, read_models
from planner.errors import InputError
from planner.safe_text import shell_word

if TYPE_CHECKING:
    from planner.api import ClientFile, Launch, Machine, Wish
    from planner.plan import Plan

__all__ = ["CONTEXT_SETTINGS", "launch"]


def launch(
    ctx: typer.Context,
    model: CommandOrModel = None,
    quant: QuantOption = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine", "-e", metavar="NAME", help=f"{either([*engine_names(), *starter_names()])}."
        ),
    ] = None,
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
    format: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help=f"{either(launch_formats())}.",
            autocompletion=completion.launch_formats,
        ),
    ] = "shell",
    clients: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            metavar="CLIENT",
            help="With the configuration of a program that will ask it: opencode, aider, zed … (several times).",
            autocompletion=completion.clients,
        ),
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Start it now, on this machine.")] = False,
    json: JsonOption = False,
) -> int:
    """The exact command (and files) to start a model so that the plan holds."""
    import planner.api

    if run and (profile or vram or ram or free):
        raise InputError(
            "--run starts the model on this machine; leave out --profile, --ram, --vram and --free"
        )
    if isinstance(ctx.obj, Others):
        if clients:
            raise InputError("--for connects clients to one model; launch them one by one")
        if run:
            raise InputError("--run starts one model; start several by the commands that launch prints")
        engine, format = planner.api.planned_by(engine, format)
        shared = ForAll(
            make_workload(context, users, use_case, license=license, min_speed=min_speed, load=load),
            engine,
            quant,
            role,
            tuple(ctx.args),
        )
        wishes = read_models(ctx.obj, model, shared)
        return _launch_together(wishes, chosen_machine(profile, ram, vram, free, backend), format, json=json)
    command = asked_command(ctx, model, engine)
    if command is not None:
        engine = command.engine
    started_by = engine
    engine, format = planner.api.planned_by(engine, format)
    if run and not planner.api.is_command(format):
        raise InputError(f"--run starts a command; it cannot start '{format}' files")
    settings = None if command else read_settings(ctx.args, started_by)
    workload = make_workload(context, users, use_case, license=license, min_speed=min_speed, load=load)
    machine = chosen_machine(profile, ram, vram, free, backend)
    if command is not None:
        answer = planner.plan_command(command, machine, workload, quant=quant, progress=say_on_terminal)
        chosen = answer.request.model
    else:
        chosen = planner.load_model(model or "", progress=say_on_terminal)
        answer = planner.plan(chosen, machine, workload, engine=engine, quant=quant, settings=settings)
    if not answer.fits:
        if json:
            _print_document(answer)
        name = shlex.quote(model or chosen.id)
        same = same_question()
        explains = f"planner plan {name}{same} explains"
        diagnostic(f"planner: {chosen.name} does not fit: {planner.shortage(answer)} ({explains})")
        return 1
    connected = planner.connect(answer, clients, chosen, format=format) if clients else None
    rendered = connected.launch if connected else planner.launch(answer, chosen, format=format)
    if json:
        _print_document(answer, rendered, connected.files if connected else ())
    else:
        _print_launch(rendered, answer)
        if planner.api.is_command(format) and (address := planner.api.address(answer, rendered, format)):
            diagnostic(f"note: it answers at {address}")
        _print_clients(connected.files if connected else ())
    for warning in (*answer.warnings, *(connected.notes if connected else ())):
        diagnostic(f"note: {warning}")
    if answer.fit is not None and format == "shell":
        diagnostic(f"note: {answer.fit.reason}; or let llama.cpp place it at start: {answer.fit.command}")
    if machine.detected and answer.engine not in machine.engines:  # else the plan follows it, and says so
        for line in planner.api.differences_here(answer, format):
            diagnostic(f"note: {line}")
    if run:
        return _run(rendered, machine)
    return 0


def _launch_together(wishes: Sequence[Wish], machine: Machine, format: str, *, json: bool) -> int:
    """Print what starts several models; 1 where they have no room."""
    import planner

    answer = planner.plan_together(wishes, machine)
    launches = planner.launch_together(answer, format=format) if answer.fits else ()
    if json:
        from planner.documents.launch import launched_together

        print_document(launched_together(answer, launches))
    elif answer.fits:
        from planner.cli.together_view import print_launches

        print_launches(answer, launches)
    for reason in answer.warnings if answer.fits else answer.why:
        diagnostic(f"{'note' if answer.fits else 'planner'}: {reason}")
    return 0 if answer.fits else 1


def _run(rendered: Launch, machine: Machine) -> int:
    """Run it to its end; where it fails, say what its own output shows."""
    from planner import api
    from planner.cli.diagnose import print_diagnosis

    ended = api.run(rendered)
    if ended.code and not ended.stopped:
        said = api.diagnose(f"$ {ended.command}\n{ended.output}", machine=machine)
        if said.explained:
            diagnostic("")
            with redirect_stdout(sys.stderr):
                print_diagnosis(said)
    return ended.code


def _print_document(answer: Plan, rendered: Launch | None = None, clients: Sequence[ClientFile] = ()) -> None:
    from planner.documents.launch import launched

    print_document(launched(answer, rendered, clients))


def _print_clients(files: Sequence[ClientFile]) -> None:
    for file in files:
        print_line()
        print_line(f"# {file.client}: {file.path}")
        print_line(file.content.rstrip("\n"))
        if file.note:
            diagnostic(f"note: {file.path}: {file.note}")


def _print_launch(rendered: Launch, plan: Plan) -> None:
    for name, content in rendered.files:
        print_line(f"# {name}")
        print_line(content.rstrip("\n"))
        print_line()
    if rendered.env:
        from planner.cli.plan_view import print_server_note

        print_server_note(plan)
    for name, value in rendered.env.items():
        print_line(f"export {name}={shell_word(value)}")
    if rendered.command:
        print_shell(rendered.command)
