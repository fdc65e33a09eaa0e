"""What is free at the start, and what is left for the KV cache (vllm/v1/worker, vllm/v1/core)."""

from __future__ import annotations

import math
import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Weight
from planner.engines.vllm.diagnosis.flags import LENGTH, SEQUENCES, UTILIZATION
from planner.fast_dataclass import dataclass

UNIFIED_LOW, UNIFIED_HIGH = 119.0, 123.0  # GiB that a GB10 reports: no other GPU has that much


_UNIFIED: Final = (
    "This GPU shares the RAM with the system: page cache, services and the desktop count as taken, and"
    " some of it is never"
    " free for CUDA (about 102 GiB of 121.7 on a GB10)."
)


def taken_before_the_start(evidence: Evidence) -> Finding | None:
    """'Free memory on device … is less than desired' (vllm/v1/worker/utils.py)."""
    seen = evidence.first("e63")
    if seen is None:
        return None
    free, total = seen.number("free") or 0.0, seen.number("total") or 0.0
    wanted, share = seen.number("want") or 0.0, seen.number("util") or 0.0
    if not total:
        return None
    limit = free / total
    below = math.floor(limit * 100) / 100
    short = wanted - free
    shared = UNIFIED_LOW < total < UNIFIED_HIGH or evidence.has("GB10", "Spark", "Jetson", "Thor")
    what = (
        "Something else holds GPU memory already" if not shared else "Not all of the unified memory is free"
    )
    return Finding(
        Cause.UNSEEN_MEMORY,
        Weight.PROVEN,
        f"{what}: {total - free:.2f} of {total:.2f} GiB are taken before the start.",
        (
            f"{share:g} of {total:.2f} GiB are {wanted:.2f} GiB; {free:.2f} GiB are free: short by"
            f" {short:.2f} GiB.",
            *((_UNIFIED,) if shared else ()),
            f"The largest utilisation that passes is {free:.2f} / {total:.2f} = {limit:.4f}, so"
            f" {below:.2f} does"
            f" ({below * total:.2f} GiB).",
        ),
        (
            Fix(
                f"{UTILIZATION} {below:.2f}",
                f"{(share - below) * total:.2f} GiB less for the KV cache",
                {UTILIZATION: f"{below:.2f}"},
            ),
            Fix(
                "end the other process (nvidia-smi names it: another server, a left-over EngineCore, the"
                " desktop)",
                "none",
            ),
            Fix("on unified memory: echo 3 > /proc/sys/vm/drop_caches before the start", "none"),
        ),
        line=seen.line,
    )


