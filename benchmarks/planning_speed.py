"""How quick the planner itself is.

    python -m benchmarks.planning_speed [--runs N] [--json]

Prints the time of a cold `check` and `plan` as whole processes, in turn with the import of the libraries
they stand on (the yardstick), peak memory, plans a second in one process, and how `check` grows with the
catalogue. Run it with the interpreter of an installed planner, whose bytecode is compiled.
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

BASELINE = "import typer, pydantic, psutil, tabulate, pynvml"


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process."""

    seconds: float
    peak_kib: int


def run_process(arguments: list[str]) -> Run:
    """Run a process to its end and return its wall time and peak resident memory (KiB)."""
    start = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    scale = 1024 if sys.platform == "darwin" else 1
    return Run(time.perf_counter() - start, usage.ru_maxrss // scale)


def cold(runs: int) -> dict[str, dict[str, float]]:
    """Time the commands in turn with the yardstick; medians, and the ratio pair by pair."""
    entry = [sys.executable, "-c", "from planner.cli.main import main; main()"]
    commands = {
        "check": [*entry, "check"],
        "check --profile h100-80gb --users 8": [*entry, "check", "--profile", "h100-80gb", "--users", "8"],
        "plan gpt-oss-120b --profile rtx-4090": [*entry, "plan", "gpt-oss-120b", "--profile", "rtx-4090"],
    }
    result: dict[str, dict[str, float]] = {}
    baseline = [sys.executable, "-c", BASELINE]
    run_process(baseline)
    for name, command in commands.items():
        run_process(command)
        pairs = [(run_process(command), run_process(baseline)) for _ in range(runs)]
        result[name] = {
            "seconds": statistics.median(a.seconds for a, _ in pairs),
            "yardstick_seconds": statistics.median(b.seconds for _, b in pairs),
            "ratio": statistics.median(a.seconds / b.seconds for a, b in pairs),
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


def growth() -> dict[str, float]:
    """Seconds of one recommendation with the catalogue repeated 1, 5 and 20 times."""
    import planner
    from planner.advice.recommend import recommend
    from planner.models.catalogue import load_catalogue

    machine = planner.load_profile("rtx-4090")
    entries = load_catalogue().entries()
    times = {}
    for factor in (1, 5, 20):
        many = list(entries) * factor
        recommend(machine, entries=many)
        start = time.perf_counter()
        recommend(machine, entries=many)
        times[f"x{factor}"] = time.perf_counter() - start
    return times


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description="How quick the planner itself is.")
    parser.add_argument("--runs", type=int, default=9, help="runs of each command (default 9)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    figures = {"cold": cold(options.runs), "warm": warm(), "growth": growth()}
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures["cold"].items():
        assert isinstance(figure, dict)
        print(
            f"planner {name}: {figure['seconds']:.3f} s, {figure['ratio']:.2f} x the imports' "
            f"{figure['yardstick_seconds']:.3f} s, peak {figure['peak_mib']:.0f} MiB"
        )
    print(f"{figures['warm']['plans_per_second']:.0f} plans a second")
    for name, seconds in figures["growth"].items():
        print(f"recommend, catalogue {name}: {seconds:.3f} s")


if __name__ == "__main__":
    main()
