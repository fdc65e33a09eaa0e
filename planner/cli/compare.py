"""`planner compare`: models side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from planner.api import engine_title
from planner.cli import completion
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
from planner.cli.output import PLAIN, print_document, print_line, print_table, print_wrapped, width
from planner.units import context_about, context_text, gib, rate_text

if TYPE_CHECKING:
    from planner.api import Column, Comparison

USES = ("general", "reasoning", "maths", "coding", "agents", "multilingual", "long_context", "vision")


def compare(
    models: Annotated[
        list[str],
        typer.Argument(help="Two to six models: names, aliases or ids.", autocompletion=completion.models),
    ],
    profile: ProfileOption = None,
    ram: RamOption = None,
    vram: VramOption = None,
    free: FreeOption = None,
    backend: BackendOption = None,
    context: ContextOption = None,
    users: UsersOption = 1,
    use_case: UseCaseOption = "general",
    license: LicenseOption = "any",
    min_speed: MinSpeedOption = None,
    engine: EngineOption = None,
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """Models side by side: size, licence, scores, memory; with --profile, how each runs there."""
    from planner.api import compare as side_by_side
    from planner.cli.machine_options import chosen_machine

    workload = make_workload(context, users, use_case, license=license, min_speed=min_speed)
    machine = None
    if any((profile, ram, vram, free, backend)):
        machine = chosen_machine(profile, ram, vram, free, backend)
    answer = side_by_side(models, machine, workload, engine=engine)
    if json:
        print_document(answer)
        return 0
    _print(answer, format)
    return 0


def _print(answer: Comparison, format: str) -> None:
    from planner.cli.models import SCORES_IN_WORDS, params_text, score_text
    from planner.cli.plan_view import memory_text

    columns = answer.columns

    def row(label: str, value: Callable[[Column], str]) -> list[str]:
        return [label, *(value(c) for c in columns)]

    def score_in(use: str) -> Callable[[Column], str]:
        return lambda c: score_text(c.entry, use)

    rows = [
        row("vendor", lambda c: c.entry.vendor),
        row("released", lambda c: c.entry.released or "?"),
        row("parameters", lambda c: params_text(c.entry)),
        row("licence", lambda c: c.entry.licence),
        row("licence class", lambda c: c.entry.licence_class),
        row("context", lambda c: context_text(c.entry.context) if c.entry.context else "?"),
        row("can", lambda c: ", ".join(c.entry.capabilities) or "text"),
        *(row(use.replace("_", " "), score_in(use)) for use in USES),
        row("weights", _weights),
        row(
            f"cache at {context_text(answer.context)}",
            lambda c: "?" if c.cache is None else gib(c.cache, 2 if c.cache < 1 << 30 else 1),
        ),
        row("shape checked by", lambda c: c.entry.verified or "no"),
    ]
    if answer.machine:
        rows += [
            row("runs there", _verdict),
            row(
                "as",
                lambda c: "-" if c.plan is None else f"{c.plan.quant} {engine_title(c.plan.engine)}",
            ),
            row("memory GiB", lambda c: "-" if c.plan is None else memory_text(c.plan)),
            row("max context", _longest),
            row("tokens/s", _speed),
        ]
    headers = ["", *(c.entry.short_name for c in columns)]
    if format != PLAIN:
        print_table(rows, headers, format)
        return
    for number, block in enumerate(_blocks([headers, *rows])):
        if number:
            print_line()
        print_table([[row[0], *(row[i] for i in block)] for row in rows], ["", *(headers[i] for i in block)])
    print_line()
    print_wrapped(f"Scores: {SCORES_IN_WORDS} Cache: one user, 16 bit.")
    for c in columns:
        if c.reason:
            print_wrapped(f"{c.entry.short_name}: {c.reason}", bullet="- ")
    if not answer.machine:
        print_wrapped("With --profile NAME: how each runs on that machine.")


def _blocks(rows: list[list[str]]) -> list[list[int]]:
    """Which models stand beside each other: as many as the terminal has room for, the others below them."""
    widths = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    blocks: list[list[int]] = [[]]
    used = widths[0] - 2
    for model, wide in enumerate(widths[1:], 1):
        if blocks[-1] and used + wide > width():
            blocks.append([])
            used = widths[0] - 2
        blocks[-1].append(model)
        used += wide
    return blocks


def _weights(column: Column) -> str:
    useful = column.smallest_useful
    return "?" if useful.weights is None else f"{gib(useful.weights)} {useful.quant}"


def _verdict(column: Column) -> str:
    if column.plan is None:
        return "no"
    return (
        {"gpu": "on GPU", "hybrid": "GPU + CPU", "cpu": "on CPU"}[column.plan.placement.value]
        if (column.plan.fits)
        else "does not fit"
    )


def _longest(column: Column) -> str:
    longest = 0 if column.plan is None else column.plan.max_context
    return context_about(longest) if longest else "-"


def _speed(column: Column) -> str:
    if column.plan is None or column.plan.speed is None:
        return "-"
    return rate_text(column.plan.speed.decode_tps.expected)