def one_request_does_not_fit(evidence: Evidence) -> Finding | None:
    """'To serve at least one request with the model's max seq len' (vllm/v1/core/kv_cache_utils.py)."""
    seen = evidence.first("e65", "e66")
    if seen is None:
        return None
    length = seen.number("len") or 0.0
    need, have = seen.number("need"), seen.number("have")
    longest = seen.number("max") or seen.number("tok")
    if longest is None and need and have and have > 0:
        longest = length * have / need  # of a cache that grows with the length alone
    round_down = int(longest // 1024 * 1024) if longest and longest > 2048 else int(longest or 0)
    why = []
    if need and have:
        why.append(
            f"One request of {length:,.0f} tokens takes {need:.2f} GiB of KV cache; {have:.2f} GiB are"
            " left for it after weights,"
            f" activations and graphs: {need - have:.2f} GiB too little."
        )
    if longest:
        why.append(f"About {longest:,.0f} tokens fit.")
    stages = evidence.number("--pipeline-parallel-size", "-pp")
    if stages and stages > 1:
        why.append(
            f"With {stages} pipeline stages the one with the least room decides for all: give the"
            f" larger GPU more layers"
            " (VLLM_PP_LAYER_PARTITION), or fewer to the smaller one."
        )
    fixes = []
    if round_down > 0:
        fixes.append(Fix(f"{LENGTH} {round_down}", "context", {LENGTH: str(round_down)}))
    fixes += [
        Fix("--kv-cache-dtype fp8", "little quality; twice the tokens", {"--kv-cache-dtype": "fp8"}),
        Fix(f"{UTILIZATION} 0.95", "less room for peaks", {UTILIZATION: "0.95"}),
        Fix("--tensor-parallel-size 2, or a smaller quantisation", "another GPU, or quality"),
    ]
    return Finding(
        Cause.CONTEXT_TOO_LARGE,
        Weight.PROVEN,
        "The KV cache cannot hold one request of the full length (max_model_len).",
        tuple(why),
        tuple(fixes),
        line=seen.line,
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """Where the memory of a start went, as vLLM's own line says it."""

    share: float
    said: str


def where_it_goes(evidence: Evidence) -> _Parts | None:
    """The identity of vllm/v1/worker/gpu_worker.py and of V0's worker.py: share × total less the parts is the cache."""
    one, whole_line = evidence.last("e137"), evidence.last("e136")
    seen = one or evidence.last("e135")
    total = (one or whole_line) and (one or whole_line or seen)
    if seen is None or total is None:
        return None
    all_, share = total.number("t") or 0.0, total.number("u") or 0.0
    weights, active = seen.number("w") or 0.0, seen.number("a") or 0.0
    other, graphs = seen.number("n") or 0.0, seen.number("c") or 0.0
    left = share * all_ - weights - active - other - graphs
    named = f", graphs {graphs:.2f}" if graphs else ""
    return _Parts(
        share,
        f"{share:g} × {all_:.2f} GiB = {share * all_:.2f} GiB; weights {weights:.2f}, activations {active:.2f}, other"
        f" {other:.2f}{named}: {left:.2f} GiB are left for the KV cache.",
    )


LOW_SHARE: Final = 0.8  # below this a share leaves more of the GPU unused than peaks take


def no_room_for_any_block(evidence: Evidence) -> Finding | None:
    """'No available memory for the cache blocks': weights and activations take all of the share."""
    seen = evidence.first("e64")
    if seen is None:
        return None
    left = evidence.last("e79")
    figure = left.number("g") if left else None
    weights = evidence.memory.weights() if evidence.memory is not None else None
    why = ["utilisation × total, less weights, activations and CUDA graphs, is not one block of KV cache."]
    stated = evidence.flag(UTILIZATION)
    share = float(stated) if stated and re.fullmatch(r"0?\.\d{1,4}", stated) else None
    parts = where_it_goes(evidence)
    if parts is not None:
        why.append(parts.said)
        share = share or parts.share
        stated = stated or f"{parts.share:g}"
    elif share is not None:
        why.append(
            f"{UTILIZATION} is {stated}: of an 80 GiB GPU that is {share * 80:.0f} GiB, for everything."
        )
    if share is not None and share < LOW_SHARE:
        why.append(f"The share is low: {1 - share:.0%} of the GPU are not used at all.")
    if figure is not None and parts is None:
        why.append(f"What is left is {figure:.2f} GiB (line {left.line if left else ''}).")
    if weights and evidence.memory is not None:
        why.append(f"{evidence.memory.name}'s weights are {weights / (1 << 30):.1f} GiB over all GPUs.")
    why.append(
        "A model that sees images or video takes room for the largest of them in the profiling run, too."
    )
    raised = "0.90" if share is not None and share < LOW_SHARE else "0.95"
    return Finding(
        Cause.TOO_LARGE,
        Weight.NUMBERS,
        "Nothing is left for the KV cache.",
        tuple(why),
        (
            Fix(f"{UTILIZATION} {raised}", "less room for peaks", {UTILIZATION: raised}),
            Fix(
                "--max-num-batched-tokens 2048 --max-num-seqs 16",
                "throughput",
                {"--max-num-batched-tokens": "2048", SEQUENCES: "16"},
            ),
            Fix("--limit-mm-per-prompt '{\"image\": 0}' where only text is asked", "no images"),
            Fix("--enforce-eager", "slower decode", {"--enforce-eager": ""}),
            Fix("--tensor-parallel-size 2, or a smaller quantisation", "another GPU, or quality"),
        ),
        line=seen.line,
    )
