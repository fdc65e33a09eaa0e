"""What a person's own defaults change in a command: as if the options had been typed, and said so on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import click

# Commands that answer a question about a machine; the others look at this one, or at none.
ANSWERING: Final = frozenset({"check", "plan", "launch", "buy", "cost", "compare", "bundle"})
# What describes the machine already, and what reads it from somewhere else.
_MACHINE_SAID: Final = ("--ram", "--vram", "--cluster", "--measure")


def own_defaults(
    command: click.Command, words: Sequence[str], *, pasted: bool
) -> dict[str, dict[str, object]]:
    """Return click's `default_map` for the command that was typed, made of the person's configuration.

    `words` are the command line's, `pasted` says that an engine's own command follows, which names its engine.
    Raises InputError for a configuration that is broken.
    """
    name = next((word for word in words if not word.startswith("-")), "")
    sub = command.commands.get(name) if isinstance(command, click.Group) else None
    if sub is None or name not in ANSWERING or not {"-h", "--help"}.isdisjoint(words):
        return {}
    from planner.api import config

    options = {opt: param for param in sub.params for opt in param.opts}
    typed = {param.name for opt, param in options.items() if any(_gives(word, opt) for word in words)}
    found: dict[str, object] = {}
    said = []
    for one in config().settings:
        param = options.get(one.option)
        if one.value is None or param is None or param.name in typed:
            continue
        if (one.option == "--profile" and any(_gives(w, o) for w in words for o in _MACHINE_SAID)) or (
            one.option == "--engine" and (pasted or any(_gives(w, "--cluster") for w in words))
        ):
            continue
        found[str(param.name)] = one.value
        said.append(
            f"{one.option} {one.value:g}" if isinstance(one.value, float) else f"{one.option} {one.value}"
        )
    if said:
        sys.stderr.write(f"planner: your defaults: {' '.join(said)} (planner config)\n")
    return {name: found}


def _gives(word: str, option: str) -> bool:
    """True where a word of the command line is the option, alone or with its value."""
    return word == option or word.startswith(f"{option}=") or (len(option) == 2 and word.startswith(option))
