"""How several models on one machine look on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from planner.api import engine_title, started_context
from planner.cli.output import (
    PLAIN,
    print_document,
    print_heading,
    print_line,
    print_shell,
    print_table,
    print_wrapped,
    style,
)
from planner.cli.plan_view import memory_text, print_machine, print_server_note, range_text, short_name
from planner.safe_text import shell_word
from planner.units import GIB, context_about

if TYPE_CHECKING:
    from planner.api import Launch, Member, Together
    from planner.plan import Plan


def show_together(answer: Together, *, json: bool, format: str = PLAIN) -> int:
    """Print it; 0 where it fits, 1 where it doesn't."""
    code = 0 if answer.fits else 1
    if json:
        print_document(answer)
        return code
    if format != PLAIN:
        _print_members(answer, format)
        return code
    print_machine(answer.machine)
    print_line()
    print_heading(f"{len(answer.members)} models together")
    verdict = style("fit", "green") if answer.fits else style("do NOT fit", "red")
    print_wrapped(f"{verdict}{', in turns' if answer.fits and answer.takes_turns else ''}", "  ")
    for reason in answer.why:
        print_wrapped(reason.text, indent="  ", bullet="- ")
    for warning in answer.warnings:
        print_wrapped(warning.text, indent="  ", bullet=style("! ", "yellow"))
    print_line()
    _print_members(answer)
    print_line()
    _print_devices(answer)
    if answer.fits:
        _print_commands(answer)
    return code


def print_beside(plans: Sequence[Plan]) -> None:
    """Print the models that are there already, with their commands."""
    print_heading("Beside")
    for plan in plans:
        print_wrapped(
            f"{short_name(plan)} {plan.quant}, {memory_text(plan)} GiB, context"
            f" {context_about(started_context(plan))}:",
            indent="  ",
        )
        print_shell(plan.command)
    print_line()


def _print_members(answer: Together, format: str = PLAIN) -> None:
    rows = []
    for member in answer.members:
        plan = member.plan
        alone = "?" if member.alone is None else range_text(member.alone)
        beside = "?" if member.beside is None else range_text(member.beside)
        rows.append(
            [
                short_name(plan),
                member.role.value,
                plan.quant,
                engine_title(plan.engine),
                context_about(started_context(plan)),
                alone,
                beside,
                *(["stays" if member.stays else "turns"] if answer.takes_turns else []),
            ]
        )
    headers = ["Model", "Role", "Quant", "Engine", "Context", "Tokens/s\nalone", "all at\nwork"]
    if any(not member.role.writes for member in answer.members):
        headers[-2] = "Tokens/s\nalone*"
    print_table(rows, [*headers, ""] if answer.takes_turns else headers, format, wrap=0)
    if format == PLAIN and headers[-2].endswith("*"):
        print_line("* read by models that write no text")


def _print_devices(answer: Together) -> None:
    print_heading("Memory (GiB), contexts and buffers of every process included")
    names = [short_name(member.plan) for member in answer.members]
    rows = []
    for device in answer.devices:
        rows.append(
            [
                device.name,
                *(f"{used / GIB:.2f}" for used in device.used),
                f"{device.total / GIB:.2f}",
                f"{device.high / GIB:.2f}",
                f"{device.available / GIB:.2f}",
                "fits" if device.fits else "short",
            ]
        )
    headers = ["Device", *names, "At most" if answer.takes_turns else "Total", "Up to", "Available", ""]
    print_table(rows, headers, align=("left", *["right"] * (len(headers) - 2), "left"), wrap=0)


def _print_commands(answer: Together) -> None:
    print_line()
    print_heading("Commands, in the order to start them")
    for member in answer.members:
        _print_start(member, member.plan.command, member.plan.env)


def print_launches(answer: Together, launches: Sequence[Launch]) -> None:
    """Print what starts each member, or all of them by one command; files first."""
    for launch in launches:
        for name, content in launch.files:
            print_line(f"# {name}")
            print_line(content.rstrip("\n"))
            print_line()
    if len(launches) != len(answer.members):
        print_shell(launches[0].command)
        return
    for member, launch in zip(answer.members, launches, strict=True):
        _print_start(member, launch.command, launch.env)


def _print_start(member: Member, command: str, env: Mapping[str, str]) -> None:
    turns = "" if member.stays else ", in turn with the others that take turns"
    where = f" on port {member.port}" if member.port is not None else ""
    print_line(f"# {short_name(member.plan)} ({member.role.value}){where}{turns}")
    print_server_note(member.plan)
    for name, value in env.items():
        print_line(f"export {name}={shell_word(value)}")
    print_shell(command)
