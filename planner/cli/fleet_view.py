"""`planner check --cluster`: the machines of a running cluster, and which model goes where on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.api import load_model, recommend
from planner.bounded_read import read_stdin, read_text, stdin_is_terminal
from planner.cli.output import (
    print_document,
    print_heading,
    print_line,
    print_shell,
    print_table,
    print_wrapped,
)
from planner.errors import InputError, cause_of
from planner.plan import Workload
from planner.units import context_about

if TYPE_CHECKING:
    from planner.advice.fleet import Fleet
    from planner.hardware.machine import Machine

_SPLIT = (
    ("tp", "tensor_parallel_size"),
    ("pp", "pipeline_parallel_size"),
    ("dp", "data_parallel_size"),
)
MAX_BYTES = 64 << 20  # of a node list


def check_cluster(source: str, serve: list[str], workload: Workload, json: bool) -> int:
    """Read a cluster, place the models on it (without any: the best one), print it.

    Returns 1 where something that was asked for has no place, or fewer replicas than its users need.
    """
    from planner.advice.fleet import Request, plan_fleet

    machine = read_cluster(source)
    models = [load_model(name) for name in serve]
    if not models:
        best = recommend(machine, workload, engine="vllm", limit=1)
        models = [load_model(plan.model) for plan in best.plans]
    fleet = plan_fleet(machine, [Request(model, workload) for model in models])
    if json:
        from planner.documents.check import Check
        from planner.documents.fleet import places_of

        notes = tuple(f"{model}: {reason}" for model, reason in fleet.short)
        plans = tuple(placed.plan for placed in fleet.placed)
        print_document(Check(machine, plans, notes, fleet=places_of(fleet)))
    else:
        _print(machine, fleet)
    return 0 if fleet.complete else 1


def read_cluster(source: str) -> Machine:
    """Return the cluster that a word names: "ray", "ray:ADDRESS", "-" or a file with kubectl's node list."""
    from planner.hardware.cluster import machine_from_kubernetes, machine_from_ray

    if source == "ray" or source.startswith("ray:"):
        return machine_from_ray(source.partition(":")[2] or None)
    if source == "-":
        if stdin_is_terminal():
            raise InputError(
                "--cluster - reads standard input: kubectl get nodes -o json | planner check --cluster -"
            )
        return machine_from_kubernetes(read_stdin(MAX_BYTES, "a list of nodes"))
    try:
        text = read_text(source, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--cluster '{source}' is no readable file ({cause_of(error)}); write ray, ray:ADDRESS, - or a file"
        ) from None
    return machine_from_kubernetes(text)


def _print(machine: Machine, fleet: Fleet) -> None:
    print_heading("Cluster")
    rows = []
    for host in machine.hosts:
        kinds = dict.fromkeys(a.name for a in host.accelerators)
        names = ", ".join(f"{sum(a.name == k for a in host.accelerators)} x {k}" for k in kinds)
        rows.append([host.name, names or "no GPU", f"{host.ram_available / 2**30:.0f} GiB"])
    print_table(rows, ["Node", "GPUs", "RAM"], wrap=1)
    for note in machine.notes:
        print_wrapped(note, indent="  ", bullet="note ")
    print_line()
    print_heading("Which model where")
    rows = []
    for placed in fleet.placed:
        settings = placed.plan.settings
        split = " ".join(
            f"{name} {settings.get(key, 1)}"
            for name, key in _SPLIT
            if name != "dp" or settings.get(key, 1) > 1
        )
        gpus = ", ".join(f"{h}:{','.join(str(i) for n, i in placed.gpus if n == h)}" for h in placed.hosts)
        # At a time: what the cache holds, as far as the engine is told to serve so many.
        slots = settings.get("max_num_seqs", 1 << 31) * settings.get("data_parallel_size", 1)
        users = f"{int(min(placed.plan.max_concurrency, slots)):,}"
        context = context_about(int(settings.get("max_model_len") or placed.plan.max_context))
        rows.append([placed.plan.name or placed.plan.model, placed.plan.quant, split, gpus, context, users])
    if rows:
        print_table(rows, ["Model", "Quant", "Split", "Node:GPUs", "Context", "Users"], wrap=0)
    if not fleet.complete:
        print_line("Not everything that was asked for fits.")
    for model, reason in fleet.unplaced:
        print_wrapped(f"{model} finds no place: {reason}", indent="  ", bullet="! ")
    for model, reason in fleet.short:
        print_wrapped(f"{model}: {reason}", indent="  ", bullet="! ")
    left = ", ".join(f"{count} x {name} on {host}" for host, name, count in fleet.left if count)
    print_wrapped(f"Left: {left or 'no GPU'}.")
    for placed in {p.plan.command: p for p in fleet.placed}.values():
        print_line()
        print_shell(placed.plan.command)
