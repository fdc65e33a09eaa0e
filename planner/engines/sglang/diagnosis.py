"""What SGLang's messages mean (files of 0.5.23 in messages.json). Its "GB" are GiB."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Rule, Seen, Weight
from planner.engines.refused_options import option_refused

PROGRAMS: Final = ("sglang", "sglang.launch_server")
SIGN: Final = r"sglang|mem.fraction.static|max_total_num_tokens"  # in any case
LOG: Final = "the log from its start, to the first error"
FRACTION: Final = "--mem-fraction-static"
SAFE_FRACTION: Final = 0.80  # leaves graphs and activations their room on cards of 24 to 32 GB
GRAPHS: Final = "--cuda-graph-max-bs"


def graphs_found_no_room(evidence: Evidence) -> Finding | None:
    """The pool of the KV cache left too little for capturing decode graphs."""
    seen = evidence.first("e84")
    if seen is not None and "memory" not in (seen.values.get("why") or "").replace(
        "illegal memory access", ""
    ):
        return _capture_crashed(seen)
    told = evidence.has("graph capture", "cuda graph", "capture cuda graph") and evidence.has(
        "out of memory", "oom"
    )
    if seen is None and not told:
        return None
    stated = evidence.flag(FRACTION)
    taken = re.search(r"(?:takes?|about|needs?)\s+(?:about\s+)?([\d.]+) ?G(?:i?B)", evidence.text)
    graphs = f"about {taken[1]} GB" if taken else "several GB with full graphs"
    why = [
        f"{FRACTION} {stated or '(its default)'} gives weights and KV pool that share of the GPU;"
        " capturing the decode graphs"
        f" takes {graphs} more, out of what is left.",
    ]
    asked = re.search(
        r"Tried to allocate ([\d.]+ \w+)\. GPU (\d+) has a total capacity of ([\d.]+ GiB)", evidence.text
    )
    if asked:
        why.append(f"{asked[1]} more were asked for on GPU {asked[2]}, of {asked[3]} in all.")
    if stated and _fraction(stated):
        left = 1 - float(stated)
        why.append(f"What is left is {left:.0%} of the card (of 32 GB that is {left * 32:.1f} GB).")
    return Finding(
        Cause.EXTRA_UNCOUNTED,
        Weight.PROVEN if taken or seen else Weight.NUMBERS,
        "The KV pool was sized so large that nothing is left for CUDA graphs.",
        tuple(why),
        (
            Fix(f"{FRACTION} {SAFE_FRACTION:.2f}", "a smaller KV pool", {FRACTION: f"{SAFE_FRACTION:.2f}"}),
            Fix(
                "--cuda-graph-backend-prefill disabled",
                "slower prefill",
                {"--cuda-graph-backend-prefill": "disabled"},
            ),
            Fix(f"{GRAPHS} 1 (16 for a few users)", "slower decode with many users", {GRAPHS: "1"}),
        ),
        line=seen.line if seen else None,
    )


def _fraction(text: str) -> bool:
    try:
        return 0.0 < float(text) < 1.0
    except ValueError:
        return False


def _capture_crashed(seen: Seen) -> Finding:
    """Capturing failed for another reason than memory: the hints below the message are general."""
    return Finding(
        Cause.UNSUPPORTED,
        Weight.PROVEN,
        "A kernel crashed while graphs were captured: a bug or a GPU that the kernel does not know, no"
        " shortage of memory.",
        (
            f"Line {seen.line}: {seen.text.strip()[:200]}",
            "SGLang prints the same list of hints for every failure here; a smaller --mem-fraction-static"
            " does not help.",
        ),
        (
            Fix("another --attention-backend (triton, flashinfer, fa3)", "speed"),
            Fix("--disable-cuda-graph", "slower decode", {"--disable-cuda-graph": ""}),
            Fix("a newer SGLang, or its container image of the same release", "none"),
        ),
        line=seen.line,
        report="Name the GPU, the versions of SGLang, FlashInfer and Triton, and the command; the traceback"
        " from its start.",
    )


def states_found_no_room(evidence: Evidence) -> Finding | None:
    """The pool of recurrent states of a hybrid model (srt/mem_cache/memory_pool.py, _init_mamba_pool)."""
    seen = evidence.first("e69")
    if seen is None or not evidence.has("mamba_pool", "mamba pool", "MambaPool"):
        return None
    return Finding(
        Cause.EXTRA_UNCOUNTED,
        Weight.NUMBERS,
        f"The pool of recurrent states found no room: {seen.values.get('want') or 'what it asked for'} in one piece.",
        (
            "This model is a hybrid: each running request keeps a state (mamba), beside the KV cache, in a pool that is"
            " allocated at the start for --max-running-requests of them, several copies each with the radix cache.",
            "Its size does not follow from the context: a shorter one does not help.",
        ),
        (
            Fix("--max-running-requests 16", "users at once", {"--max-running-requests": "16"}),
            Fix("--max-mamba-cache-size 64", "users and cached prefixes", {"--max-mamba-cache-size": "64"}),
            Fix("--mamba-full-memory-ratio 0.5, --mamba-ssm-dtype bfloat16", "states, a little precision"),
            Fix("--disable-radix-cache", "prefixes are computed again", {"--disable-radix-cache": ""}),
        ),
        line=seen.line,
    )


_TOKENS: Final = re.compile(r"Try to allocate (\d{1,9}) tokens\.?\s+Ava\w*ble tokens: (\d{1,9})")


def pool_ran_out(evidence: Evidence) -> Finding | None:
    """'Prefill out of memory' and 'Decode out of memory': the KV pool's tokens, not the GPU (srt/mem_cache)."""
    seen = evidence.first("e86")
    if seen is None:
        return None
    counted = _TOKENS.search(evidence.text)
    page = evidence.number("--page-size")
    asked, free = (int(counted[1]), int(counted[2])) if counted else (0, 0)
    why = [
        "The KV pool holds a fixed number of tokens (max_total_num_tokens in the log); running requests filled it."
    ]
    fixes = [
        Fix("--max-running-requests 16", "users at once", {"--max-running-requests": "16"}),
        Fix("--schedule-conservativeness 1.3", "throughput", {"--schedule-conservativeness": "1.3"}),
        Fix(
            f"{FRACTION} higher by 0.02 to 0.04, or --kv-cache-dtype fp8_e4m3",
            "room for graphs, or a little quality",
        ),
    ]
    if counted and free >= asked:
        why.append(
            f"{asked:,} tokens were asked for and {free:,} are free: not the sum is short, but whole pages"
            f"{f' of {page} tokens' if page else ''}: each running request needs one of its own."
        )
        fixes.insert(0, Fix("--page-size 1", "a slower attention kernel", {"--page-size": "1"}))
    elif counted:
        why.append(f"{asked:,} tokens were asked for, {free:,} are free.")
    return Finding(
        Cause.CONTEXT_TOO_LARGE if not (counted and free >= asked) else Cause.ENGINE_LIMIT,
        Weight.PROVEN if counted else Weight.NUMBERS,
        "The KV pool ran out of tokens while serving; the GPU's memory itself is not at its end.",
        tuple(why),
        tuple(fixes),
        ask=() if counted else ("the lines after it: tokens asked for and available",),
        line=seen.line,
    )


