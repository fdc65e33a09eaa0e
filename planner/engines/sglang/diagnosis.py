"""What SGLang's messages mean (files of 0.5.23 in messages.json). Its "GB" are GiB."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Rule, Seen, Weight

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


RULES: Final[tuple[Rule, ...]] = (states_found_no_room, graphs_found_no_room, pool_is_empty)
