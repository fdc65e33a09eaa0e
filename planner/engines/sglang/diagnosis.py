"""What SGLang's messages mean (files of 0.5.23 in messages.json). Its "GB" are GiB."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Rule, Weight, plain_finding

PROGRAMS: Final = ("sglang", "sglang.launch_server")
SIGN: Final = r"sglang|mem.fraction.static|max_total_num_tokens"  # in any case
FRACTION: Final = "--mem-fraction-static"
SAFE_FRACTION: Final = 0.80  # leaves graphs and activations their room on cards of 24 to 32 GB
GRAPHS: Final = "--cuda-graph-max-bs"


def graphs_found_no_room(evidence: Evidence) -> Finding | None:
    """The pool of the KV cache left too little for capturing decode graphs."""
    seen = evidence.first("e84")
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
    if weights and evidence.memory is not None:
        why.append(f"{evidence.memory.name}'s weights are {weights / (1 << 30):.1f} GiB.")
    return Finding(
        Cause.CONTEXT_TOO_LARGE,
        Weight.NUMBERS,
        "Nothing is left for the KV pool after the weights.",
        tuple(why),
        (
            Fix(f"{FRACTION} above {stated or 'its default'}, up to 0.92", "less room for graphs"),
            Fix("--context-length and --max-running-requests smaller", "context, users"),
            Fix("--tp 2, or a quantised checkpoint", "another GPU, or quality"),
        ),
        line=seen.line,
    )


def plain(evidence: Evidence) -> Finding | None:
    """What is left: the message's own meaning."""
    order = {
        "e85": Cause.ENGINE_LIMIT,
        "e86": Cause.CONTEXT_TOO_LARGE,
        "e87": Cause.UNSEEN_MEMORY,
        "e88": Cause.CONTEXT_TOO_LARGE,
        "e89": Cause.SLOTS_CONTEXT,
        "e90": Cause.UNSUPPORTED,
        "e91": Cause.NOTICE,
    }
    for ident, cause in order.items():
        seen = evidence.first(ident)
        if seen is not None:
            return plain_finding(seen, cause, Weight.NOTICE if cause is Cause.NOTICE else Weight.MESSAGE)
    return None


RULES: Final[tuple[Rule, ...]] = (graphs_found_no_room, pool_is_empty, plain)