def out_of_memory_serving(evidence: Evidence) -> Finding | None:
    """PyTorch's out of memory beside the pool: activations of a prefill step found no room."""
    seen = evidence.first("e69")
    if (
        seen is None
        or evidence.first("e83", "e84") is not None
        or evidence.has("mamba_pool", "init_cuda_graphs")
    ):
        return None
    loading = evidence.has("load_model", "Load weight begin", "create_weights") and not evidence.has(
        "Load weight end"
    )
    stated = evidence.flag(FRACTION)
    lower = max(float(stated) - 0.05, 0.5) if stated and _fraction(stated) else SAFE_FRACTION
    shown = seen.values.get("want")
    if loading:
        return Finding(
            Cause.TOO_LARGE,
            Weight.NUMBERS,
            "The GPU ran out of memory while the weights were loaded: they do not fit.",
            (f"Line {seen.line}: {seen.text.strip()[:200]}",),
            (Fix("--tp 2, or a quantised checkpoint", "another GPU, or quality"),),
            line=seen.line,
        )
    return Finding(
        Cause.EXTRA_UNCOUNTED,
        Weight.NUMBERS,
        "The GPU ran out of memory beside the KV pool: the activations of a prefill step found no room.",
        (
            f"{FRACTION} {stated or '(its default)'} is the share of weights and KV pool; prefill,"
            f" sampling and graphs take"
            f" what is left{f', here {shown} in one piece' if shown else ''}.",
            "They grow with the tokens of one step: --chunked-prefill-size (--max-prefill-tokens), and"
            " with long requests at"
            " once.",
        ),
        (
            Fix(f"{FRACTION} {lower:.2f}", "a smaller KV pool", {FRACTION: f"{lower:.2f}"}),
            Fix("--chunked-prefill-size 2048", "slower prefill", {"--chunked-prefill-size": "2048"}),
            Fix("--max-running-requests 16", "users at once", {"--max-running-requests": "16"}),
        ),
        line=seen.line,
    )


def pool_is_empty(evidence: Evidence) -> Finding | None:
    """'Not enough memory. Please try to increase --mem-fraction-static': raise it; the docs' advice is for serving."""
    seen = evidence.first("e83")
    if seen is None:
        return None
    stated = seen.values.get("f") or evidence.flag(FRACTION)
    weights = evidence.memory.weights() if evidence.memory is not None else None
    why = [
        "After the weights, (1 - fraction) of the GPU must stay free for activations and graphs; nothing"
        " is left for the KV"
        " pool.",
        "The message is right here: raise the fraction. (Lowering it is for out of memory while serving.)",
    ]
    tried = sorted(set(re.findall(r"mem.fraction.static[= ](0\.\d{1,4})", evidence.text)))
    both = len(tried) > 1 and evidence.has("out of memory")
    if both:
        why.append(
            f"With {tried[0]} the pool gets nothing, with {tried[-1]} the rest runs out of memory: no"
            f" fraction in between"
            " helps, something has to become smaller."
        )
    if weights and evidence.memory is not None:
        why.append(f"{evidence.memory.name}'s weights are {weights / (1 << 30):.1f} GiB.")
    return Finding(
        Cause.CONTEXT_TOO_LARGE,
        Weight.NUMBERS,
        "Nothing is left for the KV pool after the weights.",
        tuple(why),
        (
            *(
                (Fix(f"{GRAPHS} 8, or no draft model", "slower decode with many users", {GRAPHS: "8"}),)
                if both
                else ()
            ),
            Fix(f"{FRACTION} above {stated or 'its default'}, up to 0.92", "less room for graphs"),
            Fix("--context-length and --max-running-requests smaller", "context, users"),
            Fix("--tp 2, or a quantised checkpoint", "another GPU, or quality"),
        ),
        line=seen.line,
    )


RULES: Final[tuple[Rule, ...]] = (
    option_refused,
    states_found_no_room,
    graphs_found_no_room,
    pool_ran_out,
    out_of_memory_serving,
    pool_is_empty,
)
