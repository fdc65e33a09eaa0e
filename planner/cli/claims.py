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
from planner.errors import InputError

if TYPE_CHECKING:
    from planner.advice.claims import Verdict
    from planner.hardware.machine import Machine

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
    from planner.advice.claims import check_claim, load_claims
    from planner.cli.progress import Progress

    wanted = load_claims()
    if name is not None:
        known = [c["id"] for c in wanted]
        wanted = [c for c in wanted if c["id"] == name]
        if not wanted:
            raise InputError(f"no claim is called '{name}'; one of: {', '.join(known)}")
    verdicts = []
    with Progress("claims checked") as progress:
        for done, claim in enumerate(wanted, 1):
            verdicts.append(check_claim(claim, _load_machine))
            progress.update(done, len(wanted))
    if json:
        from planner.documents.claims import Claims

        print_document(Claims(tuple(verdicts)))
    elif format != PLAIN:
        rows = [(v.id, v.verdict, f.what, _mark(f.holds), f.detail) for v in verdicts for f in v.findings]
        print_table(rows, ("Claim", "Verdict", "Case", "Holds", "Detail"), format)
    else:
        for verdict in verdicts:
            _print(verdict)
    return 0


def _load_machine(profile: str, ram: int | None) -> Machine:
    from planner.api import load_profile

    return load_profile(profile, ram=ram)


def _print(verdict: Verdict) -> None:
    print_heading(f"{verdict.says}.")
    print_line(f"  {style(verdict.verdict, _COLOURS.get(verdict.verdict, 'cyan'))}  [{verdict.id}]")
    for finding in verdict.findings:
        print_wrapped(f"{finding.what}: {finding.detail}", "  ", f"{_mark(finding.holds):3} ")
    print_line()


def _mark(holds: bool | None) -> str:
    return "-" if holds is None else "yes" if holds else "no"
