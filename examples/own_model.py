"""Plan a model that nobody published yet, from the config.json that its training would write."""

import json
import sys
import tempfile
from pathlib import Path

import planner

CONFIG = {
    "model_type": "qwen3",
    "architectures": ["Qwen3ForCausalLM"],
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
    "tie_word_embeddings": True,
}

with tempfile.TemporaryDirectory() as made:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(made)
    if len(sys.argv) == 1:
        (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    model = planner.load_model(str(folder))
    print(f"{model.architecture.parameters() / 1e9:.2f} billion parameters")
    for profile in ("rtx-3060-12gb", "apple-m4-16gb"):
        plan = planner.plan(
            model, profile, planner.Workload(context=16384), engine="llama.cpp", quant="Q4_K_M"
        )
        print(f"{profile}: {plan.memory.total / 2**30:.1f} GiB, {'fits' if plan.fits else plan.why[0]}")
