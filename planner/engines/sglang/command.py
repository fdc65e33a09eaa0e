"""SGLang's command for the same plan, where SGLang runs the model.

Options read in SGLang's documentation of server arguments. `--mem-fraction-static` is the share of a GPU
for weights and cache, which the plan knows; SGLang's own overheads differ from vLLM's, so the plan's memory
is not promised here.
"""

from __future__ import annotations

import shlex
from typing import Any, Final

from planner.engines.launch import Launch
from planner.engines.vllm.command import recipe_flags
from planner.errors import InputError
from planner.models.model import Model
from planner.models.sources import checkpoint_repository
from planner.plan import Plan

# Classes with a model file in sglang/srt/models.
SUPPORTED: Final = frozenset(
    {
        "LlamaForCausalLM",
        "Llama4ForConditionalGeneration",
        "MistralForCausalLM",
        "Mistral3ForConditionalGeneration",
        "MixtralForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen2MoeForCausalLM",
        "Qwen3ForCausalLM",
        "Qwen3MoeForCausalLM",
        "Qwen3NextForCausalLM",
        "Qwen3_5ForConditionalGeneration",
        "Qwen3_5MoeForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen3VLForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration",
        "DeepseekV2ForCausalLM",
        "DeepseekV3ForCausalLM",
        "DeepseekV32ForCausalLM",
        "GptOssForCausalLM",
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "Gemma3ForConditionalGeneration",
        "Glm4ForCausalLM",
        "Glm4MoeForCausalLM",
        "KimiK25ForConditionalGeneration",
        "KimiLinearForCausalLM",
        "MiniMaxM2ForCausalLM",
        "GraniteForCausalLM",
        "GraniteMoeForCausalLM",
        "Phi3ForCausalLM",
        "PhiMoEForCausalLM",
        "Olmo2ForCausalLM",
        "OlmoeForCausalLM",
        "InternLM2ForCausalLM",
        "ExaoneForCausalLM",
        "NemotronHForCausalLM",
        "Ernie4_5ForCausalLM",
        "Ernie4_5_MoeForCausalLM",
        "Step3VLForConditionalGeneration",
        "GPT2LMHeadModel",
    }
)
# vLLM's parser -> SGLang's
_TOOLS: Final = {
    "hermes": "qwen25",
    "qwen3_coder": "qwen3_coder",
    "llama3_json": "llama3",
    "llama4_pythonic": "pythonic",
    "mistral": "mistral",
    "deepseek_v3": "deepseekv3",
    "deepseek_v31": "deepseekv31",
    "deepseek_v32": "deepseekv32",
    "glm45": "glm45",
    "glm47": "glm47",
    "kimi_k2": "kimi_k2",
    "minimax_m2": "minimax-m2",
    "openai": "gpt-oss",
    "pythonic": "pythonic",
    "step3": "step3",
}
_REASONING: Final = {
    "deepseek_r1": "deepseek-r1",
    "deepseek_v3": "deepseek-v3",
    "qwen3": "qwen3",
    "glm45": "glm45",
    "kimi_k2": "kimi_k2",
    "minimax_m2": "minimax",
    "openai_gptoss": "gpt-oss",
    "step3": "step3",
}


def launch_server(plan: Plan, model: Model) -> Launch:
    """Return SGLang's command line for a plan made for vLLM; InputError where it has no code for the model."""
    known = model.architecture.hf_class
    if known not in SUPPORTED:
        raise InputError(f"SGLang is not known to run {known or model.name}; use --format shell for vLLM")
    settings = plan.settings
    argv = ["python3", "-m", "sglang.launch_server", "--model-path", checkpoint_repository(plan, model)]
    argv += _parallel(settings)
    argv += ["--context-length", str(settings["max_model_len"])]
    argv += ["--mem-fraction-static", f"{static_fraction(plan):.2f}"]
    if "max_num_seqs" in settings:
        argv += ["--max-running-requests", str(settings["max_num_seqs"])]
    if "max_num_batched_tokens" in settings:
        argv += ["--chunked-prefill-size", str(settings["max_num_batched_tokens"])]
    argv += _formats(settings)
    for flag, value in recipe_flags(model):
        if flag == "--trust-remote-code":
            argv.append(flag)
        elif flag == "--tool-call-parser" and value in _TOOLS:
            argv += [flag, _TOOLS[value]]
        elif flag == "--reasoning-parser" and value in _REASONING:
            argv += [flag, _REASONING[value]]
    nodes = int(settings.get("nnodes", 1))
    if nodes > 1:
        # The same on every node, with its own number.
        argv += ["--nnodes", str(nodes)]
        command = f'{shlex.join(argv)} --node-rank "$NODE_RANK" --dist-init-addr "$HEAD_IP:20000"'
    else:
        command = shlex.join(argv)
    env = {k: v for k, v in plan.env.items() if k == "CUDA_VISIBLE_DEVICES"}
    return Launch(command=command, env=env, source=checkpoint_repository(plan, model))


def static_fraction(plan: Plan) -> float:
    """Return weights and cache as a share of the GPU, rounded down: what SGLang may reserve."""
    shares = [(d.weights + d.kv_cache) / d.available for d in plan.memory.devices if d.available]
    return max(0.1, min(0.95, int(min(shares, default=0.9) * 100) / 100))


def _formats(settings: Any) -> list[str]:
    argv = []
    cache = str(settings.get("kv_cache_dtype", "auto"))
    if cache.startswith("fp8"):
        argv += ["--kv-cache-dtype", "fp8_e5m2" if cache == "fp8_e5m2" else "fp8_e4m3"]
    if settings.get("quantization"):
        argv += ["--quantization", str(settings["quantization"])]
    if settings.get("dtype", "auto") != "auto":
        argv += ["--dtype", str(settings["dtype"])]
    if settings.get("enforce_eager"):
        argv.append("--disable-cuda-graph")
    return argv


def _parallel(settings: Any) -> list[str]:
    """How the model is split: with experts over all ranks, data parallelism is attention's, inside --tp."""
    tp, dp = settings.get("tensor_parallel_size", 1), settings.get("data_parallel_size", 1)
    experts = bool(settings.get("enable_expert_parallel"))
    argv = ["--tensor-parallel-size", str(tp * dp if experts else tp)]
    if settings.get("pipeline_parallel_size", 1) > 1:
        argv += ["--pipeline-parallel-size", str(settings["pipeline_parallel_size"])]
    if dp > 1:
        argv += ["--data-parallel-size", str(dp)]
    if experts:
        argv += ["--expert-parallel-size", str(tp * dp)]
    return [*argv, "--enable-dp-attention"] if dp > 1 and experts else argv
