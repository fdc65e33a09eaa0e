"""`planner plan A + B -c 8k + C …`: the words of a command line that names several models.

What stands after a model, before the next "+", is that model's own, and so is what stands in quotes with it
("B -q Q8_0"). What stands after the last one is said of all that don't say it themselves; options of the machine
and of the output may stand anywhere.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import click

from planner.cli.engine_settings import spell_out
from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace

if TYPE_CHECKING:
    from planner.api import Wish
    from planner.plan import Workload

PLUS: Final = "+"
COMMANDS: Final = frozenset({"plan", "launch"})
# Options of the machine and of the output, and whether a value follows.
_OF_ALL: Final = {
    **dict.fromkeys(
        ("--profile", "-p", "--ram", "--vram", "--free", "--backend", "--format", "--min-speed"), True
    ),
    "--json": False,
}


@dataclass(frozen=True, slots=True)
class Others:
    """The models before the last one, each with the words of its own."""

    words: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ForAll:
    """What is said after the last model, for all that don't say it themselves."""

    workload: Workload
    engine: str | None = None
    quant: str | None = None
    role: str | None = None
    settings: tuple[str, ...] = ()  # an engine's own options


def split_models(arguments: Sequence[str]) -> tuple[list[str], Others | None]:
    """Split the words of all models but the last from the rest; None where there is one model."""
    words = list(arguments)
    first = next((word for word in words if not word.startswith("-")), None)
    if first not in COMMANDS or PLUS not in words:
        return words, None
    start = words.index(first) + 1
    parts: list[list[str]] = [[]]
    for word in words[start:]:
        if word == PLUS:
            parts.append([])
        else:
            parts[-1].append(word)
    *others, last = parts
    general: list[str] = []
    own = []
    for part in others:
        mine, machine = _sorted_out(part)
        own.append(tuple(mine))
        general += machine
    return [*words[:start], *last, *general], Others(tuple(own))


def _sorted_out(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words of a model, and those of the machine and the output."""
    mine: list[str] = []
    general: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.partition("=")
        if name not in _OF_ALL:
            mine.append(word)
            continue
        general.append(word)
        if _OF_ALL[name] and not equals:
            general += [value for value in (next(rest, None),) if value is not None]
    return mine, general


_MEMBER: Final = click.Command(
    "model",
    params=[
        click.Argument(["model"]),
        click.Option(["--quant", "-q"]),
        click.Option(["--engine", "-e"]),
        click.Option(["--context", "-c"]),
        click.Option(["--users", "-u"], type=int),
        click.Option(["--use-case"]),
        click.Option(["--load"]),
        click.Option(["--role"]),
    ],
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)


def read_models(others: Others, last: str | None, shared: ForAll) -> list[Wish]:
    """Return what is asked of each model, in the order in which they are named.

    Raises InputError for a "+" without a model beside it, and for what a model's own words can't mean.
    """
    return [_wish(words, shared) for words in (*others.words, () if last is None else (last,))]


def _wish(words: Sequence[str], shared: ForAll) -> Wish:
    import planner
    from planner.cli.options import make_workload

    said = list(_own(words))
    if not said or said[0].startswith("-"):
        raise InputError("a model must stand on each side of '+'; write for example qwen3-8b + bge-m3")
    try:
        context = _MEMBER.make_context("model", spell_out(said), resilient_parsing=False)
    except click.ClickException as error:
        raise InputError(f"'{' '.join(said)}': {error.format_message()}") from None
    own = context.params
    asked = shared.workload
    tokens = own["context"] or asked.context
    workload = replace(
        make_workload(
            None if tokens is None else str(tokens),
            own["users"] or asked.users,
            own["use_case"] or asked.use_case,
            min_speed=asked.min_speed,
            prompt=asked.prompt,
            load=own["load"] or asked.load,
        ),
        output=asked.output,
    )
    return planner.wish(
        planner.load_model(own["model"]),
        workload,
        role=own["role"] or shared.role,
        engine=own["engine"] or shared.engine,
        quant=own["quant"] or shared.quant,
        settings=_settings(tuple(context.args) or shared.settings, own["engine"] or shared.engine),
    )


def _own(words: Sequence[str]) -> Iterator[str]:
    """The words of one model; a quoted model holds options of its own."""
    for place, word in enumerate(words):
        if place == 0 and len(word.split()) > 1 and " -" in word:
            try:
                yield from shlex.split(word)
            except ValueError as error:
                raise InputError(f"'{word}': {error}") from None
        else:
            yield word


def _settings(words: Sequence[str], engine: str | None) -> dict[str, object]:
    from planner.cli.engine_settings import parse_settings

    return parse_settings(words, engine)
