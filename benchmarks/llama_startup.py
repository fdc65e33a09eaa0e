"""Does every printed llama-server and Ollama command start? Catalogue × machines, against their start-up checks.

    python -m benchmarks.llama_startup [--engine llama.cpp|ollama] [--every N] [--json]

Each command that is printed as fitting is read back as a person's line and judged by benchmarks.llama_checks.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any, Final

from benchmarks.llama_checks import CHECKS, Server, ollama_refusals, refusals
from benchmarks.startup_cases import Grid, fitting_plans
from planner.engines.commands import read_command
from planner.engines.llama_cpp.command import llama_server
from planner.engines.ollama.command import ollama
from planner.engines.register import get_engine
from planner.errors import PlannerError
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.load import from_entry
from planner.plan import Plan, PlanRequest, UseCase, Workload

MACHINES: Final = (
    *("raspberry-pi-5-8gb", "gtx-1070", "t4", "rtx-2060", "rtx-3060-12", "rtx-3080-10", "rtx-3090"),
    *("rtx-3090 x2", "rtx-3090 x4", "rtx-4060", "rtx-4060-ti-8 x2", "rtx-4070", "rtx-4090", "rtx-4090 x2"),
    *("rtx-5060-ti-16", "rtx-5090", "rtx-5090 x2", "rtx-pro-6000-ws", "rtx-pro-6000-ws x3", "l4", "l40s x4"),
    *(
        "a100-sxm-80",
        "h100-sxm",
        "h200-sxm x8",
        "dgx-spark",
        "rx-6750-xt x4",
        "rx-7900-xtx",
        "rx-7900-xtx x2",
    ),
    *("r9700 x2", "mi300x", "arc-a380", "arc-b580", "strix-halo-395-128", "m1-pro-16", "m3-16", "m4-pro-24"),
    *("apple-m1-max-32gb", "apple-m4-16gb", "apple-m4-max-64gb", "m5-max-128"),
)
WORKLOADS: Final = (
    Workload(),
    Workload(context=32768, users=8),
    Workload(use_case=UseCase.VISION),
    Workload(context=2048, users=200),
)


def sampled(engine_name: str, count: int, seed: int = 0) -> Iterator[tuple[str, Plan]]:
    """Yield (name, plan) of so many cases drawn at random in which a plan fits; only their models are built."""
    engine, rng = get_engine(engine_name), Random(seed)
    entries = load_catalogue().entries()
    while count:
        spec, at = rng.choice(MACHINES), rng.randrange(len(WORKLOADS))
        entry = rng.choice(entries)
        try:
            model = from_entry(entry)
            quant = rng.choice(engine.quants(model) or ("Q4_K_M",))
            plan = engine.plan(PlanRequest(model, quant, load_profile(spec), WORKLOADS[at]))
        except PlannerError:
            continue
        if plan.fits:
            count -= 1
            yield f"{entry.id} {quant} on {spec}, workload {at}", plan


def why_not(plan: Plan) -> dict[str, str]:
    """Return why a plan's printed command would not start, by check."""
    model = plan.request.model
    if plan.engine == "ollama":
        shell = ollama(plan, model)
        return ollama_refusals(Server(shell.command, _of_the_runner(plan), plan), shell.env, shell.files)
    line = llama_server(plan, model).command
    return refusals(Server(line, dict(read_command(line).settings), plan))


def _of_the_runner(plan: Plan) -> dict[str, Any]:
    """The settings of the llama-server that Ollama starts (startLlamaServer in llm/llama_server.go)."""
    shown = plan.settings
    kind = shown["kv_cache_type"]
    given = {
        "n_ctx": shown["num_ctx"] * shown["num_parallel"],
        "n_parallel": shown["num_parallel"],
        "n_batch": shown["num_batch"],
        "cache_type_k": kind,
        "cache_type_v": kind,
    }
    if shown.get("flash_attention") is False:
        given["flash_attn"] = "off"
    if "spec_type" in shown:
        given["spec_type"] = shown["spec_type"]
    return given


def judge(cases: Iterable[tuple[str, Plan]]) -> dict[str, Any]:
    """Return how many commands were judged, and which of them would be refused, by check."""
    count, found, seen = 0, {}, Counter[str]()
    for name, plan in cases:
        count += 1
        seen[name.split(" on ")[1].rpartition(",")[0]] += 1
        if why := why_not(plan):
            found[name] = why
    by_check = Counter(check for why in found.values() for check in why)
    return {
        "commands": count,
        "machines": len(seen),
        "checks": len(CHECKS),
        "refused": found,
        "by_check": dict(by_check),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Judge, print and return 1 where a command would not start."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=("llama.cpp", "ollama"), default="llama.cpp")
    parser.add_argument("--every", type=int, default=1, help="judge one case in so many")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    answer = judge(fitting_plans(Grid(options.engine, MACHINES, WORKLOADS), max(1, options.every)))
    if options.json:
        print(json.dumps(answer, indent=1))
    else:
        for name, why in answer["refused"].items():
            print(f"{name}: {'; '.join(f'{check}: {text}' for check, text in why.items())}")
        print(
            f"{answer['commands']:,} commands on {answer['machines']} machines, {answer['checks']} checks each,"
            f" {len(answer['refused'])} refused {answer['by_check'] or ''}"
        )
    return 1 if answer["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())
