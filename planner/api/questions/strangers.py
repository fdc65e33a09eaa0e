"""What a stranger may name: models of the catalogue, profiles and sizes. No file is opened, nothing is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from planner.errors import FieldError

if TYPE_CHECKING:
    from planner.models.model import Model

LONGEST_TEXT: Final = 200_000  # characters of a pasted log
LONGEST_LINE: Final = 20_000  # of a command line
LONGEST_NAME: Final = 300


def short(text: str, field: str, most: int = LONGEST_NAME) -> str:
    """Return a text that is no longer than a name is. Raises InputError for another."""
    if len(text) > most:
        raise FieldError(field, f"is longer than {most:,} characters")
    if "\0" in text:
        raise FieldError(field, "holds a null character")
    return text


def no_file(text: str, field: str) -> str:
    """Return a text that cannot name a file. Raises InputError for one that may."""
    if "/" in text or "\\" in text or text.strip().lower().endswith(".toml"):
        raise FieldError(field, "must be a name or a composition, not a file")
    return text


def named_model(name: str) -> Model:
    """Return a model by its name alone. Raises InputError for a path, an address or an unknown name."""
    from planner.models.load import known_model

    return known_model(short(name, "model"))


def plain_settings(settings: Mapping[str, object]) -> Mapping[str, object]:
    """Return an engine's settings that name no file: plain values, a draft model by its name. Raises InputError."""
    from planner.engines.register import planning

    drafts = {facts.draft_setting for facts in planning() if facts.draft_setting}
    for name, value in settings.items():
        if not (value is None or isinstance(value, str | bool | int | float)):
            raise FieldError("settings", f"'{name[:40]}' must be a text, a number, or true or false")
        if not isinstance(value, str):
            continue
        if name in drafts:
            named_model(value)
        elif len(value) > LONGEST_NAME or value.lower().endswith((".gguf", ".json", ".toml")):
            raise FieldError("settings", f"'{name[:40]}' names a file")
    return settings
