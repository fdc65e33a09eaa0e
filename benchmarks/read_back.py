"""Every command that the planner prints is read back, and planned again to the same settings and bytes.

python -m benchmarks.read_back [--entries N]

Catalogue × machines × engines: a plan's command (with its environment, and Ollama's Modelfile) goes through the
reader of pasted commands; what comes out is planned on the same machine. Prints what differs; exit code 1 where
anything does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from planner.advice.plan.asked_command import Loading, plan_command
from planner.api import load_profile
from planner.api.planning import with_draft
from planner.engines.commands import Command, read_command
from planner.engines.register import planning
from planner.errors import PlannerError
from planner.fast_dataclass import replace
from planner.launching.render import command_line
from planner.models.catalogue.catalogue import Entry, load_catalogue
from planner.models.load import from_entry
from planner.models.model import Model
from planner.plan import Plan, PlanRequest, Workload

MACHINES: Final = (
    "rtx-3060-12gb",
    "rtx-4090",
    "rtx-3090 x2",
    "rtx-5090",
    "rtx-pro-6000",
    "h100-80gb x4",
    "mi300x",
    "strix-halo-128gb",
    "m4-max-64gb",
    "dgx-spark",
)
_QUANTS: Final = ("Q4_K_M", "MXFP4", "Q8_0")


def plans(model: Model, machine_name: str) -> Iterator[Plan]:
    """Yield what every engine makes of a model on a machine, in a common quantisation, with its command."""
    machine = load_profile(machine_name)
    for facts in planning():
        engine = facts.rules()
        offered = engine.quants(model)
        quant = next((q for q in _QUANTS if q in offered), offered[0] if offered else None)
        if quant is None or engine.supports(model, quant, machine) is not None:
            continue
        for workload in (Workload(), Workload(context=8192, users=4)):
            try:
                plan = engine.plan(PlanRequest(model, quant, machine, workload))
            except PlannerError:
                continue
            if plan.fits:
                yield plan


def read_again(plan: Plan, model: Model) -> Plan:
    """Read the plan's command as if it were pasted, and plan that."""
    shell = command_line(plan, model)
    command = read_command(shell.command.splitlines()[-1])
    env = {**shell.env, **plan.env}
    text = (
        "".join(f"export {name}='{value}'\n" for name, value in env.items()) + shell.command.splitlines()[-1]
    )
    command = read_command(text)
    for _, content in shell.files:
        command = _joined(command, read_command(content))
    if command.model is None:
        raise PlannerError(f"names no model: {shell.command}")
    workload = plan.request.workload
    loading = Loading(lambda _: model, with_draft)
    return plan_command(command, plan.request.machine, workload, loading, plan.request.quant)


def _joined(command: Command, modelfile: Command) -> Command:
    """`ollama run` of a model that was made from this Modelfile."""
    return replace(
        command, model=modelfile.model, settings={**command.settings, **modelfile.settings}, devices=None
    )


def differences(plan: Plan, again: Plan) -> Mapping[str, tuple[Any, Any]]:
    """Return settings and totals that are not the same, with both values."""
    names = plan.settings.keys() | again.settings.keys()
    found: dict[str, tuple[Any, Any]] = {
        name: (plan.settings.get(name), again.settings.get(name))
        for name in sorted(names)
        if plan.settings.get(name) != again.settings.get(name)
    }
    for device, other in zip(plan.memory.devices, again.memory.devices, strict=False):
        if device != other:
            found[device.name] = (device.total, other.total)
    return found


def entries(limit: int | None) -> list[Entry]:
    """Return the catalogue's entries, or so many of them spread over it."""
    every = load_catalogue().all_entries()
    if limit is None or limit >= len(every):
        return list(every)
    return list(every[:: max(len(every) // limit, 1)])[:limit]


def check(limit: int | None, machines: tuple[str, ...] = MACHINES) -> tuple[int, list[str]]:
    """Return how many plans were read back, and a line for each that differs."""
    count, wrong = 0, []
    for entry in entries(limit):
        try:
            model = from_entry(entry)
        except PlannerError:
            continue
        for machine in machines:
            for plan in plans(model, machine):
                count += 1
                try:
                    found = differences(plan, read_again(plan, model))
                except PlannerError as error:
                    wrong.append(f"{entry.id} on {machine}, {plan.engine}: {error}")
                    continue
                if found:
                    said = ", ".join(f"{name} {a} -> {b}" for name, (a, b) in found.items())
                    wrong.append(f"{entry.id} on {machine}, {plan.engine}: {said}")
    return count, wrong


def main() -> int:
    """Check all, or --entries N of them."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--entries", type=int, help="so many entries, spread over the catalogue")
    count, wrong = check(options.parse_args().entries)
    for line in wrong:
        print(line)
    print(f"{count} commands read back, {len(wrong)} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
