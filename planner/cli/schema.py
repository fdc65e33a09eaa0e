"""`planner schema`: the JSON schemas of everything that --json prints."""

from __future__ import annotations

from typing import Annotated

import typer

from planner.cli import completion
from planner.cli.output import print_json


def schema(
    name: Annotated[
        str | None,
        typer.Argument(help="A command's name; without it, all of them.", autocompletion=completion.schemas),
    ] = None,
) -> None:
    """Print the JSON schema of what a command prints with --json."""
    from planner.api import schema as schema_of
    from planner.api import schemas

    print_json(schemas() if name is None else schema_of(name))
