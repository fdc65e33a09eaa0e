"""Whether the longest context ever falls as memory grows: random models on pairs of machines.

python -m benchmarks.longest_contexts [PAIRS] [SEED]
"""

from __future__ import annotations

import random
import sys

from planner.engines.register import get_engine
from planner.errors import PlannerError
from planner.fast_dataclass import replace
from planner.hardware.machine import Machine
from planner.hardware.profiles.load import load_profile
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.load import load_model
from planner.plan import PlanRequest, Workload
from planner.quant.quantisations import offered
from planner.units import GIB

MACHINES = ("rtx-4060-laptop", "rtx-3060-12gb", "rtx-4090", "rx-7900-xtx", "rtx-3090 x2", "apple-m4-16gb")


def grown(machine: Machine, gpu: int, ram: int) -> Machine:
    """Return the machine with so many bytes more of GPU memory and of RAM."""
    host = machine.host
    more = tuple(
        replace(a, memory_total=a.memory_total + gpu, memory_free=a.memory_free + gpu)
        for a in host.accelerators
    )
    both = ram + (gpu if machine.unified else 0)
    bigger = replace(
        host, ram_total=host.ram_total + both, ram_available=host.ram_available + both, accelerators=more
    )
    return replace(machine, hosts=(bigger,))


def falls(pairs: int, seed: int) -> list[str]:
    """Return one line for each of so many random pairs in which the larger machine has the shorter longest context."""
    rng = random.Random(seed)
    names = [entry.short_name for entry in load_catalogue().entries()]
    engine, found, done = get_engine("llama.cpp"), [], 0
    while done < pairs:
        name, quant = rng.choice(names), rng.choice(offered())
        machine = load_profile(rng.choice(MACHINES), ram=rng.choice((16, 24, 32, 64)) * GIB)
        gpu, ram = rng.choice(((1, 0), (0, 4), (2, 2), (8, 16)))
        try:
            model = load_model(name)  # not of a card whose dimensions are not published
            before, after = (
                engine.plan(PlanRequest(model, quant, where, Workload())).max_context
                for where in (machine, grown(machine, gpu * GIB, ram * GIB))
            )
        except PlannerError:
            continue
        done += 1
        if after < before:
            found.append(f"{model.name} {quant} on {machine.name} +{gpu}/{ram} GiB: {before} -> {after}")
    return found


def main() -> int:
    """Try the pairs; exit code 1 where a context falls."""
    pairs, seed = (int(word) for word in (sys.argv[1:] + ["3000", "0"][len(sys.argv) - 1 :])[:2])
    found = falls(pairs, seed)
    print("\n".join(found))
    print(f"{pairs} pairs, {len(found)} in which the longest context falls")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
