"""What LM Studio says: a guardrail's estimate, and a wrapper around llama.cpp's or mlx's own error."""

from __future__ import annotations

import math
import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Rule, Seen, Weight, plain_finding

PROGRAMS: Final = ("lms",)
SIGN: Final = (
    r"\blms load|LM Studio|LMSInternal|lmstudio|model_load_failed|Failed to load (?:the )?model$|Failed to send message"
    r"|estimatedModelVramUsageBytes|model loading guardrails"
)  # in any case
RUNS: Final = ("llama_cpp", "mlx")  # its runtimes
LOG: Final = "the engine's own log: lms log stream while it loads"
_SETTINGS: Final = {
    "-c": ("Context Length {} (lms load --context-length {})", "--context-length"),
    "-ub": ("Evaluation Batch Size {}", ""),
    "-np": ("Max Concurrent Predictions {}", ""),
    "-ctk": ("K Cache and V Cache Quantization {}, with Flash Attention", ""),
    "--fit-target": ("Limit Model Offload to Dedicated GPU Memory: on", ""),
    "--n-cpu-moe": ("MoE layers on the CPU: {}", ""),
}
CONTEXT: Final = ("--context-length", "-c")


def in_own_words(fix: Fix) -> Fix | None:
    """Return a change of llama.cpp's flags as LM Studio's load settings make it; None where it has none."""
    if fix.drop:
        return Fix("GPU Offload: fewer layers (lms load --gpu 0.8)", fix.cost)
    for flag, value in fix.set.items():
        said, own = _SETTINGS.get(flag, ("", ""))
        return Fix(said.format(value, value), fix.cost, {own: value} if own else {}) if said else None
    return Fix(fix.do, fix.cost)


def guardrail(evidence: Evidence) -> Finding | None:
    """'Model loading was stopped due to insufficient system resources': an estimate, before any allocation."""
    seen = evidence.first("e61")
    if seen is None:
        return None
    need = seen.values.get("need")
    if need is not None and not need[0].isdigit():
        return _estimate_failed(seen)
    tokens = evidence.number(*CONTEXT)
    why = ["LM Studio refused by an estimate of its own; nothing was allocated and nothing failed."]
    if need and not tokens:
        why.append(
            f"The estimate is {need}, for the context length that is set: most of a large estimate is the KV cache of"
            " a long one."
        )
    real = evidence.memory.total(tokens) if evidence.memory is not None and tokens else None
    told = re.search(r"about ([\d.]+) GB", evidence.text)
    seen_here = float(told[1]) if told else 0.0
    fixes = []
    if real and evidence.memory is not None and tokens:
        cached, layers = evidence.memory.cached_layers
        why.append(
            f"The estimate is {need or 'not stated'}; by the engine's own rules {evidence.memory.name}"
            f" with {tokens:,}"
            f" tokens takes about {real / 1e9:.1f} GB in four"
            f" bits{f', {seen_here:g} GB were seen' if told else ''}."
        )
        if cached and cached < layers:
            why.append(
                f"It is a hybrid model: {cached} of its {layers} layers keep a KV cache (1 in"
                f" {round(layers / cached)}),"
                " where the estimate counts all."
            )
        enough = math.ceil(max(real / 1e9, seen_here) + 0.3)
        fixes.append(Fix(f"load it anyway where at least {enough} GB are free (guardrails: relaxed or off)"))
    else:
        if told:
            why.append(f"The estimate is {need}, and it takes about {told[1]} GB for real.")
        fixes.append(Fix("guardrails relaxed or off, after planner plan MODEL has said what it takes"))
    fixes.append(Fix("a shorter context", "context"))
    return Finding(
        Cause.GUARDRAIL,
        Weight.PROVEN if real or told else Weight.NUMBERS,
        "A guardrail stopped it: an estimate, which is often about twice the truth for hybrid models.",
        tuple(why),
        tuple(fixes),
        line=seen.line,
    )


def _estimate_failed(seen: Seen) -> Finding:
    """'approximately NaN undefined of memory': the estimate itself failed."""
    return Finding(
        Cause.GUARDRAIL,
        Weight.PROVEN,
        "The guardrail's estimate is no number (NaN): LM Studio could not compute it for this architecture,"
        " and refused.",
        (
            "Nothing was allocated, nothing is too large: an estimate that failed is taken for one that is too high.",
        ),
        (
            Fix("LM Studio 0.3.28 or newer, which estimates it", "none"),
            Fix("lms load from the command line, or llama-server with the same file", "none"),
        ),
        line=seen.line,
        report="The estimate is NaN for this architecture; name the model's file and the runtime's version.",
    )


_LOAD_ERROR: Final = re.compile(r'"n_ctx": ?(\d{3,8})')


def load_refused(evidence: Evidence) -> Finding | None:
    """The report of a failed load without a cause: what it asked for, against what the machine has."""
    asked = _LOAD_ERROR.search(evidence.text)
    if asked is None or not evidence.has("Failed to load model"):
        return None
    tokens = int(asked[1])
    capacity = re.search(r'"vram_recommended_capacity": "([\d.]+ GB)"', evidence.text)
    if tokens < LONG_CONTEXT:
        return None
    why = [
        f"The report asks for a context of {tokens:,} tokens (n_ctx); its KV cache is allocated in one go at the load."
    ]
    if capacity:
        why.append(f"The GPUs have {capacity[1]} in all, weights included.")
    needed = evidence.memory.cache(tokens) if evidence.memory is not None else None
    if needed and evidence.memory is not None:
        why.append(f"{evidence.memory.name} takes {needed / 1e9:,.1f} GB of KV cache for that.")
    return Finding(
        Cause.CONTEXT_TOO_LARGE,
        Weight.NUMBERS,
        f"The load failed with a context of {tokens:,} tokens: its cache is the largest thing that was asked for.",
        tuple(why),
        (
            Fix("Context Length 32768 (lms load --context-length 32768)", "context", {CONTEXT[0]: "32768"}),
            Fix("K Cache and V Cache Quantization Q8_0, with Flash Attention", "little quality"),
        ),
        wants_log=True,
    )


LONG_CONTEXT: Final = 65536  # tokens; a cache from here on is as large as many models' weights


def inner_error_lost(evidence: Evidence) -> Finding | None:
    """The engine died; the reason is in the developer log only."""
    seen = evidence.first("e62")
    if seen is None:
        return None
    memory = evidence.has("out of memory", "GGML_ASSERT(buffer)")
    taken = evidence.has("another cuda process", "another process", "other process", "holds most of the vram")
    if memory:
        return Finding(
            Cause.UNSEEN_MEMORY,
            Weight.PROVEN if taken else Weight.NUMBERS,
            "The GPU's memory was taken by something else: what counts is what is free, not the card's total.",
            (
                "Inside the wrapper's words is a failed cudaMalloc: the engine asked for memory that was"
                " not free any more.",
                "LM Studio's guardrail compares with the card's total, so it lets this through; its API"
                " loses the inner error.",
            ),
            (
                Fix("end the other process (nvidia-smi names it), then load again", "none"),
                Fix("a smaller context, or fewer layers on the GPU, or the CPU", "speed"),
            ),
            line=seen.line,
            report="The API should pass on the engine's own error (cudaMalloc failed), and guardrails"
            " compare with free memory.",
        )
    return plain_finding(seen, Cause.UNKNOWN, Weight.WRAPPER)


RULES: Final[tuple[Rule, ...]] = (guardrail, load_refused, inner_error_lost)
