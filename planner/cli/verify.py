"""`planner verify FILE.gguf | --server URL`: what was predicted beside what the engine says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from planner.cli import completion
from planner.cli.engine_settings import CONTEXT_SETTINGS, parse_settings
from planner.cli.options import FormatOption, JsonOption
from planner.cli.output import PLAIN, diagnostic, print_document, print_heading, print_table, print_wrapped
from planner.errors import InputError
from planner.units import KIB, MIB, context_text, mib

if TYPE_CHECKING:
    from planner.api import Part, Verification

__all__ = ["CONTEXT_SETTINGS", "verify"]


def verify(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE.gguf]", help="A local GGUF file.")] = None,
    server: Annotated[
        str | None,
        typer.Option("--server", metavar="URL", help="A running Ollama, llama-server or vLLM."),
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
    context: Annotated[
        str | None, typer.Option("--context", "-c", metavar="TOKENS", help="Context to verify a file at.")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            "--api-key", metavar="KEY", envvar="PLANNER_API_KEY", help="Sent to the server as a bearer."
        ),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store/--no-store", help="Remember the result on this machine.")
    ] = True,
    json: JsonOption = False,
    format: FormatOption = PLAIN,
) -> int:
    """Predicted memory beside what the real engine allocates for a file, or a running server uses.

    FILE.gguf needs the extra "verify"; only the file's header is read. Any other option is passed to the
    engine under its own name, for example --cache-type-k q8_0. Exit code 1 where prediction and engine disagree.
    """
    from planner.api import remember, verify_file, verify_server

    settings = parse_settings(ctx.args)
    if (file is None) == (server is None):
        raise InputError(
            "verify needs either a .gguf file or --server URL, for example --server localhost:11434"
        )
    if file is not None:
        answer = verify_file(file, context=context, settings=settings)
    else:
        assert server is not None
        answer = verify_server(server, api_key=api_key, model=model, settings=settings)
    for note in answer.notes:
        diagnostic(f"planner: {note}")
    if store and remember(answer) is None:
        diagnostic("planner: the result could not be stored on this machine")
    if json:
        print_document(answer)
    else:
        for result in answer.verifications:
            _print(result, format)
    return 0 if answer.agree else 1


def _print(result: Verification, fmt: str) -> None:
    rows = [
        (p.device, p.what, _figure(p, p.predicted), _figure(p, p.measured), _error(p), _verdict(p))
        for p in result.parts
    ]
    headers = ("device", "what", "predicted", "measured", "error", "")
    if fmt == PLAIN:
        print_heading(f"{result.model} {result.quant} on {result.engine} ({result.build})")
    if rows or fmt != PLAIN:
        print_table(rows, headers, fmt, ("left", "left", "right", "right", "right", "left"), wrap=0)
    if fmt == PLAIN:
        for note in result.notes:
            print_wrapped(note, indent="  ", bullet="- ")


def _figure(part: Part, value: float) -> str:
    if _is_small(part):  # of a toy model: whole MiB would all read 0
        return f"{value / KIB:,.1f} KiB"
    if part.unit == "bytes":
        return mib(int(value))
    return context_text(int(value))


def _error(part: Part) -> str:
    """The error in per cent; nothing for kibibytes, which are counted against 64 MiB."""
    return "" if _is_small(part) else f"{part.error:+.1%}"


def _is_small(part: Part) -> bool:
    return part.unit == "bytes" and max(part.predicted, part.measured) < MIB


def _verdict(part: Part) -> str:
    return "" if part.agrees else "differs"
