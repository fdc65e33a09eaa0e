"""Does every printed `vllm serve` start? Catalogue × machines, against vLLM's own start-up checks.

    python -m benchmarks.vllm_startup [--every N] [--json]

Each command that is printed as fitting is read back as a person's line and judged by the checks below. They are
written from vLLM 0.33.0's sources, not from the planner's rules: each names the file that refuses. Memory is judged
at the upper end of what the engine takes for itself.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from benchmarks.startup_cases import Grid, fitting_plans
from benchmarks.vllm_checks import CHECKS, Server, refusals
from planner.engines.commands import read_command
from planner.engines.vllm.command import vllm_serve
from planner.engines.vllm.deployment import deployment_of
from planner.engines.vllm.memory.weights import WeightTable
from planner.engines.vllm.outcome import evaluate
from planner.fast_dataclass import replace
from planner.plan import Plan, UseCase, Workload

MACHINES: Final = (
    "t4",
    "rtx-2060",
    "rtx-2080-ti",
    "quadro-rtx-8000",
    "v100-sxm2-32",
    "rtx-3060-12",
    "rtx-3080-10",
    "rtx-3090",
    "rtx-3090 x2",
    "rtx-3090 x3",
    "rtx-3090 x4",
    "rtx-a6000 x2",
    "a10g x4",
    "a100-sxm-40 x8",
    "a100-sxm-80",
    "a100-sxm-80 x8",
    "l4",
    "l4 x8",
    "l40s x4",
    "rtx-4060",
    "rtx-4060-ti-8 x2",
    "rtx-4070",
    "rtx-4090",
    "rtx-4090 x6",
    "h20 x8",
    "h100-sxm",
    "h100-sxm x4",
    "h100-sxm x8",
    "h200-sxm x8",
    "gh200-96",
    "rtx-5060-ti-16",
    "rtx-5090",
    "rtx-5090 x2",
    "rtx-pro-6000-ws",
    "rtx-pro-6000-ws x4",
    "b200-sxm x8",
    "dgx-spark",
    "mi300x x8",
    "rx-7900-xtx x2",
    "r9700 x2",
)
WORKLOADS: Final = (
    Workload(),
    Workload(context=32768, users=8),
    Workload(use_case=UseCase.VISION),
    Workload(context=8192, users=200),
)


def commands(every: int = 1, start: int = 0) -> Iterator[tuple[str, Plan, Server]]:
    """Yield (name, plan, server) of every `every`-th case in which a plan fits."""
    for name, plan in fitting_plans(Grid("vllm", MACHINES, WORKLOADS), every, start):
        yield name, plan, server_of(plan)


def server_of(plan: Plan) -> Server:
    """Return what the printed line starts, read as a person's."""
    command = vllm_serve(plan, plan.request.model).command
    read = read_command(command)
    request = replace(plan.request, settings=dict(read.settings))
    deployment = deployment_of(request)
    table = WeightTable(deployment.arch, deployment.scheme, deployment.devices.gpu)
    outcome = evaluate(table, deployment.settings, deployment.devices.free)
    return Server(command, deployment, outcome, plan)


def judge(every: int = 1, start: int = 0) -> dict[str, Any]:
    """Return how many commands were judged, and which of them vLLM would refuse, by check."""
    count, found = 0, {}
    for name, _, server in commands(every, start):
        count += 1
        if why := refusals(server):
            found[name] = why
    by_check = Counter(check for why in found.values() for check in why)
    return {"commands": count, "checks": len(CHECKS), "refused": found, "by_check": dict(by_check)}


def main(argv: Sequence[str] | None = None) -> int:
    """Judge, print and return 1 where a command would not start."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--every", type=int, default=1, help="judge one case in so many")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    answer = judge(max(1, options.every))
    if options.json:
        print(json.dumps(answer, indent=1))
    else:
        for name, why in answer["refused"].items():
            print(f"{name}: {'; '.join(f'{check}: {text}' for check, text in why.items())}")
        print(
            f"{answer['commands']:,} commands, {answer['checks']} checks each,"
            f" {len(answer['refused'])} refused {answer['by_check'] or ''}"
        )
    return 1 if answer["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())
