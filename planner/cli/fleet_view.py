"""`planner check --cluster`: the machines of a running cluster, and which model goes where on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.api import check_cluster, launch, load_cluster, read_nodes
from planner.bounded_read import read_stdin, stdin_is_terminal
from planner.cli.output import (
    print_document,
    print_heading,
    print_line,
    print_shell,
    print_table,
    print_wrapped,
)
from planner.errors import InputError
from planner.plan import Workload
from planner.units import context_about

if TYPE_CHECKING:
    from planner.api import Check, Machine

_SPLIT = (
    ("tp", "tensor_parallel_size"),
    ("pp", "pipeline_parallel_size"),
    ("dp", "data_parallel_size"),
)
MAX_BYTES = 64 << 20  # of a node list


def show_cluster(source: str, serve: list[str], workload: Workload, json: bool) -> int:
    """Read a cluster, place the models on it (without any: the best one), print it.

    Returns 1 where something that was asked for has no place, or fewer replicas than its users need.
    """
    answer = check_cluster(_cluster(source), serve, workload)
    if json:
        print_document(answer)
    else:
        _print(answer, "ray" if source.partition(":")[0] == "ray" else "kubernetes")
    return 0 if answer.fleet is not None and answer.fleet.complete else 1


def _cluster(source: str) -> Machine:
    """Return the cluster that a word names: "ray", "ray:ADDRESS", "-" or a file with kubectl's node list."""
    if source != "-":
        return load_cluster(source)
    if stdin_is_terminal():
        raise InputError(
            "--cluster - reads standard input: kubectl get nodes -o json | planner check --cluster -"
        )
    return read_nodes(read_stdin(MAX_BYTES, "a list of nodes"))


def _print(answer: Check, format: str) -> None:
    machine, fleet = answer.machine, answer.fleet
    assert fleet is not None
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
        plan = answer.plans[placed.plan]
        settings = plan.settings
        split = " ".join(
            f"{name} {settings.get(key, 1)}"
            for name, key in _SPLIT
            if name != "dp" or settings.get(key, 1) > 1
        )
        hosts = dict.fromkeys(gpu.host for gpu in placed.gpus)
        gpus = ", ".join(f"{h}:{','.join(str(g.index) for g in placed.gpus if g.host == h)}" for h in hosts)
        # At a time: what the cache holds, as far as the engine is told to serve so many.
        slots = settings.get("max_num_seqs", 1 << 31) * settings.get("data_parallel_size", 1)
        users = f"{int(min(plan.max_concurrency, slots)):,}"
        context = context_about(int(settings.get("max_model_len") or plan.max_context))
        rows.append([plan.name or plan.model, plan.quant, split, gpus, context, users])
    if rows:
        print_table(rows, ["Model", "Quant", "Split", "Node:GPUs", "Context", "Users"], wrap=0)
    if not fleet.complete:
        print_line("Not everything that was asked for fits.")
    for one in fleet.unplaced:
        print_wrapped(f"{one.model} finds no place: {one.reason}", indent="  ", bullet="! ")
    for note in answer.notes:
        print_wrapped(note, indent="  ", bullet="! ")
    left = ", ".join(f"{free.count} x {free.gpu} on {free.host}" for free in fleet.left if free.count)
    print_wrapped(f"Left: {left or 'no GPU'}.")
    started = [plan.command for plan in answer.plans]
    for command in dict.fromkeys(started):
        plan, replicas = answer.plans[started.index(command)], started.count(command)
        print_line()
        print_shell(command)
        times = f", {replicas} times under names of their own" if replicas > 1 else ""
        for name, content in launch(plan, format=format).files:
            print_line()
            print_heading(f"{name}{times}")
            print_line(content.rstrip("\n"))
