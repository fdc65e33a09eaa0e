"""`planner bench`: how fast a model is here, or a running server, beside what was estimated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli import completion
from planner.cli.engine_settings import CONTEXT_SETTINGS, parse_settings
from planner.cli.options import (
    ContextOption,
    EngineOption,
    FormatOption,
    JsonOption,
    QuantOption,
    UsersOption,
    make_workload,
)
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
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="What to measure with an engine that is installed here; with --server: what it runs.",
            autocompletion=completion.models,
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", metavar="URL", help="A running llama-server, Ollama, vLLM or SGLang."),
    ] = None,
    quant: QuantOption = None,
    engine: EngineOption = None,
    context: ContextOption = None,
    users: UsersOption = 1,
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
    """Measure in under two minutes: prefill, decode at two depths, with several users several streams at once.

    A MODEL is measured by llama-bench, with --users by a llama-server that is started for it; --server measures one
    that runs. What is measured on this machine corrects further estimates here, until --forget. Nothing is sent
    anywhere but to the server, nothing is fetched. Any other option goes to the engine under its own name.
    """
    from planner.api import bench_model, bench_server, export_rows, forget_speeds

    if forget:
        print_line("what was measured here is removed" if forget_speeds() else "nothing was measured here")
        return 0
    if server is not None:
        settings = parse_settings(ctx.args)
        answer = bench_server(
            server, api_key=api_key, model=model, settings=settings, progress=say_on_terminal
        )
    elif model is not None:
        answer = bench_model(
            model,
            make_workload(context, users),
            engine=engine,
            quant=quant,
            settings=parse_settings(ctx.args, engine),
            progress=say_on_terminal,
        )
    else:
        raise InputError(
            "bench needs a MODEL, for example planner bench file.gguf, or --server URL of one that runs"
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
