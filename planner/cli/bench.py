"""`planner bench --server URL`: how fast a running server is, beside what was estimated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli import completion
from planner.cli.engine_settings import CONTEXT_SETTINGS, parse_settings
from planner.cli.options import FormatOption, JsonOption
from planner.cli.output import (
    PLAIN,
    diagnostic,
    print_document,
    print_heading,
    print_line,
    print_table,
    print_wrapped,
)
from planner.cli.plan_view import range_text
from planner.cli.progress import say_on_terminal
from planner.errors import InputError

if TYPE_CHECKING:
    from planner.api import Bench

__all__ = ["CONTEXT_SETTINGS", "bench"]


def bench(
    ctx: typer.Context,
    server: Annotated[
        str | None,
        typer.Option("--server", metavar="URL", help="A running llama-server, Ollama, vLLM or SGLang."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Which model the server runs, where its name is not known.",
            autocompletion=completion.models,
        ),
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key", metavar="KEY", envvar="PLANNER_API_KEY", help="Sent to the server as a bearer."
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", metavar="FILE", help="Add the measurements to a .jsonl file, without names or paths."
        ),
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove what was measured here; estimates are as they were.")
    ] = False,
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """Measure a running server in under two minutes: prefill, decode at two depths, several streams at once.

    What is measured on this machine corrects further estimates here, until --forget. Nothing is sent anywhere but
    to the server. Any other option says what the server was started with, under the engine's own name.
    """
    from planner.api import bench_server, export_rows, forget_speeds

    if forget:
        print_line("what was measured here is removed" if forget_speeds() else "nothing was measured here")
        return 0
    if server is None:
        raise InputError("bench needs --server URL, for example --server localhost:8080")
    answer = bench_server(
        server, api_key=api_key, model=model, settings=parse_settings(ctx.args), progress=say_on_terminal
    )
    if export is not None:
        export_rows(answer, export)
        diagnostic(f"planner: {len(answer.rows)} rows are in {export}")
    if json:
        print_document(answer)
        return 0
    _print(answer, format)
    return 0


def _print(answer: Bench, fmt: str) -> None:
    rows = [
        (p.what, f"{p.prompt:,}", f"{p.streams}", range_text(p.said), f"{p.measured:,.1f}",
         "" if p.inside else "outside")
        for p in answer.points
    ]  # fmt: skip
    headers = ("what", "prompt", "streams", "said, tokens/s", "got", "")
    if fmt == PLAIN:
        print_heading(f"{answer.model} {answer.quant} on {answer.engine} ({answer.build})")
    print_table(rows, headers, fmt, ("left", "right", "right", "right", "right", "left"), wrap=0)
    if fmt != PLAIN:
        return
    for what, factor in (("decode", answer.decode_factor), ("prefill", answer.prefill_factor)):
        if factor is not None:
            print_wrapped(
                f"further estimates of {what} here under {answer.engine} on {answer.backend}: times "
                f"{factor.value:.2f} ({factor.low:.2f}-{factor.high:.2f}), from {factor.count} measurements; "
                "planner bench --forget undoes it",
                indent="  ",
                bullet="- ",
            )
    for note in answer.notes:
        print_wrapped(note, indent="  ", bullet="- ")
