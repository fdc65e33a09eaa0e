"""vLLM's command line: `vllm serve` with every flag that makes the plan true, and the model's parsers.

Flags and parser names were read in vLLM 0.33.0; which parser a model needs stands in its card, from vLLM's
own recipes. A flag that would change the memory which was planned is never taken from a recipe.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from planner.engines.launch import Launch
from planner.engines.vllm.parsers import REASONING_PARSERS, TOOL_PARSERS
from planner.models.model import Model
from planner.models.sources import checkpoint_repository
from planner.plan import Plan

# setting -> flag; in the order of the command line
_VALUES: Final = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "decode_context_parallel_size",
    "max_model_len",
    "gpu_memory_utilization",
    "max_num_seqs",
    "max_num_batched_tokens",
    "kv_cache_dtype",
    "kv_cache_memory_bytes",
    "num_gpu_blocks_override",
    "block_size",
    "max_cudagraph_capture_size",
    "cpu_offload_gb",
    "quantization",
    "dtype",
    "moe_backend",
    "attention_backend",
    "mamba_ssm_cache_dtype",
    "mm_encoder_tp_mode",
    "max_loras",
    "max_lora_rank",
    "distributed_executor_backend",
)
_SWITCHES: Final[Mapping[str, tuple[str, str]]] = {
    "enable_expert_parallel": ("--enable-expert-parallel", ""),
    "enable_prefix_caching": ("", "--no-enable-prefix-caching"),
    "enable_chunked_prefill": ("", "--no-enable-chunked-prefill"),
    "disable_hybrid_kv_cache_manager": ("--disable-hybrid-kv-cache-manager", ""),
    "async_scheduling": ("", "--no-async-scheduling"),
    "enforce_eager": ("--enforce-eager", ""),
    "language_model_only": ("--language-model-only", ""),
    "skip_mm_profiling": ("--skip-mm-profiling", ""),
    "enable_lora": ("--enable-lora", ""),
}
# What a recipe may add: how the checkpoint is read and the answers are parsed, never how much memory it takes.
_RECIPE_FLAGS: Final = frozenset(
    {
        "--trust-remote-code",
        "--tokenizer-mode",
        "--tokenizer_mode",
        "--config-format",
        "--config_format",
        "--load-format",
        "--load_format",
        "--generation-config",
        "--chat-template-content-format",
        "--tool-call-parser",
        "--enable-auto-tool-choice",
        "--reasoning-parser",
        "--default-chat-template-kwargs",
        "--reasoning-config",
    }
)
# Of those, what the engine takes, not the server around it.
_ENGINE_FLAGS: Final = frozenset(
    {"--trust-remote-code", "--tokenizer-mode", "--config-format", "--load-format"}
)
# Settings of a plan that whoever starts the engine decides.
_NOT_ARGUMENTS: Final = frozenset({"nnodes", "distributed_executor_backend"})


def vllm_serve(plan: Plan, model: Model) -> Launch:
    """Return the server's command line, its environment and what it fetches."""
    argv = serve_argv(plan, model)
    return Launch(
        command=shlex.join(argv),
        env={**recipe_environment(model), **plan.env},
        source=checkpoint_repository(plan, model),
        paths=() if model.path is None else (model.path,),
    )


def serve_argv(plan: Plan, model: Model) -> list[str]:
    """Return `vllm serve …` as words, not quoted."""
    source = checkpoint_repository(plan, model)
    argv = ["vllm", "serve", source]
    if model.path is not None and source == model.path:
        argv += ["--served-model-name", Path(model.path).name or model.name]
    argv += list(settings_flags(plan.settings))
    said = {word for word in (*argv, *plan.request.written.kept) if word.startswith("--")}
    for flag, value in recipe_flags(model):
        if flag not in said:
            said.add(flag)
            argv += [flag] if value is None else [flag, value]
    return argv


def settings_flags(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield the flags of a plan's settings; what is the engine's fixed default is left out."""
    for name in _VALUES:
        value = settings.get(name)
        if value is None or (name.endswith("parallel_size") and value == 1):
            continue
        yield f"--{name.replace('_', '-')}"
        yield (
            "auto"
            if name == "max_model_len" and value == -1
            else f"{value:g}"
            if name in _REALS
            else str(value)
        )
    for name, (on, off) in _SWITCHES.items():
        value = settings.get(name)
        flag = on if value is True else off if value is False else ""
        if flag:
            yield flag
    method = settings.get("speculative_method")
    if method:
        yield "--speculative-config.method"
        yield str(method)
        yield "--speculative-config.num_speculative_tokens"
        yield str(settings.get("num_speculative_tokens", 1))
        if model := settings.get("speculative_model"):
            yield "--speculative-config.model"
            yield str(model)
    nodes = settings.get("nnodes", 1)
    if nodes > 1 and settings.get("distributed_executor_backend") != "ray":
        yield "--nnodes"
        yield str(nodes)


_REALS: Final = frozenset({"gpu_memory_utilization", "cpu_offload_gb"})


def recipe_flags(model: Model) -> list[tuple[str, str | None]]:
    """Return the flags that the model's card takes from vLLM's recipes, as (flag, value)."""
    facts = _facts(model)
    words: list[str] = []
    for part in ("args", "tool_args", "reasoning_args"):
        words += [str(w) for w in facts.get(part, ())]
    flags = [(f, v) for f, v in _pairs(words) if f in _RECIPE_FLAGS]
    tools = next((v for f, v in flags if f == "--tool-call-parser"), facts.get("tool_parser") or None)
    reasoning = next(
        (v for f, v in flags if f == "--reasoning-parser"), facts.get("reasoning_parser") or None
    )
    kept = [
        (f, v)
        for f, v in flags
        if f not in ("--tool-call-parser", "--enable-auto-tool-choice", "--reasoning-parser")
    ]
    if tools in TOOL_PARSERS:
        kept += [("--enable-auto-tool-choice", None), ("--tool-call-parser", str(tools))]
    if reasoning in REASONING_PARSERS:
        kept.append(("--reasoning-parser", str(reasoning)))
    else:
        kept = [(f, v) for f, v in kept if f != "--reasoning-config"]
    return [(f.replace("_", "-"), v) for f, v in kept]


def engine_arguments(plan: Plan, model: Model) -> dict[str, Any]:
    """Return the plan as arguments of the engine under their own names, for who starts it without a command line.

    Of the recipe's flags, parsers belong to the server.
    """
    found = {k: v for k, v in plan.settings.items() if k not in _NOT_ARGUMENTS and v is not None}
    for flag, value in recipe_flags(model):
        if flag in _ENGINE_FLAGS:
            found[flag.lstrip("-").replace("-", "_")] = True if value is None else value
    return found


def recipe_environment(model: Model) -> dict[str, str]:
    """Return the environment that the model's card takes from vLLM's recipes."""
    env = _facts(model).get("env") or {}
    return {str(k): str(v) for k, v in env.items() if str(k).startswith("VLLM_")}


def _facts(model: Model) -> Mapping[str, Any]:
    return {} if model.entry is None else model.entry.vllm


def _pairs(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    at = 0
    while at < len(words):
        flag, equals, inline = words[at].partition("=")
        at += 1
        if not flag.startswith("--"):
            continue
        if equals:
            yield flag, inline
        elif at < len(words) and not words[at].startswith("--"):
            yield flag, words[at]
            at += 1
        else:
            yield flag, None
