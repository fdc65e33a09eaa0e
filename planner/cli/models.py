"""`planner models`: what the catalogue knows, how it was checked, and what the hub has new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

import typer

from planner.api import SCALE
from planner.cli.options import FormatOption, JsonOption, LicenseOption
from planner.cli.output import PLAIN, diagnostic, print_document, print_line, print_table, print_wrapped
from planner.units import context_text

if TYPE_CHECKING:
    from planner.api import CardCheck, CheckedModels, Entry


def models(
    search: Annotated[
        list[str] | None,
        typer.Argument(
            help="Words of name, maker, licence or ability, in any order: 'qwen 27b', 'ibm', 'mit vision'."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Check every card: parameter counts and published file sizes.")
    ] = False,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh",
            help="Ask the hub for files, sizes and licences of these models and keep them in your cache.",
        ),
    ] = False,
    license: LicenseOption = "any",
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """The models that the planner knows, with parameters, context, licence and score."""
    from planner.api import list_models, models_near

    words = " ".join(search or [])
    answer = list_models(words, license=license)
    if not answer.models:
        if json:
            print_document(answer)
        near = models_near(words)
        hint = f"; near are: {', '.join(near)}" if near else "; list all with: planner models"
        diagnostic(f"no model matches '{words}'{hint}")
        return 1
    if refresh:
        return _refresh(words, license, json)
    if check:
        return _check(words, license, json, format)
    if json:
        print_document(answer)
        return 0
    _print_models(answer.models, format)
    return 0


def _print_models(found: Sequence[Entry], format: str) -> None:
    rows = [
        (
            e.short_name,
            params_text(e),
            context_text(e.context) if e.context else "?",
            e.licence_class,
            e.released[:7],
            score_text(e),
        )
        for e in found
    ]
    headers = ("Model", "Parameters", "Context", "Licence", "Released", "Score")
    print_table(rows, headers, format, ("left", "right", "right", "left", "left", "right"), wrap=0)
    if format != PLAIN:
        return
    unverified = sum(1 for e in found if not e.verified)
    print_line()
    print_wrapped(
        f"{len(found)} models, in the order in which they rank. Score: {SCORES_IN_WORDS} "
        + (f"{unverified} of them could not be checked (planner models --check). " if unverified else "")
        + "More of one: planner show NAME."
    )


SCORES_IN_WORDS: Final = (
    f"points of the {SCALE}; a range where they are estimated from other scores (80 % lie within; the low end "
    "ranks), ? by size and date alone."
)


def params_text(entry: Entry) -> str:
    """Parameters as "30.5B, 3.3B active"; short where all are active."""
    total = _billions(entry.total_params)
    if entry.active_params and entry.active_params < 0.9 * entry.total_params:
        return f"{total} (A{_billions(entry.active_params)})"
    return total


def score_text(entry: Entry, use: str = "general") -> str:
    """A score with a mark for where it comes from."""
    score = entry.score(use)
    if score.points is None or score.low is None or score.high is None:
        return "-"
    if score.measured:
        return f"{score.points:.0f}"
    return f"{score.low:.0f}–{score.high:.0f}{'' if score.published else '?'}"


def _billions(count: float) -> str:
    if count <= 0:
        return "?"
    if count < 1e9:
        return f"{count / 1e6:.0f}M"
    if count < 1e10:
        return f"{count / 1e9:.1f}B"
    return f"{count / 1e9:.0f}B" if count < 1e12 else f"{count / 1e12:.2f}T"


def _check(search: str, license: str, json: bool, format: str) -> int:
    """Check the cards; 0 where every card is verified or says why it is not."""
    from planner.api import check_models
    from planner.cli.progress import Progress

    with Progress("cards checked") as progress:
        answer = check_models(search, license=license, progress=progress.update)
    if json:
        print_document(answer)
    else:
        _print_checks(answer, format)
    silent = [c.id for c in answer.models if not c.shape.verified and not c.by_file and not c.shape.reason]
    return 1 if silent else 0


def _print_checks(answer: CheckedModels, format: str) -> None:
    rows = []
    for c in answer.models:
        sizes = f"{sum(f.ok for f in c.files)} of {len(c.files)}" if c.files else "none"
        rows.append((c.id.split("/")[-1], _count_text(c), sizes, _note(c)))
    print_table(rows, ("Model", "Parameters", "File sizes", "Note"), format, wrap=3)
    if format != PLAIN:
        return
    print_line()
    counts = answer.summary
    neither = [c for c in answer.models if not c.shape.verified and not c.by_file]
    print_wrapped(
        f"{counts.cards} cards; {counts.complete} have every dimension. Parameters computed "
        f"from the shape equal the published count within 0.5 % (or the card says what the count holds "
        f"besides) for {counts.parameters_verified}; a published file size is met within 1 % for "
        f"{counts.file_verified}. " + (f"{len(neither)} could be checked by neither:" if neither else "")
    )
    for c in neither:
        print_wrapped(f"{c.id}: {c.shape.reason or 'no published count and no published size'}", "  ", "- ")


def _count_text(check: CardCheck) -> str:
    shape = check.shape
    if not shape.text:
        return "no shape"
    if not shape.published:
        return "nothing published"
    mark = "" if shape.verified else " OFF" if shape.error > 0.005 else " assumed"
    return f"{_billions(shape.text)} {shape.error:.2%}{mark}"


def _note(check: CardCheck) -> str:
    shape = check.shape
    if shape.verified:
        return "" if shape.counted == "language model" else shape.counted
    return shape.reason


def _refresh(search: str, license: str, json: bool) -> int:
    from planner.api import refresh_models
    from planner.cli.progress import Progress

    with Progress("models asked for", after=0.0) as progress:
        report = refresh_models(search, license=license, progress=progress.update)
    if json:
        print_document(report)
        return 0 if report.answered else 1
    for line in report.lines():
        print_wrapped(line, bullet="- ")
    print_line()
    print_wrapped(report.summary())
    return 0 if report.answered else 1
