"""`planner diagnose`: a pasted command, log or error: what happened, why, the smallest change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planner.bounded_read import read_start, read_stdin, stdin_is_terminal
from planner.cli import completion
from planner.cli.machine_options import chosen_machine
from planner.cli.options import FreeOption, JsonOption, ProfileOption, RamOption, VramOption
from planner.cli.output import diagnostic, print_document, print_heading, print_line, print_wrapped, style
from planner.errors import InputError, cause_of

if TYPE_CHECKING:
    from planner.api import Diagnosed

MOST_BYTES = 16_000_000


def diagnose(
    file: Annotated[
        str, typer.Argument(metavar="[FILE|-]", help="A file with the paste; - or nothing: standard input.")
    ] = "-",
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="The model, where the paste does not name it.",
            autocompletion=completion.models,
        ),
    ] = None,
    profile: ProfileOption = None,
    ram: RamOption = None,
    vram: VramOption = None,
    free: FreeOption = None,
    json: JsonOption = False,
) -> int:
    """Paste a command, a log or an error: what happened, why, and the smallest change that works.

    The machine is the paste's; --profile, --vram and --free say it where the paste does not.

    Exit codes: 0 diagnosed, 1 recognised but not explained, 2 nothing recognised.
    """
    from planner.api import diagnose as diagnose_text
    from planner.documents.diagnose import diagnosis

    named = profile is not None or ram is not None or vram is not None or free is not None
    machine = chosen_machine(profile, ram, vram, free) if named else None
    answer = diagnose_text(_paste(file), machine=machine, model=model)
    if json:
        print_document(diagnosis(answer))
    else:
        print_diagnosis(answer)
    if not answer.recognised:
        return 2
    return 0 if answer.explained else 1


def _paste(file: str) -> str:
    if file == "-":
        if stdin_is_terminal():
            diagnostic("Paste a command, a log or an error, then press Ctrl-D (Ctrl-Z and Enter on Windows).")
        return read_stdin(MOST_BYTES, "a command, a log or an error", part=True)
    try:
        return read_start(file, MOST_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise InputError(
            f"{file}: {cause_of(error)}; planner diagnose reads a file, or standard input with -"
        ) from None


def print_diagnosis(answer: Diagnosed) -> None:
    """Print a diagnosis in its four blocks."""
    finding = answer.finding
    if finding is None:
        if answer.recognised:
            print_line("Recognised, but nothing in it says what went wrong.")
            print_wrapped(
                "Add the whole command, and the log from its start (llama-server: with -lv 4).", "  "
            )
        else:
            diagnostic(
                "planner: nothing recognised: paste the command, the engine's log, or the error line"
                " (llama-server, Ollama, LM Studio, vLLM, SGLang, mlx_lm)"
            )
        return
    print_heading("What happened")
    print_wrapped(finding.what, "  ")
    print_heading("Why")
    for line in finding.why:
        print_wrapped(line, "  ", "- ")
    if finding.fixes:
        print_heading("Do this")
        first = finding.fixes[0]
        print_wrapped(_with_cost(first.do, first.cost), "  ")
        if answer.mended is not None and answer.command:
            print_line(f"  {style(answer.command, 'cyan')}")
            print_wrapped(f"changed: {'; '.join(answer.mended.changed)}", "  ")
    if len(finding.fixes) > 1:
        print_heading("If not that")
        for fix in finding.fixes[1:4]:
            print_wrapped(_with_cost(fix.do, fix.cost), "  ", "- ")
    for other in answer.others:
        print_wrapped(f"It also shows: {other.what}", "", "")
    if finding.ask:
        print_wrapped(f"To be surer, add: {'; '.join(finding.ask)}.")
    if finding.report:
        print_wrapped(f"For a bug report: {finding.report}")


def _with_cost(do: str, cost: str) -> str:
    return do if cost in ("", "-", "none") else f"{do}  (costs: {cost})"
