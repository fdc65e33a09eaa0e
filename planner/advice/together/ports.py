"""A port of its own for every server on a machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from planner.engines.register import engine_facts
from planner.fast_dataclass import replace
from planner.launching.render import command_line
from planner.plan import Plan


def with_ports(plans: Sequence[Plan], used: Iterable[int] = ()) -> list[tuple[Plan, int | None]]:
    """Return each plan with its command on a port of its own, and that port; models of one server have the same.

    `used`: ports that other servers have.
    """
    taken = set(used)
    found: list[tuple[Plan, int | None]] = []
    for plan in plans:
        facts = engine_facts(plan.engine)
        usual = facts.port
        if usual is None or (facts.daemon and usual in taken):
            found.append((plan, usual))
            continue
        port = usual
        while port in taken:
            port += 1
        taken.add(port)
        found.append((_on_port(plan, port, usual), port))
    return found


def _on_port(plan: Plan, port: int, usual: int) -> Plan:
    """Return the plan on a port, whichever it was put on before; what is written of it is said once."""
    request = plan.request
    before = request.written.kept
    at = next((i for i, word in enumerate(before) if word == "--port"), None)
    kept = before if at is None else (*before[:at], *before[at + 2 :])
    if port != usual:
        kept = (*kept, "--port", str(port))
    if kept == before:
        return plan
    plan = replace(plan, request=replace(request, written=replace(request.written, kept=kept)))
    return replace(plan, command=command_line(plan, request.model).command)
