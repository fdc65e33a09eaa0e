"""Endpoint: how clients ask an engine's server, and what its command needs for that."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from planner.fast_dataclass import dataclass

if TYPE_CHECKING:
    from planner.models.model import Model


class Api(StrEnum):
    """What a server answers."""

    CHAT = "/v1/chat/completions"
    RESPONSES = "/v1/responses"
    MESSAGES = "/v1/messages"
    OLLAMA = "/api/chat"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server as its clients see it."""

    model: str
    """The name by which clients ask for the model."""
    apis: frozenset[Api]
    calls_tools: bool = True
    """False where the server would hand on a tool's call as plain text."""
    sees: bool = False
    """True where it takes pictures as it is started."""
    words: tuple[str, ...] = ()
    """What its command needs besides, so that all this holds."""


def is_said_able(model: Model, capability: str) -> bool:
    """Return whether a model's card says that it can do something (tools, vision); True where it has no card."""
    return model.entry is None or capability in model.entry.capabilities


def word_after(words: list[str], *options: str) -> str | None:
    """Return the value of the first of these options that a command has."""
    for option in options:
        if option in words[:-1]:
            return words[words.index(option) + 1]
    return None
