"""`planner config --json`: the defaults of this person, and where they are written."""

from __future__ import annotations

from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class ConfigSetting:
    """One default that can be set."""

    key: str
    """Its name in the file."""
    value: str | float | None
    """What is set; null where the program's own default holds."""
    option: str
    """The option whose default it is."""
    about: str
    """What it does."""


@dataclass(frozen=True, slots=True)
class Config:
    """The defaults of this person, for every command that has the option; an option that is typed wins."""

    path: str | None
    """The file; null for a user without a home, who has none."""
    settings: tuple[ConfigSetting, ...]
    """All that can be set, set or not."""
