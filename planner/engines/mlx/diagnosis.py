"""What mlx_lm's messages mean (mlx-lm 0.32.2, mlx 0.32.4): caches without a limit, buffers without a count."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Rule, Weight
from planner.engines.refused_options import option_refused

PROGRAMS: Final = ("mlx_lm.server", "mlx_lm.generate", "mlx_lm.chat", "mlx_vlm.server", "mlx_lm")
SIGN: Final = r"mlx_lm|\[METAL\]|\[metal::|\bmlx\b"  # in any case
_FOLDER: Final = "mlx"
LOG: Final = "the server's whole output"
BYTES: Final = "--prompt-cache-bytes"
CACHES: Final = 10  # sequences that the server keeps by default (mlx_lm/server.py, --prompt-cache-size)
_RESIDENT: Final = re.compile(r"(?:python|mlx|server)?\s*RSS\s*(?:of\s*)?([\d.]+) ?G(?:i?B)", re.I)
_WEIGHTS: Final = re.compile(r"([\d.]+) ?G(?:i?B)\s+weights|weights\D{0,12}([\d.]+) ?G(?:i?B)", re.I)


def prompt_cache_grows(evidence: Evidence) -> Finding | None:
    """The server keeps ten KV caches without a limit in bytes."""
    seen = evidence.last("e94")
    resident = _RESIDENT.search(evidence.text)
    weighed = _WEIGHTS.search(evidence.text)
    stated = float(weighed[1] or weighed[2]) if weighed else None
    mine = evidence.memory.weights() if evidence.memory is not None else None
    weights = stated or (mine / 1e9 if mine else None)
    grows = resident is not None and weights is not None and float(resident[1]) > 1.3 * weights
    if seen is None and not (grows and not evidence.has("llama-server", "ollama", "vllm")):
        return None
    size = seen.number("gb") if seen else None
    why = []
    if seen is not None:
        why.append(
            f"Its prompt cache holds {seen.values['n']} sequences in {size:,.2f}"
            f" GB{f', beside weights of {weights:.1f} GB' if weights else ''}."
        )
    elif resident is not None and weights is not None:
        held = float(resident[1])
        why.append(
            f"{weights:g} GB of weights, {held:g} GB resident: the other {held - weights:g} GB are prompt"
            " caches, one for each"
            " conversation, which grow until the wired limit."
        )
    why.append(
        f"mlx_lm.server keeps the KV caches of the last {CACHES} sequences and has no limit in bytes by"
        " default; the Mac's"
        " wired limit ends it, hours after the start."
    )
    cap = 8
    if grows and resident is not None and weights is not None:
        cap = max(int((float(resident[1]) - weights) / 2) // 4 * 4, 4)
        why.append(
            f"With {cap} GB of cache it is {weights + cap:g} GB, which leaves the rest for the system and"
            " for prefill."
        )
    return Finding(
        Cause.HOST_PROMPT_CACHE,
        Weight.PROVEN if size or grows else Weight.NUMBERS,
        "mlx_lm's prompt cache took the memory, not the model.",
        tuple(why),
        (
            Fix(f"{BYTES} {cap}GB", "an old conversation is prefilled again", {BYTES: f"{cap}GB"}),
            Fix(
                "--prompt-cache-size 4 to 6, and fewer requests at once",
                "as above",
                {"--prompt-cache-size": "6"},
            ),
        ),
        line=seen.line if seen else None,
    )


def out_of_metal_memory(evidence: Evidence) -> Finding | None:
    """'Insufficient Memory' of a server that had answered: its caches grew (mlx/backend/metal/device.cpp)."""
    seen = evidence.first("e23")
    if seen is None or evidence.first("e94") is not None or evidence.engine != _FOLDER:
        return None
    serves = evidence.program is not None and evidence.program.endswith(".server")
    answered = evidence.has('" 200', "200 OK")
    weights = evidence.memory.weights() if evidence.memory is not None else None
    why = [
        "Weights, KV caches and activations share what Metal may wire: about two thirds of a Mac's RAM, three quarters"
        " above 36 GB."
    ]
    if weights and evidence.memory is not None:
        why.append(f"{evidence.memory.name}'s weights are {weights / 1e9:.1f} GB of that.")
    if serves:
        why.append(
            f"{'It answered before it died, so that what grew is' if answered else 'What grows while it serves is'} the"
            f" KV cache: of the conversation, and the prompt cache of the last {CACHES} conversations, which has no"
            " limit in bytes by default."
        )
    return Finding(
        Cause.HOST_PROMPT_CACHE if serves else Cause.CONTEXT_TOO_LARGE,
        Weight.NUMBERS,
        "Metal ran out of memory while it worked: KV caches grew on top of the weights.",
        tuple(why),
        (
            *(
                (Fix(f"{BYTES} 4GB", "an old conversation is prefilled again", {BYTES: "4GB"}),)
                if serves
                else ()
            ),
            Fix(
                "a shorter conversation or prompt (--max-kv-size N bounds it, where the program has it)",
                "context",
            ),
            Fix("sudo sysctl iogpu.wired_limit_mb=N, leaving the system 4 to 5 GB", "the system has less"),
            Fix("a smaller model or quantisation", "quality"),
        ),
        ask=() if answered else ("how much RAM the Mac has, and the log's lines 'Prompt Cache: …'",),
        line=seen.line,
    )


def buffers_by_number(evidence: Evidence) -> Finding | None:
    """'Resource limit (499000) exceeded' counts buffers, not bytes."""
    seen = evidence.first("e93")
    if seen is None:
        return None
    return Finding(
        Cause.ENGINE_LIMIT,
        Weight.PROVEN,
        f"The number of Metal buffers is at its limit ({seen.number('n') or 0:,.0f}), not the memory.",
        (
            "A limit on how many buffers there are, whatever their size: so it comes with tens of GB free.",
            "The cache of freed buffers is not capped and keeps them all.",
        ),
        (
            Fix(
                "MLX_BUFFER_CACHE_LIMIT=12GB, or mx.set_cache_limit(…) in your own program",
                "a little speed",
                env={"MLX_BUFFER_CACHE_LIMIT": "12GB"},
            ),
            Fix("restart it now and then; a newer mlx", "none"),
        ),
        line=seen.line,
    )


RULES: Final[tuple[Rule, ...]] = (option_refused, prompt_cache_grows, out_of_metal_memory, buffers_by_number)
