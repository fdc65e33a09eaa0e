"""How quick the planner itself is.

    python -m benchmarks.planning_speed [--runs N] [--json]

Prints what a cold `check` and `plan` cost as whole processes, in turn with the import of the libraries they
stand on (the yardstick): processor time, which a busy machine changes little, as a ratio pair by pair; wall
time and peak memory beside it; then plans a second in one process, and how `check` grows with the catalogue.
Run it with the interpreter of an installed planner, whose bytecode is compiled, outside the checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from planner.models.catalogue.catalogue import Entry

BASELINE: Final = "import typer, pydantic, psutil, tabulate, pynvml"
COMMANDS: Final = (
    "check",
    "check --profile rtx-4090",
    "check --profile h100-80gb --users 8 --context 32k",
    "check --profile 8xh200",
    "plan gpt-oss-120b --profile rtx-4090",
    "plan llama-3.3-70b --profile rtx-3090",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process."""

    seconds: float
    cpu: float  # seconds of user and system time
    peak_kib: int


def run_process(arguments: list[str]) -> Run:
    """Run a process to its end and return its times and peak resident memory (KiB)."""
    start = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    scale = 1024 if sys.platform == "darwin" else 1
    cpu = usage.ru_utime + usage.ru_stime
    return Run(time.perf_counter() - start, cpu, usage.ru_maxrss // scale)


def cold(runs: int) -> dict[str, dict[str, float]]:
    """Time the commands in turn with the yardstick; medians, and the ratio pair by pair."""
    # -P: what is installed, with its bytecode, not the checkout that one stands in
    entry = [sys.executable, "-P", "-c", "from planner.cli.main import main; main()"]
    result: dict[str, dict[str, float]] = {}
    baseline = [sys.executable, "-P", "-c", BASELINE]
    run_process(baseline)
    for name in COMMANDS:
        command = [*entry, *name.split()]
        run_process(command)
        pairs = [(run_process(command), run_process(baseline)) for _ in range(runs)]
        result[name] = {
            "ratio": statistics.median(a.cpu / b.cpu for a, b in pairs),
            "cpu_seconds": statistics.median(a.cpu for a, _ in pairs),
            "yardstick_cpu_seconds": statistics.median(b.cpu for _, b in pairs),
            "seconds": statistics.median(a.seconds for a, _ in pairs),
            "peak_mib": max(a.peak_kib for a, _ in pairs) / 1024,
        }
    return result


def warm() -> dict[str, float]:
    """Plans and checks a second inside one process."""
    import planner

    machine = planner.load_profile("rtx-4090")
    names = ["gpt-oss-20b", "qwen3-32b", "llama-3.3-70b", "deepseek-r1"]
    models = [planner.load_model(name) for name in names]
    for model in models:
        planner.plan(model, machine, engine="llama.cpp", quant=None)
    start = time.perf_counter()
    rounds = 5
    for _ in range(rounds):
        for model in models:
            planner.plan(model, machine, engine="llama.cpp")
    plans = rounds * len(models) / (time.perf_counter() - start)
    planner.recommend(machine)
    start = time.perf_counter()
    planner.recommend(machine)
    return {"plans_per_second": plans, "recommend_seconds": time.perf_counter() - start}


def repeated(factor: int) -> list[Entry]:
    """Return the shipped catalogue so many times over, each time as models and families of other names."""
    from planner.models.catalogue.catalogue import Entry, load_catalogue

    entries = load_catalogue().entries()
    copies = [
        Entry({**e._raw, "id": f"{e.id}-{n}", "family": f"{e.family}-{n}"})
        for n in range(1, factor)
        for e in entries
    ]
    return [*entries, *copies]


def growth() -> dict[str, float]:
    """Seconds of one recommendation with the catalogue repeated 1, 5 and 20 times."""
    import planner

    machine = planner.load_profile("rtx-4090")
    times = {}
    for factor in (1, 5, 20):
        many = repeated(factor)
        planner.recommend(machine, entries=many)
        start = time.perf_counter()
        planner.recommend(machine, entries=many)
        times[f"x{factor}"] = time.perf_counter() - start
    return times


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="How quick the planner itself is.")
    parser.add_argument("--runs", type=int, default=9, help="runs of each command (default 9)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    processes, speed, sizes = cold(options.runs), warm(), growth()
    if options.json:
        print(json.dumps({"cold": processes, "warm": speed, "growth": sizes}, indent=2))
        return
    for name, figure in processes.items():
        print(
            f"planner {name}: {figure['ratio']:.2f} x the imports' {figure['yardstick_cpu_seconds']:.3f} s of "
            f"CPU, {figure['seconds']:.3f} s by the clock, peak {figure['peak_mib']:.0f} MiB"
        )
    print(
        f"{speed['plans_per_second']:.0f} plans a second, recommend again {speed['recommend_seconds']:.3f} s"
    )
    for name, seconds in sizes.items():
        print(f"recommend, catalogue {name}: {seconds:.3f} s")


if __name__ == "__main__":
    main()
