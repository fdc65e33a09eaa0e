"""The command line: finds the command, runs it, turns errors into one line and an exit code.

Only the module of the command that was typed is imported: start-up time is part of the product.
Exit codes: 0 an answer, 1 the answer is "no", 2 bad usage or bad input.
"""

from __future__ import annotations

import codecs
import importlib
import io
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

import click
import typer

from planner.cli.config_defaults import own_defaults
from planner.cli.engine_settings import spell_out, split_pasted
from planner.cli.several import split_models
from planner.errors import FieldError, PlannerError, RefusedError, UnfitError
from planner.safe_text import one_line

# command -> module in planner.cli; the function has the command's name
COMMANDS: Final[dict[str, str]] = {
    "check": "check",
    "plan": "plan",
    "launch": "launch",
    "buy": "buy",
    "cost": "cost",
    "compare": "compare",
    "models": "models",
    "show": "show",
    "profiles": "profiles",
    "verify": "verify",
    "bench": "bench",
    "doctor": "doctor",
    "bundle": "bundle",
    "claims": "claims",
    "diagnose": "diagnose",
    "schema": "schema",
    "config": "config",
    "web": "web",
    "mcp": "mcp",
}
# One line each in the list of commands; more than this is cut there at 60 columns.
SUMMARIES: Final[dict[str, str]] = {
    "check": "What runs best here, and the command.",
    "plan": "One model explained: memory, context, speed.",
    "launch": "The command, or files, that start a model.",
    "buy": "Which hardware to get, for a model or a use.",
    "cost": "Own hardware against renting or an API.",
    "compare": "Models side by side.",
    "models": "The models that are known.",
    "show": "One model in full, with sources.",
    "profiles": "The hardware that --profile knows.",
    "verify": "The prediction beside the real engine.",
    "bench": "How fast a running server is, beside the estimate.",
    "doctor": "What was detected, and from where.",
    "bundle": "What a machine without network needs.",
    "claims": "What articles say, checked.",
    "diagnose": "A pasted command, log or error, explained.",
    "schema": "The JSON schemas of --json.",
    "config": "Your own defaults for the options.",
    "web": "The page and the API, on this machine.",
    "mcp": "The same answers as tools for agents.",
}
_LONGEST: Final = 4000  # characters of a message: what was typed or read is repeated in it
# What a terminal without these characters shows instead.
PLAINER: Final = {"×": "x", "…": "...", "–": "-", "—": "-", "→": "->", "≤": "<=", "≥": ">=", "’": "'"}
HELP: Final = (
    "Which open-weight language model runs on this machine, how fast, and what to type.\n\n"
    "Start with: planner check"
)


def _print_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"planner {version('open-weight-planner')}")
        raise typer.Exit


def build_app(commands: Sequence[str]) -> typer.Typer:
    """Build the typer application with the given commands only."""
    app = typer.Typer(
        name="planner",
        help=HELP,
        add_completion=True,
        rich_markup_mode=None,
        suggest_commands=False,  # click suggests already
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(no_args_is_help=True)
    def root(
        version: bool = typer.Option(
            False, "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ) -> None:
        pass

    for name in commands:
        module = importlib.import_module(f"planner.cli.{COMMANDS[name]}")
        # Commands that take an engine's own settings let options through that typer does not know.
        settings = getattr(module, "CONTEXT_SETTINGS", None)
        app.command(name, context_settings=settings, short_help=SUMMARIES[name])(getattr(module, name))
    return app


def _wanted(arguments: Sequence[str]) -> Sequence[str]:
    """Return the one command that is meant, or all of them (help, completion, a mistyped name)."""
    if any(key.endswith("_COMPLETE") for key in os.environ):
        from planner.cli.completion import words_before

        arguments = words_before()
    first = next((word for word in arguments if not word.startswith("-")), None)
    return (first,) if first in COMMANDS else tuple(COMMANDS)


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"planner: {one_line(' '.join(message.split()), _LONGEST)}\n")
    return code


def _drop_output(code: int) -> int:
    """Send what is still buffered nowhere, so that the interpreter's own flush at exit says nothing; pass the code."""
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 (stays open to the end)
    return code


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors become one line on stderr."""
    try:
        app = build_app(_wanted(arguments))
        own, pasted = split_pasted(arguments)
        own, others = split_models(own)
        command = typer.main.get_command(app)
        words = spell_out(own)
        result = command.main(
            args=words,
            prog_name="planner",
            standalone_mode=False,
            obj=others or pasted,
            default_map=own_defaults(command, words, pasted=bool(pasted)),
        )
    except (RefusedError, UnfitError) as error:
        return _fail(str(error), 1)
    except FieldError as error:  # the option has the field's name
        return _fail(f"--{error.field.replace('_', '-')} {error.problem}", 2)
    except PlannerError as error:
        return _fail(str(error), 2)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        return _fail("interrupted", 130)
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(error.format_message() + "\n")
        return 2
    except click.ClickException as error:
        hint = "" if arguments and "--help" in arguments else " (see planner --help)"
        return _fail(error.format_message().rstrip(".") + hint, 2)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except SystemExit:
        # The reader has gone (planner … | head): nothing more to say, and nothing wrong. typer makes an exit of it.
        return _drop_output(0)
    except BrokenPipeError:
        return _drop_output(0)
    except OSError as error:
        # A full disk behind the output, a file that goes away while it is read.
        where = error.filename if isinstance(error.filename, str) else "the answer could not be written"
        return _drop_output(_fail(f"{where}: {error.strerror or error}", 2))
    return result if isinstance(result, int) else 0


def _print_anywhere(stream: TextIO) -> None:
    """Let a stream that knows few characters (LANG=C, an old console) print what is nearest to the others."""
    if (stream.encoding or "utf-8").lower().startswith("utf") or not isinstance(stream, io.TextIOWrapper):
        return
    codecs.register_error("planner", _nearest)
    stream.reconfigure(errors="planner")


def _nearest(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(PLAINER.get(c, "?") for c in error.object[error.start : error.end]), error.end


def _first_questions() -> int:
    """Without a command: ask on a terminal, print what was typed for it, and run that; else the help."""
    from planner.cli.first_questions import ask, is_conversation

    if not is_conversation():
        return run([])
    try:
        words = ask()
    except click.Abort:
        sys.stdout.write("\n")
        return _fail("interrupted; planner --help lists the commands", 130)
    sys.stdout.write(f"\n$ planner {shlex.join(words)}\n\n")
    sys.stdout.flush()
    return run(words)


def main() -> None:
    """Entry point of the `planner` command."""
    if sys.stderr is None:  # started with the stream closed
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 (stays open to the end)
    if sys.stdout is None:
        sys.exit(_fail("standard output is closed: there is nowhere to print the answer", 2))
    _print_anywhere(sys.stdout)
    arguments = sys.argv[1:]
    code = run(arguments) if arguments else _first_questions()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output(0)
    except OSError as error:
        code = _drop_output(_fail(f"the answer could not be written: {error.strerror or error}", 2))
    sys.exit(code)
