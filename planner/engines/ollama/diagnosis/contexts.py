"""Contexts by tiers, prompts that are cut, and the runner's prompt cache."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Weight
from planner.engines.llama_cpp.diagnosis.flags import DEFAULT_CACHE_RAM
from planner.units import gib

SMALLEST_TIER: Final = 4096


def prompt_cut(evidence: Evidence) -> Finding | None:
    """'truncating input prompt': the middle of the prompt is thrown away, and the answer is 200."""
    seen = evidence.last("e52")
    if seen is None:
        return None
    limit, prompt = seen.number("limit") or 0.0, seen.number("prompt") or 0.0
    wanted = SMALLEST_TIER
    while wanted < prompt * 1.5:
        wanted *= 2
    default = (
        " (Ollama's default on machines with less than 23 GiB of VRAM)" if limit == SMALLEST_TIER else ""
    )
    held = evidence.memory.cache(wanted) if evidence.memory is not None else None
    return Finding(
        Cause.SLOTS_CONTEXT,
        Weight.PROVEN,
        "The prompt was cut without a word to the client: it forgets its tools and its instructions.",
        (
            f"The prompt has {prompt:,.0f} tokens, the context (num_ctx) {limit:,.0f}{default}:"
            f" {prompt - limit:,.0f} tokens"
            " of its middle were thrown away, and the request was answered with 200 all the same.",
            *((f"{wanted:,} tokens take {gib(held)} of cache.",) if held else ()),
        ),
        (
            Fix(
                f"OLLAMA_CONTEXT_LENGTH={wanted} (num_ctx {wanted}); agents want 65536",
                "memory for the cache",
                env={"OLLAMA_CONTEXT_LENGTH": str(wanted)},
            ),
            Fix("planner plan MODEL --engine ollama says which context fits here", "none"),
            Fix('"shift": false in the request: it then fails instead of cutting', "requests fail"),
        ),
        line=seen.line,
    )


def default_by_tier(evidence: Evidence) -> Finding | None:
    """'vram-based default context': a tier by total VRAM, not what fits."""
    seen = evidence.last("e51")
    if seen is None:
        return None
    return Finding(
        Cause.SLOTS_CONTEXT,
        Weight.MESSAGE,
        f"The context of {seen.values.get('ctx')} tokens is a tier by total VRAM"
        f" ({seen.values.get('vram')}), not what fits.",
        (
            "From 47 GiB on it is 262,144 tokens, from 23 GiB on 32,768, else 4,096 (server/routes.go,"
            " since 0.15.5).",
        ),
        (Fix("OLLAMA_CONTEXT_LENGTH=N, or num_ctx in the request", "memory for the cache"),),
        line=seen.line,
    )


def runner_fills_the_host(evidence: Evidence) -> Finding | None:
    """Since 0.30 each runner is a llama-server with its own prompt cache in host RAM."""
    held = evidence.last("e102")
    resident = re.search(r"\bRSS\b[^\n]*?([\d.]+) ?G(?:i?B)", evidence.text)
    if held is None or not evidence.has("ollama", "runner"):
        return None
    why = [
        "Every runner is a llama-server with a prompt cache of its own in host RAM: --cache-ram,"
        f" {DEFAULT_CACHE_RAM:,} MiB by"
        " default for each runner, which Ollama neither counts nor shows.",
        f"It holds {held.number('mib') or 0:,.0f} MiB of {held.number('lim') or 0:,.0f} MiB now, for"
        f" {held.values.get('n')} prompts.",
    ]
    if resident:
        why.append(f"That is what the {resident[1]} GB of the process are, though the model lies on the GPU.")
    return Finding(
        Cause.HOST_PROMPT_CACHE,
        Weight.PROVEN,
        "The RAM is llama-server's prompt cache, not the model.",
        tuple(why),
        (
            Fix(
                "LLAMA_ARG_CACHE_RAM=1024 in Ollama's environment",
                "an old conversation is prefilled again",
                env={"LLAMA_ARG_CACHE_RAM": "1024"},
            ),
            Fix(
                "LLAMA_ARG_CACHE_RAM=0",
                "every switch of conversation is prefilled again",
                env={"LLAMA_ARG_CACHE_RAM": "0"},
            ),
        ),
        line=held.line,
    )
