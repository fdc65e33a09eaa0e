"""Connection: a server as a client's configuration describes it, and the files of that configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from planner.engines.endpoint import Api
from planner.fast_dataclass import dataclass

NO_KEY: Final = "none"  # what a client sends that insists on a key; the servers here ask for none
# Agents fill some 10,000 to 20,000 tokens with instructions and tools before the first question.
AGENTS_NEED: Final = 32768


@dataclass(frozen=True, slots=True)
class Connection:
    """A server and the model that it serves, as clients see them."""

    address: str  # http://host:port
    model: str  # by which clients ask for it
    title: str  # for people
    context: int  # tokens that each user gets, question and answer together
    engine: str  # whose server it is; clients that speak an engine's own API call that by the same name
    apis: frozenset[Api]
    calls_tools: bool
    sees: bool  # takes pictures

    @property
    def openai(self) -> str:
        """Where OpenAI's API begins."""
        return f"{self.address}/v1"

    @property
    def output(self) -> int:
        """Tokens of one answer: a quarter of the context, so that most of it is left for what is asked."""
        return max(1, self.context // 4)

    @property
    def is_ollama(self) -> bool:
        """True where the server speaks Ollama's own API, in which a client can say the context."""
        return Api.OLLAMA in self.apis


@dataclass(frozen=True, slots=True)
class ClientFile:
    """One file of a client's configuration; nothing is written unasked."""

    client: str
    """Whose it is."""
    path: str
    """Where the client looks for it; ~ is the home folder."""
    content: str
    """What belongs there."""
    note: str = ""
    """What to do besides."""


def as_json(value: Mapping[str, Any]) -> str:
    """Return a JSON file."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def toml_text(value: str) -> str:
    """Return a basic string of TOML 1.0; JSON's escapes are among its own."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
