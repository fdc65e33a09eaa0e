"""An engine's own words on the planner's command line: its options after a model's name, or its whole command.

`planner plan MODEL --n-cpu-moe 12 -ctk q8_0` reads what follows the model by the engine's own flags;
`planner plan -- vllm serve …` plans what that command would start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from planner.errors import InputError, cause_of

if TYPE_CHECKING:
    import typer

    from planner.api import Command

CONTEXT_SETTINGS: Final[dict[str, Any]] = {"allow_extra_args": True, "ignore_unknown_options": True}
_PASTED: Final = frozenset({"plan", "launch"})  # commands that take a whole command line after "--"


def spell_out(arguments: Sequence[str]) -> list[str]:
    """Turn engines' own short options (-ctk, -ngl, -tp …) into long ones.

    With one dash the command line would read "-ctk" as "-c tk".
    """
    if not any(_is_short(word) for word in arguments):
        return list(arguments)
    from planner.api import short_options

    names = short_options()
    return [
        f"-{word}" if _is_short(word) and word[1:].partition("=")[0] in names else word for word in arguments
    ]


def _is_short(word: str) -> bool:
    return len(word) > 2 and word[0] == "-" != word[1] and word[1].isalpha()


def split_pasted(arguments: Sequence[str]) -> tuple[list[str], tuple[str, ...] | None]:
    """Split the planner's own words from an engine's command line after "--"; None without one."""
    words = list(arguments)
    first = next((word for word in words if not word.startswith("-")), None)
    if first not in _PASTED or "--" not in words:
        return words, None
    at = words.index("--")
    return words[:at], tuple(words[at + 1 :])


def read_settings(arguments: Sequence[str], engine: str | None = None) -> Command | None:
    """Return what the command line had left over, read by the engine's own flags; None without any.

    Raises InputError for a word that is no option, and for what the engine refuses.
    """
    if not arguments:
        return None
    from planner.api import read_options

    return read_options(arguments, engine)


def parse_settings(arguments: Sequence[str], engine: str | None = None) -> dict[str, Any]:
    """Return the settings alone of what the command line had left over."""
    read = read_settings(arguments, engine)
    return {} if read is None else dict(read.settings)


def asked_command(ctx: typer.Context, model: str | None, engine: str | None) -> Command | None:
    """Return the engine's command that is asked about; None where a model is.

    It stands after "--", or in place of the model: as one word, or as the file that starts it (compose, unit,
    manifest, Modelfile; "-" reads the standard input). Raises InputError where there is neither, or where
    options say the same twice.
    """
    words: tuple[str, ...] | None = ctx.obj
    if words is None and model is not None and _is_started_by_file(model):
        words, model = (_text_of(model),), None
    elif words is None and model is not None and len(model.split()) > 1:
        from planner.api import starts_engine

        words = (model,) if starts_engine(model) else None
        model = None if words else model
    if words is None:
        if model is None:
            raise InputError(
                "MODEL is missing; write for example planner plan gpt-oss-20b, or -- vllm serve …"
            )
        return None
    from planner.api import engine_key, read_command

    if not words:
        raise InputError(
            "nothing stands after --; write for example planner plan -- vllm serve Qwen/Qwen3-8B"
        )
    if model is not None or ctx.args:
        said = model if model is not None else ctx.args[0]
        raise InputError(
            f"'{said}' was not expected here: the command after -- names the model and its options"
        )
    command = read_command(words)
    if engine is not None and engine_key(engine) != command.engine:
        raise InputError(f"--engine {engine}, but the command starts {command.program}; leave out --engine")
    return command


_FILES: Final = (".yaml", ".yml", ".service")  # of supervisors
_MOST: Final = 200_000  # bytes of such a file


def _is_started_by_file(model: str) -> bool:
    name = model.replace("\\", "/").rsplit("/", 1)[-1]
    return (
        model == "-" or name.lower().endswith(_FILES) or name == "Modelfile" or name.startswith("Modelfile.")
    )


def _text_of(name: str) -> str:
    """The text of a file, or of the standard input. Raises InputError where it can't be read."""
    from planner.bounded_read import read_text

    if name == "-":
        import sys

        return sys.stdin.read(_MOST)
    try:
        return read_text(name, _MOST, signature=True)
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: {cause_of(error)}") from error
