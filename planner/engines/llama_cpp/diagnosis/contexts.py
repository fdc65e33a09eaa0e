"""Contexts and slots: capped, shared, filled."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Weight
from planner.engines.llama_cpp.diagnosis.flags import CACHE_LINE, CONTEXT, SLOTS, round_context
from planner.units import mib


def capped_at_training(evidence: Evidence) -> Finding | None:
    """A slot is capped at n_ctx_train, while the cache was made for all of -c."""
    seen = evidence.first("e37")
    if seen is None or evidence.first("e04", "e05") is not None:
        return None
    asked = seen.number("c2") or seen.number("c")
    trained = seen.number("t2") or seen.number("t")
    if not asked or not trained or trained >= asked:
        return None
    wasted = 1 - trained / asked
    shown = next((float(m["mib"]) for m in CACHE_LINE.finditer(evidence.text)), None)
    amount = f"{wasted:.0%} of the KV cache" + (
        f" ({shown * wasted:,.2f} of {shown:,.2f} MiB)" if shown else ""
    )
    if abs(wasted - 0.5) < 0.01:
        amount = f"half of the KV cache's memory{f' ({shown / 2:,.2f} of {shown:,.2f} MiB)' if shown else ''}"
    return Finding(
        Cause.SLOTS_CONTEXT,
        Weight.PROVEN,
        f"Every slot is capped at the {trained:,.0f} tokens that the model was trained for (n_ctx_train),"
        " whatever -c says.",
        (
            f"The cache was made for {asked:,.0f} tokens a sequence; {amount} is taken and never used.",
            "Longer contexts need rope scaling, and only where the GGUF declares it.",
        ),
        (
            Fix(f"-c {trained:.0f} for each slot", "none: it saves memory", {"-c": f"{trained:.0f}"}),
            Fix(
                "--rope-scaling yarn with the factor that the model's card states",
                "quality at short contexts",
            ),
        ),
        line=seen.line,
    )


_COUNTED: Final = re.compile(
    r"n_ctx_slot = (?P<ctx>\d+).*?n_prompt_tokens = (?P<n>\d+)|n_tokens = (?P<n2>\d+)"
)
_FAR_TOO_LONG: Final = 1_048_576  # tokens: no context of a model of today is longer


def longer_than_a_slot(evidence: Evidence) -> Finding | None:
    """A request that is longer than one slot's share of -c (tools/server/server-context.cpp)."""
    seen = evidence.first("e32", "e164") or evidence.first("e165")
    if seen is None:
        return None
    asked, held = seen.number("n"), seen.number("ctx")
    if asked is None or held is None:
        pairs = [(int(m["n"]), int(m["ctx"])) for m in _COUNTED.finditer(evidence.text) if m["n"]]
        asked, held = next(((n, ctx) for n, ctx in pairs if n >= ctx), (None, None))
    slots = evidence.number(*SLOTS) or 1
    total = evidence.number(*CONTEXT)
    if asked is None or held is None:
        return Finding(
            Cause.SLOTS_CONTEXT,
            Weight.NUMBERS,
            "The request is longer than the context of one slot.",
            (f"Line {seen.line}: {seen.text.strip()[:200]}",),
            (
                Fix(
                    "-c 32768 (each slot has -c / -np of it)",
                    "memory for the longer cache",
                    {"-c": str(32768 * slots)},
                ),
                Fix("let the client compact its conversation earlier", "it forgets the oldest turns"),
            ),
            ask=("the line above it: n_ctx_slot and n_prompt_tokens",),
            line=seen.line,
        )
    why = [f"The request has {asked:,.0f} tokens, one slot holds {held:,.0f}."]
    trained = evidence.memory.trained if evidence.memory is not None else None
    if asked > max(trained or 0, _FAR_TOO_LONG if trained is None else 0):
        why.append(
            "That is more than "
            + (f"the {trained:,} tokens that the model was trained for" if trained else "any model's context")
            + ": the client sent far too much (a file, a log, a tool's whole output), and no setting of the"
            " server helps."
        )
        return Finding(
            Cause.SLOTS_CONTEXT,
            Weight.PROVEN,
            "The client sent a request that no context holds.",
            tuple(why),
            (
                Fix(
                    "in the client: limit what tools return, exclude large files, start a new conversation",
                    "none",
                ),
                Fix("in the client: tell it the server's context, so that it compacts in time", "none"),
            ),
            line=seen.line,
        )
    wanted = round_context(asked * 1.25)
    if trained is not None:
        wanted = min(wanted, trained)
    if total and slots > 1:
        why.append(
            f"-c {total:,} is shared by {slots} slots (-np {slots}): {total // slots:,} tokens each,"
            " unless the cache is unified (-kvu)."
        )
    reduced = evidence.first("e10")
    if reduced is not None:
        why.append(
            f"--fit shortened the context from {reduced.values['from']} to {reduced.values['to']} (line"
            f" {reduced.line})."
        )
    grown = evidence.memory.cache(wanted) if evidence.memory is not None else None
    cost = f"{mib(grown)} of KV cache for each slot" if grown else "memory for the longer cache"
    return Finding(
        Cause.SLOTS_CONTEXT,
        Weight.PROVEN,
        "The request is longer than the context of one slot.",
        tuple(why),
        (
            *(
                (
                    Fix(
                        "-np 1 (one slot has all of -c), or -kvu",
                        "requests wait for each other",
                        {"-np": "1"},
                    ),
                )
                if slots > 1
                else ()
            ),
            Fix(f"-c {wanted * slots}", cost, {"-c": str(wanted * slots)}),
            Fix("let the client compact its conversation earlier", "it forgets the oldest turns"),
        ),
        line=seen.line,
    )


def slots_filled_the_cache(evidence: Evidence) -> Finding | None:
    """Several slots in one unified cache filled it together."""
    seen = evidence.first("e34", "e35")
    if seen is None:
        return None
    return Finding(
        Cause.SLOTS_CONTEXT,
        Weight.NUMBERS,
        "Several slots share one cache (-kvu) and filled it together: every running request is ended.",
        (
            "Without -np a server has four slots on one unified cache of -c tokens; two long conversations"
            " fill it.",
            f"Line {seen.line}: {seen.text.strip()[:160]}",
        ),
        (
            Fix("-np 1", "requests wait for each other", {"-np": "1"}),
            Fix("-np N stated: splits the cache, each slot has -c / N tokens", "shorter contexts"),
            Fix("--kv-unified-per-slot N (from b10900 on)", "shorter contexts"),
        ),
        line=seen.line,
    )
