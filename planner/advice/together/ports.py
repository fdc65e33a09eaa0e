"""A port of its own for every server on a machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from planner.engines.register import engine_facts
from planner.fast_dataclass import replace
from planner.launching.render import command_line
from planner.plan import Plan, Written


def with_ports(plans: Sequence[Plan], used: Iterable[int] = ()) -> list[tuple[Plan, int | None]]:
    """Return each plan with its command on a port of its own, and that port; models of one server have the same.

    `used`: ports that other servers have.
    """
    taken = set(used)
    found: list[tuple[Plan, int | None]] = []
    for plan in plans:
        facts = engine_facts(plan.engine)
        port = facts.port
        if port is None or (facts.daemon and port in taken):
            found.append((plan, port))
            continue
        while port in taken:
            port += 1
        taken.add(port)
        found.append((plan if port == facts.port else _on_port(plan, port), port))
    return found


def _on_port(plan: Plan, port: int) -> Plan:
    request = plan.request
    kept = (*request.written.kept, "--port", str(port))
    plan = replace(plan, request=replace(request, written=Written(kept)))
    return replace(plan, command=command_line(plan, request.model).command)
