"""`planner schema`: the JSON schemas of everything that --json prints."""

from __future__ import annotations

from typing import Annotated

import typer

from planner.cli import completion
from planner.cli.output import print_json
from planner.errors import InputError


def schema(
    name: Annotated[
        str | None,
        typer.Argument(help="A command's name; without it, all of them.", autocompletion=completion.schemas),
    ] = None,
) -> None:
    """Print the JSON schema of what a command prints with --json."""
    from planner.schema_list import SCHEMAS

    if name is None:
        print_json({key: model.model_json_schema(by_alias=True) for key, model in SCHEMAS.items()})
        return
    if name not in SCHEMAS:
        raise InputError(f"no schema is called '{name}'; one of: {', '.join(SCHEMAS)}")
    print_json(SCHEMAS[name].model_json_schema(by_alias=True))
