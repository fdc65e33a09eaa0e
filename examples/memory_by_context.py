"""What the memory is spent on as the context grows: weights stay, the cache follows, buffers lie between."""

import sys

import planner

model = planner.load_model(sys.argv[1] if len(sys.argv) > 1 else "qwen3-8b")
machine = planner.load_profile(sys.argv[2] if len(sys.argv) > 2 else "rtx-4090")

print(f"{model.name} on {machine.name}, MiB")
print(f"{'context':>8} {'weights':>8} {'cache':>8} {'buffers':>8} {'total':>8}")
for context in (2048, 8192, 32768):
    plan = planner.plan(model, machine, planner.Workload(context=context), engine="llama.cpp", quant="Q4_K_M")
    devices = plan.memory.devices
    parts = (
        sum(d.weights for d in devices),
        sum(d.kv_cache + d.state for d in devices),
        sum(d.compute for d in devices),
        plan.memory.total,  # with what llama.cpp's own accounting leaves out
    )
    print(f"{context:>8}", *(f"{part / 2**20:>8,.0f}" for part in parts))
