"""How long a conversation one model can hold on several cards, everything on the GPU."""

import sys

import planner

model = planner.load_model(sys.argv[1] if len(sys.argv) > 1 else "qwen3-32b")

print(f"{model.name}, trained for {model.architecture.n_ctx_train:,} tokens")
for card in ("rtx-4060-ti-16", "rtx-3090", "rx-7900-xtx", "rtx-3090 x2"):
    settings = {"n_gpu_layers": 99}
    plan = planner.plan(model, card, engine="llama.cpp", settings=settings)
    print(f"{card:16} {plan.max_context:>9,} tokens" if plan.fits else f"{card:16}   doesn't fit")
