"""The register of clients: one line each. What a client asks by decides which engines it can use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from planner.engines.endpoint import Api
from planner.engines.register import engine_facts, planning, starting
from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.launching.clients import agents, chats, editors
from planner.launching.clients.connection import AGENTS_NEED, ClientFile, Connection


@dataclass(frozen=True, slots=True)
class Client:
    """A program that asks a server."""

    title: str
    files: Callable[[Connection], tuple[ClientFile, ...]]
    asks_by: Api = Api.CHAT
    is_agent: bool = False  # works by tools, and fills a context


CLIENTS: Final = {
    "opencode": Client("opencode", agents.opencode, is_agent=True),
    "claude-code": Client("Claude Code", agents.claude_code, Api.MESSAGES, is_agent=True),
    "codex": Client("Codex", agents.codex, Api.RESPONSES, is_agent=True),
    "continue": Client("Continue", editors.continue_dev),
    "open-webui": Client("Open WebUI", chats.open_webui),
    "home-assistant": Client("Home Assistant", chats.home_assistant, Api.OLLAMA),
    "zed": Client("Zed", editors.zed),
    "aider": Client("aider", agents.aider),
}


def client_named(name: str) -> Client:
    """Return the client of this name. Raises InputError for one that isn't known."""
    found = CLIENTS.get(name.strip().lower().replace(" ", "-").replace("_", "-"))
    if found is None:
        raise InputError(f"--for '{name}' is not known; one of: {', '.join(CLIENTS)}")
    return found


def client_files(server: Connection, client: Client, engine: str) -> tuple[ClientFile, ...]:
    """Return a client's configuration. Raises InputError where the server doesn't answer what the client asks by."""
    if client.asks_by not in server.apis:
        able = [f.name for f in (*planning(), *starting()) if client.asks_by in f.apis]
        raise InputError(
            f"{client.title} asks by {client.asks_by}, which {engine_facts(engine).title} doesn't answer;"
            f" --engine {' or '.join(able)} does"
        )
    return client.files(server)


def warnings(server: Connection, clients: Sequence[Client]) -> tuple[str, ...]:
    """Return what of a plan keeps these clients from working well, one sentence each."""
    working = [client.title for client in clients if client.is_agent]
    if not working:
        return ()
    names = " and ".join(working)
    found = []
    if server.context < AGENTS_NEED:
        found.append(
            f"{names} fills some 10,000 to 20,000 tokens before the first question: {server.context:,} are few;"
            " plan with --context 64k"
        )
    if not server.calls_tools:
        found.append(f"{names} works by tools, and no way to call them is known of this model on this engine")
    return tuple(found)
