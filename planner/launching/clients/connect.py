"""Connecting clients: the launch whose server serves them, and their files."""

from __future__ import annotations

from collections.abc import Sequence

from planner.engines.launch import Launch
from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace
from planner.launching.clients.connection import ClientFile, Connection
from planner.launching.clients.register import client_files, client_named, warnings
from planner.launching.formats import serves_here
from planner.launching.render import address, command_line, render, starter
from planner.models.model import Model
from planner.plan import Plan


@dataclass(frozen=True, slots=True)
class Connected:
    """What starts a server, and what its clients need to know of it."""

    launch: Launch
    """As `launch` renders it, with what the clients need in the command."""
    files: tuple[ClientFile, ...]
    """The clients' configurations."""
    notes: tuple[str, ...] = ()
    """What keeps these clients from working well."""


def connect(plan: Plan, model: Model, format: str, clients: Sequence[str], context: int) -> Connected:
    """Return the launch of a plan, whose server these clients can use, with their configurations.

    `context` is the number of tokens that each user gets. Raises InputError for a client that isn't known, or
    that the engine's server can't answer.
    """
    if not serves_here(format):
        raise InputError(f"--for connects clients to a server of this machine; leave out --format {format}")
    known = [client_named(name) for name in dict.fromkeys(clients)]
    facts = starter(plan, format)
    endpoint = facts.endpoint(plan, model)
    written = plan.request.written
    asked = replace(plan.request, written=replace(written, kept=(*written.kept, *endpoint.words)))
    served = replace(plan, request=asked)
    launch = render(served, model, format)
    where = address(command_line(served, model) if format != facts.name else launch, facts)
    server = Connection(
        address=where or "http://127.0.0.1",
        model=endpoint.model,
        title=f"{plan.name or model.name} ({plan.quant})",
        context=context,
        engine=facts.name,
        apis=endpoint.apis,
        calls_tools=endpoint.calls_tools,
        sees=endpoint.sees,
    )
    files = tuple(file for client in known for file in client_files(server, client, facts.name))
    return Connected(launch, files, warnings(server, known))
