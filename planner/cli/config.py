"""`planner config`: defaults of this person, read by every command that has the option."""

from __future__ import annotations

import json as json_text
from typing import Annotated

import typer

from planner.cli import completion
from planner.cli.options import JsonOption
from planner.cli.output import PLAIN, print_document, print_line, print_table, print_wrapped
from planner.errors import InputError


def config(
    key: Annotated[
        str | None,
        typer.Argument(help="Which default; without it, all of them.", autocompletion=completion.config_keys),
    ] = None,
    value: Annotated[str | None, typer.Argument(help="What it is from now on.")] = None,
    unset: Annotated[bool, typer.Option("--unset", help="Take the default back.")] = False,
    json: JsonOption = False,
) -> int:
    """Your own defaults: machine, engine, use case, licence, currency, electricity. A typed option wins."""
    from planner.api import config as all_defaults
    from planner.api import set_default

    if unset and (key is None or value is not None):
        raise InputError("--unset takes one default back; write for example: planner config engine --unset")
    if key is not None and (value is not None or unset):
        set_default(key, value)
    answer = all_defaults()
    if json:
        print_document(answer)
        return 0
    if key is None:
        rows = [(one.key, _shown(one.value) or "-", one.about) for one in answer.settings]
        print_table(rows, ("default", "value", "what it is"), PLAIN, ("left",) * 3)
        print_line()
        where = "nowhere: this user has no home folder" if answer.path is None else answer.path
        print_wrapped(f"Kept in {where}")
        print_wrapped("Set one with: planner config KEY VALUE")
        return 0
    name = key.strip().lower().replace("_", "-")
    one = next((setting for setting in answer.settings if setting.key == name), None)
    if one is None:
        known = ", ".join(setting.key for setting in answer.settings)
        raise InputError(f"no default is called '{key}'; one of: {known}")
    if value is not None or unset:
        said = "is the program's own again" if one.value is None else f"is {_shown(one.value)} from now on"
        print_wrapped(f"{one.key} {said} ({answer.path})")
        return 0
    if one.value is None:
        print_line(f"{one.key} is not set")
        return 1
    print_line(_shown(one.value))
    return 0


def _shown(value: str | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_text.dumps(value).removesuffix(".0")
