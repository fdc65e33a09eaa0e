"""How a plan looks on the screen: the lines and tables that check, plan and launch share."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.api import daemon_of, engine_title, started_context, user_speed
from planner.cli.output import (
    PLAIN,
    print_heading,
    print_line,
    print_shell,
    print_table,
    print_wrapped,
    style,
    width,
)
from planner.plan import Interval, Placement, Plan, SpeedEstimate
from planner.safe_text import shell_join
from planner.units import GIB, context_about, context_text, gib, rate_text

if TYPE_CHECKING:
    from planner.api import Accelerator, Machine

MODELFILE = "# the Modelfile is what 'planner launch' prints with the same model and options"
PLACEMENT_WORDS = {
    Placement.GPU: "all on GPU",
    Placement.HYBRID: "GPU + CPU",
    Placement.CPU: "CPU only",
}


def short_name(plan: Plan) -> str:
    """The model as people say it."""
    return plan.name or plan.model.rsplit("/", 1)[-1]


def range_text(interval: Interval) -> str:
    """An interval as "58 (49-66)"."""
    return f"{rate_text(interval.expected)} ({rate_text(interval.low)}-{rate_text(interval.high)})"


def seconds_text(interval: Interval) -> str:
    """Seconds as "0.4 s (0.3-0.6)"."""

    def one(value: float) -> str:
        return f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"

    return f"{one(interval.expected)} s ({one(interval.low)}-{one(interval.high)})"


def memory_text(plan: Plan) -> str:
    """Memory in a few words, GiB: "12.9", "2 x 31.0", "20.1 + 38.0 RAM", "14.2 RAM"."""
    gpus = [d.total / GIB for d in plan.memory.devices if d.kind == "gpu" and d.total]
    host = sum(d.total for d in plan.memory.devices if d.kind == "cpu") / GIB
    if not gpus:
        return f"{host:.1f} RAM"
    text = f"{gpus[0]:.1f}" if len(gpus) == 1 else f"{len(gpus)} x {max(gpus):.1f}"
    return f"{text} + {host:.1f} RAM" if plan.placement is Placement.HYBRID else text


def print_machine(machine: Machine) -> None:
    """Print what the plans are for: GPUs with total and free memory, RAM, CPU, limits, and how we know."""
    title = "This machine" if machine.detected else f"Machine: {machine.name}"
    print_heading(title)
    groups: list[tuple[Accelerator, int]] = []
    for accelerator in machine.accelerators:
        last = groups[-1][0] if groups else None
        alike = last and (last.name, last.memory_free) == (accelerator.name, accelerator.memory_free)
        if alike and not machine.detected:
            groups[-1] = (groups[-1][0], groups[-1][1] + 1)
        else:
            groups.append((accelerator, 1))
    for accelerator, count in groups:
        times = f"{count} x " if count > 1 else ""
        shared = ", shared with the system" if accelerator.unified else ""
        bandwidth = (
            f", {accelerator.memory_bandwidth / 1e9:,.0f} GB/s" if accelerator.memory_bandwidth else ""
        )
        print_wrapped(
            f"{times}{accelerator.name}: {gib(accelerator.memory_total)}, "
            f"{gib(accelerator.memory_free)} free{shared}{bandwidth}",
            indent="  ",
            bullet="GPU  ",
        )
    if not machine.accelerators:
        print_wrapped("none that an engine here could use", indent="  ", bullet="GPU  ")
    hosts = len(machine.hosts)
    for host in machine.hosts[:1]:
        each = f" on each of {hosts} hosts" if hosts > 1 else ""
        print_wrapped(
            f"{gib(host.ram_total)}, {gib(host.ram_available)} available{each}", indent="  ", bullet="RAM  "
        )
        cores = f", {host.cpu.usable_cores} cores usable" if host.cpu.usable_cores else ""
        bandwidth = f", {host.cpu.memory_bandwidth / 1e9:,.0f} GB/s" if host.cpu.memory_bandwidth else ""
        print_wrapped(f"{host.cpu.name}{cores}{bandwidth}", indent="  ", bullet="CPU  ")
        for limit in host.limits:
            print_wrapped(limit, indent="  ", bullet="     limited by ")
    if machine.detected and machine.sources:
        known = "; ".join(f"{what}: {source}" for what, source in machine.sources.items())
        print_wrapped(known, indent="  ", bullet="from ")
    for note in machine.notes:
        if not note.startswith("the price"):
            print_wrapped(note, indent="  ", bullet="note ")


def print_plans(plans: Sequence[Plan], users: int = 1, fmt: str = PLAIN) -> None:
    """Print the table of `check`, best first."""
    rows = []
    for rank, plan in enumerate(plans, 1):
        speed = user_speed(plan)
        rows.append(
            [
                str(rank),
                short_name(plan),
                plan.quant,
                engine_title(plan.engine),
                memory_text(plan),
                context_about(started_context(plan)),
                "?" if speed is None else range_text(speed),
            ]
        )
    headers = [
        "#",
        "Model",
        "Quant",
        "Engine",
        "GiB",
        "Context",
        "Tokens/s" if users == 1 else "Tokens/s each",
    ]
    print_table(rows, headers, fmt, wrap=1)


def print_memory(plan: Plan, fmt: str = PLAIN) -> None:
    """Print the memory breakdown per device, GiB; on the screen, equal neighbours share a line."""
    headers = ["Device", "Weights", "KV cache", "State", "Compute", "Overhead", "Total", "Available", ""]
    rows: list[list[str]] = []
    counts: list[int] = []
    for device in plan.memory.devices:
        parts = (device.weights, device.kv_cache, device.state, device.compute, device.overhead)
        verdict = "short" if device.available and not device.fits else "fits" if plan.fits else ""
        row = [
            device.name,
            *(f"{part / GIB:.2f}" for part in parts),
            f"{device.total / GIB:.2f}",
            f"{device.available / GIB:.2f}" if device.available else "",
            verdict,
        ]
        if fmt == PLAIN and rows and rows[-1] == row:
            counts[-1] += 1
        else:
            rows.append(row)
            counts.append(1)
    if fmt == PLAIN:
        for row, count in zip(rows, counts, strict=True):
            row[0] = row[0] if count == 1 else f"{count} x {row[0]}"
    if not any(d.state for d in plan.memory.devices):
        headers.pop(3)
        for row in rows:
            row.pop(3)
    print_heading("Memory (GiB)")
    print_table(rows, headers, fmt, align=("left", *["right"] * (len(headers) - 2), "left"), wrap=0)


def print_command(plan: Plan) -> None:
    """Print the command, ready to paste, environment first."""
    print_server_note(plan)
    if "-f Modelfile" in plan.command:
        print_line(MODELFILE)
    for name, value in plan.env.items():
        print_line(f"export {name}={value}")
    print_shell(plan.command)


def print_server_note(plan: Plan) -> None:
    """Say where the environment belongs, where the command asks a server that runs already."""
    server = " ".join(daemon_of(plan))
    if plan.env and server:
        print_line(f"# for the server: set these where '{server}' runs, and restart it")


def print_fit(plan: Plan) -> None:
    """Print the command that leaves the placement to llama.cpp, where that does as well or better, and why."""
    if plan.fit is not None:
        for line in textwrap.wrap(f"or let llama.cpp place it at start: {plan.fit.reason}", width() - 2):
            print_line(f"# {line}")
        print_shell(plan.fit.command)


def print_reasons(plan: Plan) -> None:
    """Print why, and what to beware of."""
    for reason in plan.why:
        print_wrapped(reason.text, indent="  ", bullet="- ")
    for warning in plan.warnings:
        print_wrapped(warning.text, indent="  ", bullet=style("! ", "yellow"))


def print_measured(plan: Plan) -> None:
    """Print what was measured nearest to the plan, and what would measure the plan itself."""
    from planner.api import bench_line, measured_like

    bullet = "measured    "
    for one in measured_like(plan):
        cards = f"{one.cards} of this card" if one.cards > 1 else "this card"
        spread = "" if one.runs == 1 else f" ({rate_text(one.low)}-{rate_text(one.high)})"
        runs = "one run" if one.runs == 1 else f"median of {one.runs} runs"
        many = f", {one.streams} streams" if one.streams > 1 else ""
        name = one.model.rsplit("/", 1)[-1]
        print_wrapped(
            f"{rate_text(one.median)} tokens/s{spread}, {runs} of {name} {one.quant} on {cards} under {one.engine}"
            f" ({one.year}), {context_about(one.depth)} tokens in the cache{many}",
            indent="  ",
            bullet=bullet,
        )
        bullet = " " * 12
    if words := bench_line(plan):
        print_line("  measure it:")
        print_shell(shell_join(words))


def print_speed(speed: SpeedEstimate, *, writes: bool = True) -> None:
    """Print what to expect, as expected (low-high); of a model that writes no text, how fast it reads."""
    print_heading("Speed (expected, and where 80 % of measurements should lie)")
    if not writes:
        print_wrapped(f"{range_text(speed.prefill_tps)} tokens/s", indent="  ", bullet="reads  ")
        return
    at = f" with {context_text(speed.depth)} tokens in the cache" if speed.depth else ""
    print_wrapped(f"{range_text(speed.decode_tps)} tokens/s{at}", indent="  ", bullet="decode      ")
    print_wrapped(f"{range_text(speed.prefill_tps)} tokens/s", indent="  ", bullet="prefill     ")
    steady = "" if speed.ttft_p95_s is None else " at the median under steady load"
    print_wrapped(f"{seconds_text(speed.ttft_s)}{steady}", indent="  ", bullet="first token ")
    if speed.ttft_p95_s is not None:
        print_wrapped(f"{seconds_text(speed.ttft_p95_s)} for one in twenty", indent="  ", bullet=" " * 12)
    if speed.ttft_at_once_s is not None:
        print_wrapped(
            f"{seconds_text(speed.ttft_at_once_s)} if all start at once", indent="  ", bullet=" " * 12
        )
    if speed.total_output_tps is not None:
        print_wrapped(f"{range_text(speed.total_output_tps)} tokens/s", indent="  ", bullet="all users   ")
    if speed.limited_by:
        print_wrapped(speed.limited_by, indent="  ", bullet="limited by  ")
    for hint in speed.faster:
        print_wrapped(hint, indent="  ", bullet="faster with ")
    if speed.basis:
        print_wrapped(speed.basis, indent="  ", bullet="rests on    ")
