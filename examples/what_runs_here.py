"""What runs best on this machine, or on that of a profile (`what_runs_here.py rtx-4090`), and the command."""

import sys

import planner

machine = planner.load_profile(sys.argv[1]) if len(sys.argv) > 1 else planner.detect()
found = planner.recommend(machine, planner.Workload(use_case=planner.UseCase.CODING), limit=3)

for plan in found.plans:
    assert plan.speed is not None
    speed = plan.speed.decode_tps
    print(f"{plan.name} {plan.quant} with {plan.engine}: {plan.memory.total / 2**30:.1f} GiB,", end=" ")
    print(f"{speed.low:.0f} to {speed.high:.0f} tokens/s, up to {plan.max_context:,} tokens of context")
    print(f"    {plan.command}")
if not found.plans:
    print("Nothing fits:", *found.notes)
