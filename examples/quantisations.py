"""Size, placement and speed of one model's quantisations on one machine."""

import sys

import planner

model = planner.load_model(sys.argv[1] if len(sys.argv) > 1 else "qwen3-32b")
machine = planner.load_profile(sys.argv[2] if len(sys.argv) > 2 else "rtx-3090")

for quant in ("Q8_0", "Q6_K", "Q4_K_M", "IQ3_XXS"):
    plan = planner.plan(model, machine, planner.Workload(context=8192), engine="llama.cpp", quant=quant)
    if plan.speed is None:
        print(f"{quant:8} {plan.memory.total / 2**30:5.1f} GiB  doesn't fit")
        continue
    speed = plan.speed.decode_tps
    print(f"{quant:8} {plan.memory.total / 2**30:5.1f} GiB  {plan.placement:6}", end="  ")
    print(f"{speed.expected:5.1f} tokens/s ({speed.low:.1f} to {speed.high:.1f})")
