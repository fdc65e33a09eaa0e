"""What each of many users sees when vLLM serves them from one machine."""

import sys

import planner

model = planner.load_model(sys.argv[1] if len(sys.argv) > 1 else "gpt-oss-120b")
machine = planner.load_profile(sys.argv[2] if len(sys.argv) > 2 else "h100-80gb")

for users in (1, 8, 32):
    plan = planner.plan(model, machine, planner.Workload(context=16384, users=users), engine="vllm")
    if not plan.fits or plan.speed is None:
        print(f"{users:3} users: {plan.why[0]}")
        continue
    together = plan.speed.total_output_tps or plan.speed.decode_tps
    print(f"{users:3} users: {together.expected / users:6.1f} tokens/s each,", end=" ")
    print(f"first token after {plan.speed.ttft_s.expected:.1f} s,", end=" ")
    print(f"room for {plan.max_concurrency:.0f} conversations of 16k tokens")
