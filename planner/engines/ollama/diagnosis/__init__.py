"""What Ollama's messages mean: context by tiers of VRAM, silent truncation, dropped GPUs, and its wrapper's words."""

from __future__ import annotations

from typing import Final

from planner.engines.evidence import Fix, Rule, Sizing, Step
from planner.engines.llama_cpp.diagnosis.steps import logged
from planner.engines.ollama.diagnosis.contexts import default_by_tier, prompt_cut, runner_fills_the_host
from planner.engines.ollama.diagnosis.placement import (
    integrated_gpu_dropped,
    layers_left_out,
    library_without_code,
    more_than_the_machine,
    output_layer_in_ram,
    partly_in_ram,
)

__all__ = ["LOG", "PROGRAMS", "RULES", "RUNS", "SIGN", "SIZING", "in_own_words", "logged"]

PROGRAMS: Final = ("ollama",)


SIGN: Final = r"\bollama(?:\b|_)|source=\w+\.go:\d+|\[GIN\]"  # in any case


RUNS: Final = ("llama_cpp",)


LOG: Final = "the server's log from its start, with OLLAMA_DEBUG=1"


_FLAGS: Final = {
    "-c": (
        "OLLAMA_CONTEXT_LENGTH={0} (num_ctx {0} in the request or the Modelfile)",
        "OLLAMA_CONTEXT_LENGTH",
    ),
    "-np": ("OLLAMA_NUM_PARALLEL={0}", "OLLAMA_NUM_PARALLEL"),
    "--cache-ram": ("LLAMA_ARG_CACHE_RAM={0} in the server's environment", "LLAMA_ARG_CACHE_RAM"),
    "-ub": ("num_batch {0} in the request or the Modelfile", ""),
    "-ctk": ("OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE={0}", "OLLAMA_KV_CACHE_TYPE"),
    "--fit-target": ("OLLAMA_GPU_OVERHEAD={1}: that many bytes of each GPU stay free", "OLLAMA_GPU_OVERHEAD"),
}


def in_own_words(fix: Fix) -> Fix | None:
    """Return a change of llama.cpp's flags as Ollama's variables and parameters make it; None where it has none."""
    if fix.drop:
        return Fix("no num_gpu: Ollama then places as many layers as fit", fix.cost)
    for flag, value in fix.set.items():
        said, name = _FLAGS.get(flag, ("", ""))
        if not said:
            return None
        amount = str(int(value) << 20) if value.isdigit() else value
        env = {name: amount if "{1}" in said else value} if name else {}
        if name == "OLLAMA_KV_CACHE_TYPE":
            env["OLLAMA_FLASH_ATTENTION"] = "1"
        return Fix(said.format(value, amount), fix.cost, env=env)
    return fix


_STEPS: Final = (
    Step(
        Fix("OLLAMA_NUM_PARALLEL=1", "requests wait for each other", env={"OLLAMA_NUM_PARALLEL": "1"}),
        {"num_parallel": 1},
        unset=1,
    ),
    Step(
        Fix(
            "OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q8_0",
            "little quality",
            env={"OLLAMA_FLASH_ATTENTION": "1", "OLLAMA_KV_CACHE_TYPE": "q8_0"},
        ),
        {"kv_cache_type": "q8_0"},
    ),
    Step(
        Fix("OLLAMA_CONTEXT_LENGTH={0} (num_ctx {0})", "context", env={"OLLAMA_CONTEXT_LENGTH": ""}),
        context="num_ctx",
    ),
)


SIZING: Final = Sizing(_STEPS, {"num_gpu": 999})


RULES: Final[tuple[Rule, ...]] = (
    more_than_the_machine,
    layers_left_out,
    output_layer_in_ram,
    integrated_gpu_dropped,
    library_without_code,
    prompt_cut,
    runner_fills_the_host,
    default_by_tier,
    partly_in_ram,
)
