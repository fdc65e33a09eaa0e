"""A buffer that did not fit: compute, draft context, cache, weights, pinned host memory."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Weight
from planner.engines.llama_cpp.diagnosis.flags import (
    CACHE_LINE,
    DEFAULT_FIT_TARGET,
    DEFAULT_UBATCH,
    LAYERS,
    PIPELINE_COPIES,
    SPEC,
    UBATCH,
    context,
    size_of,
)
from planner.units import MIB, mib

_SHORT_OF_VRAM: Final = ("out of memory", "failed to allocate")
_STARTED: Final = re.compile(
    r"initializing, n_slots = |server is listening|listening on http|all slots are idle", re.I
)


def goes_on_without_copies(evidence: Evidence) -> Finding | None:
    """Compute buffers are tried in four copies first; the server goes on without (src/llama-context.cpp:680)."""
    seen = evidence.first("e14")
    if seen is None:
        return None
    started = _STARTED.search(evidence.text)
    size = size_of(evidence.first("e02") or evidence.first("e01"))
    ubatch = evidence.number(*UBATCH) or DEFAULT_UBATCH
    why = [
        f"With several GPUs llama.cpp first asks for {PIPELINE_COPIES} pipeline copies of the compute buffers"
        f"{f': {size} of them at -ub {ubatch}' if size else ''}. They did not fit, so it took one copy and"
        " went on"
        " without pipeline parallelism.",
        f"Line {seen.line} says so; the lines before it are not fatal.",
    ]
    smaller = 512 if ubatch > 512 else max(ubatch // 2, 64)
    fix = Fix(f"-ub {smaller}", "none worth naming: with the copies prefill is faster", {"-ub": str(smaller)})
    return Finding(
        Cause.NOTICE if started else Cause.EXTRA_UNCOUNTED,
        Weight.PROVEN,
        "The server did start: these errors are a first try that it recovers from."
        if started
        else "The compute buffers did not fit in several copies; llama.cpp tries again with one.",
        tuple(why),
        (Fix("nothing: it runs", "slower prefill with several GPUs"), fix) if started else (fix,),
        ask=() if started else ("the lines after it: did the server start?",),
        line=seen.line,
    )


def draft_not_counted(evidence: Evidence) -> Finding | None:
    """A drafting context has a KV cache and compute buffers of its own; --fit counts them since b9305."""
    spec = evidence.flag(*SPEC) or ""
    said = evidence.has("MTP draft context", "draft context")
    failed = evidence.first("e13")
    memory_short = evidence.has(*_SHORT_OF_VRAM)
    if failed is None and not (memory_short and (spec.startswith("draft") or said)):
        return None
    sizes = [
        float(m["mib"]) for m in CACHE_LINE.finditer(evidence.text) if m["layers"] and int(m["layers"]) <= 2
    ]
    cache = max(sizes, default=0.0)
    ubatch = evidence.number(*UBATCH) or DEFAULT_UBATCH
    tokens = context(evidence)
    counted = evidence.memory.draft(tokens) if evidence.memory is not None and tokens else None
    # Where the model isn't known: beside its cache, half a GiB for each 512 tokens of a ubatch at the most.
    guessed = cache + 512.0 * max(ubatch / DEFAULT_UBATCH, 1.0)
    extra = max(counted / MIB, cache) if counted else guessed
    target = int(-(-(DEFAULT_FIT_TARGET + extra) // 256) * 256)
    why = [
        "Multi-token prediction drafts in a context of its own, with its own KV cache"
        f"{f' ({cache:,.0f} MiB here)' if cache else ''} and its own compute buffer.",
        "--fit of this build does not count them (builds before b9305 never do): it fills the GPU up to"
        " its target of"
        f" {DEFAULT_FIT_TARGET:,} MiB, and the draft context comes on top.",
        f"Add what it takes to the target: {cache:,.0f} MiB of cache and about {extra - cache:,.0f} MiB of"
        " buffers at"
        f" -ub {ubatch}.",
    ]
    fixes = [
        Fix(
            f"--fit-target {target}", "a little less context or a layer in RAM", {"--fit-target": str(target)}
        )
    ]
    if tokens:
        fixes.append(Fix(f"-c {tokens // 2}", "half of the context", {"-c": str(tokens // 2)}))
    fixes.append(Fix("a build from b9305 on, whose --fit counts it", "none"))
    fixes.append(Fix("no drafting", "slower decode", drop=("--spec-type",)))
    return Finding(
        Cause.EXTRA_UNCOUNTED,
        Weight.PROVEN if cache else Weight.NUMBERS,
        "The GPU was filled to the brim, then the draft context of multi-token prediction asked for more.",
        tuple(why),
        tuple(fixes),
        line=failed.line if failed else None,
    )


def cache_did_not_fit(evidence: Evidence) -> Finding | None:
    """The weights were placed, the KV cache or the recurrent state was not (src/llama-kv-cache.cpp:288)."""
    failed = evidence.first("e04", "e05")
    if failed is None:
        return None
    size = size_of(evidence.first("e02") or evidence.first("e01"))
    tokens = context(evidence)
    capped = evidence.first("e37")
    trained = (capped.number("t2") or capped.number("t")) if capped is not None else None
    if trained is None and evidence.memory is not None:
        trained = evidence.memory.trained
    unstated = tokens is None and evidence.memory is not None and evidence.command is not None
    if unstated and evidence.memory is not None:
        tokens = evidence.memory.trained
    host = evidence.has("CPU buffer", "cpu_buffer_type") and not evidence.has("cudaMalloc", "hipMalloc")
    why = [f"Line {failed.line}: {failed.text.strip()[:160]}"]
    if size:
        span = f", for {tokens:,} tokens" if tokens else ""
        why.append(f"It was {size}, of {'RAM' if host else 'GPU memory'}{span}.")
    fixes = []
    if unstated and tokens:
        smaller = min(32768, tokens)
        kept = evidence.memory.cache(smaller) if evidence.memory is not None else None
        why.append(
            f"Without -c the context is all that the model was trained for: {tokens:,} tokens. Where -ngl is set, --fit"
            " may not shorten it."
        )
        fixes.append(
            Fix(
                f"-c {smaller}{f': {mib(kept)} of cache' if kept else ''}",
                f"{tokens - smaller:,} tokens of context",
                {"-c": str(smaller)},
            )
        )
    elif tokens and trained and tokens > trained:
        why.append(f"The model was trained for {trained:,.0f} tokens: what is more than that is never used.")
        fixes.append(
            Fix(f"-c {trained:.0f}", "none: a slot is capped there anyway", {"-c": f"{trained:.0f}"})
        )
    elif tokens:
        fixes.append(Fix(f"-c {tokens // 2}", "half of the context", {"-c": str(tokens // 2)}))
    if evidence.flag("-np", "--parallel") not in (None, "1"):
        fixes.append(Fix("-np 1", "requests wait for each other", {"-np": "1"}))
    fixes += [
        Fix("-ctk q8_0 -ctv q8_0", "little quality", {"-ctk": "q8_0", "-ctv": "q8_0"}),
        Fix("a smaller quantisation", "quality"),
    ]
    needed = needs(evidence)
    if needed:
        why.append(needed)
    return Finding(
        Cause.CONTEXT_TOO_LARGE,
        Weight.PROVEN if size and tokens else Weight.NUMBERS,
        f"The weights fit, the {'KV cache' if failed.message.id == 'e04' else 'recurrent state'} did not.",
        tuple(why),
        tuple(fixes),
        line=failed.line,
    )


def needs(evidence: Evidence) -> str | None:
    tokens = context(evidence)
    if evidence.memory is None:
        return None
    weights = evidence.memory.weights()
    cache = evidence.memory.cache(tokens) if tokens else None
    parts = [
        f"{mib(weights)} of weights" if weights else "",
        f"{mib(cache)} of KV cache for {tokens:,} tokens" if cache and tokens else "",
    ]
    known = [p for p in parts if p]
    if not known:
        return None
    return f"{evidence.memory.name} takes {' and '.join(known)}, beside compute buffers."


def taken_by_others(evidence: Evidence) -> str | None:
    if evidence.has("another process", "another cuda process", "other process", "holds most of the vram"):
        return "Another process holds GPU memory: what counts is what is free at the start, not the card's total."
    return None


def outside_of_the_buffers(evidence: Evidence) -> Finding | None:
    """ "CUDA error: out of memory" comes from outside the planned buffers: pinned host memory, pools, cuBLAS."""
    seen = evidence.first("e21")
    if seen is None:
        return None
    experts = evidence.flag(
        "--cpu-moe", "-cmoe", "--n-cpu-moe", "-ncmoe", "-ot", "--override-tensor"
    ) is not None or evidence.has("LLAMA_ARG_CPU_MOE", "LLAMA_ARG_N_CPU_MOE", "cpu-moe")
    landed = re.search(r"only ([\d.]+) ?G(?:i?B) lands on the GPU", evidence.text)
    if experts:
        return Finding(
            Cause.PINNED,
            Weight.PROVEN if landed else Weight.NUMBERS,
            "The memory that ran out is pinned host memory, not VRAM.",
            (
                "The experts stay in RAM, and CUDA builds allocate them as pinned (page-locked) host"
                " memory in one piece;"
                ' that allocation failed, and CUDA calls it "out of memory" all the same.',
                *((f"Only {landed[1]} GB lie on the GPU, which is far from full.",) if landed else ()),
            ),
            (
                Fix(
                    "GGML_CUDA_NO_PINNED=1",
                    "copies to the GPU are a little slower",
                    env={"GGML_CUDA_NO_PINNED": "1"},
                ),
                Fix("fewer experts in RAM: --n-cpu-moe with a smaller number", "more VRAM"),
            ),
            line=seen.line,
        )
    return Finding(
        Cause.EXTRA_UNCOUNTED,
        Weight.NUMBERS,
        "Memory ran out outside of llama.cpp's planned buffers: a pool, cuBLAS' workspace, pinned host"
        " memory, or another process.",
        (seen.message.decides, *(t for t in [taken_by_others(evidence)] if t)),
        (
            Fix("--fit-target 2048", "a little less context", {"--fit-target": "2048"}),
            Fix("-ub 256", "slower prefill", {"-ub": "256"}),
        ),
        line=seen.line,
    )


def fit_gave_up(evidence: Evidence) -> Finding | None:
    """--fit does nothing where an option fixed what it would change (common/fit.cpp)."""
    seen = evidence.first("e06", "e07")
    if seen is None:
        return None
    option = "-ngl" if seen.message.id == "e07" or "n_gpu_layers" in seen.text else "the option that it names"
    if "tensor_buft_overrides" in seen.text:
        option = "-ot, --cpu-moe or --n-cpu-moe"
    elif "tensor_split" in seen.text:
        option = "-ts"
    return Finding(
        Cause.OPTION_CONFLICT,
        Weight.NUMBERS,
        "--fit gave up, and the server went on with the settings as they were: it is a warning, the"
        " failure follows.",
        (f"Line {seen.line}: {seen.text.strip()[:180]}", f"{option} fixed what --fit would have changed."),
        (
            Fix(
                f"leave out {option}, and let --fit place the layers",
                "none",
                drop=LAYERS if option == "-ngl" else (),
            ),
            Fix("keep it, and set -c and -ub by hand", "context"),
        ),
        line=seen.line,
    )
