"""`planner claims`: what the source articles say, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli import completion
from planner.cli.options import FormatOption, JsonOption
from planner.cli.output import (
    PLAIN,
    print_document,
    print_heading,
    print_line,
    print_table,
    print_wrapped,
    style,
)

if TYPE_CHECKING:
    from planner.api import Verdict

_COLOURS = {"holds": "green", "partly": "yellow", "does not hold": "red"}


def claims(
    name: Annotated[
        str | None,
        typer.Argument(help="One claim's name; without it, all of them.", autocompletion=completion.claims),
    ] = None,
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """What the source articles say about open-weight models, checked by calculation."""
    from planner.api import claims as checked
    from planner.cli.progress import Progress

    with Progress("claims checked") as progress:
        answer = checked(name, progress=progress.update)
    if json:
        print_document(answer)
    elif format != PLAIN:
        rows = [
            (v.id, v.verdict, f.what, _mark(f.holds), f.detail) for v in answer.claims for f in v.findings
        ]
        print_table(rows, ("Claim", "Verdict", "Case", "Holds", "Detail"), format)
    else:
        for verdict in answer.claims:
            _print(verdict)
    return 0


def _print(verdict: Verdict) -> None:
    print_heading(f"{verdict.says}.")
    print_line(f"  {style(verdict.verdict, _COLOURS.get(verdict.verdict, 'cyan'))}  [{verdict.id}]")
    for finding in verdict.findings:
        print_wrapped(f"{finding.what}: {finding.detail}", "  ", f"{_mark(finding.holds):3} ")
    print_line()


def _mark(holds: bool | None) -> str:
    return "-" if holds is None else "yes" if holds else "no"
