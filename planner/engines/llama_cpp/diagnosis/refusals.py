"""What is no shortage of memory: unknown models and flags, a GPU's timeout, plain messages."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Weight
from planner.engines.llama_cpp.diagnosis.flags import DEFAULT_UBATCH, RENAMED, UBATCH

_PROGRESS: Final = re.compile(r"n_tokens = (?P<tokens>\d+)")


def gpu_reset(evidence: Evidence) -> Finding | None:
    """A submission that takes longer than the kernel's timeout; device lost (ggml-vulkan.cpp)."""
    seen = evidence.first("e27")
    if seen is None:
        return None
    ubatch = evidence.number(*UBATCH) or _mentioned(evidence, r"-ub (\d+)") or DEFAULT_UBATCH
    depth = max((int(m["tokens"]) for m in _PROGRESS.finditer(evidence.text)), default=0)
    why = [
        "The driver reset the GPU: one submission ran longer than the kernel's timeout. That is no"
        " shortage of memory,"
        " and no allocation failed before it.",
        f"The work of one submission grows with depth × ubatch: {f'{depth:,} tokens deep, ' if depth else ''}"
        f"{ubatch:,} tokens at once. So it comes the later, the smaller -ub is.",
    ]
    return Finding(
        Cause.GPU_TIMEOUT,
        Weight.NUMBERS,
        "A GPU timeout, not memory: the device was lost while it worked on a large batch deep in the context.",
        tuple(why),
        (
            Fix("-ub 512", "slower prefill", {"-ub": "512"})
            if ubatch > 512
            else Fix(f"-ub {max(ubatch // 2, 64)}", "slower prefill", {"-ub": str(max(ubatch // 2, 64))}),
            Fix(
                "amdgpu.lockup_timeout=10000 on the kernel's command line", "the screen may freeze that long"
            ),
            Fix(
                "--cache-ram 0 where RAM and VRAM are one pool, in case it did run out",
                "old prompts are prefilled again",
            ),
        ),
        line=seen.line,
    )


def _mentioned(evidence: Evidence, pattern: str) -> int | None:
    found = re.search(pattern, evidence.text)
    return int(found[1]) if found else None


def unknown_architecture(evidence: Evidence) -> Finding | None:
    """The build is older than the model."""
    seen = evidence.first("e39")
    if seen is None:
        return None
    name = seen.values.get("a", "")
    released = evidence.released(name) if evidence.released is not None else None
    when = (
        f" Models of it were first published on {released}: a build needs to be newer than that."
        if released
        else ""
    )
    misleading = (
        ' The MLX line "No module named …drafters…" is not about a drafting model either: that runtime'
        " lacks the model too."
        if evidence.has("No module named")
        else ""
    )
    return Finding(
        Cause.UNSUPPORTED,
        Weight.PROVEN,
        f"This runtime does not know the architecture '{name}': it is older than the model.{misleading}",
        (f"No setting helps; memory has nothing to do with it.{when}",),
        (
            Fix(
                f"a newer llama.cpp{f' (from after {released} on)' if released else ''}, or the runtime of"
                " your program that holds it",
                "none",
            ),
            Fix("llama-server itself, whose builds come daily", "none"),
        ),
        line=seen.line,
    )


def option_unknown(evidence: Evidence) -> Finding | None:
    """A flag that this build does not have (common/arg.cpp)."""
    seen = evidence.first("e42")
    if seen is None:
        return None
    flag = (seen.values.get("arg") or "").strip("\"':,")
    now, since = RENAMED.get(flag, ("", ""))
    offered = re.search(r"use (--[\w-]+)(?: or (--[\w-]+))?", seen.text)
    if offered:
        now = offered[1]
    removed = "has been removed" in seen.text or flag in RENAMED
    what = f"{flag} was renamed: this build calls it {now}." if now else f"This build does not know {flag}."
    why = [f"Line {seen.line}: {seen.text.strip()[:180]}"]
    if removed and since:
        why.append(f"It went in {since}.")
    why.append("The server ended before it loaded anything: neither memory nor the model is at fault.")
    value = evidence.flag(flag) or ""
    name, _, fixed = now.partition(" ")
    return Finding(
        Cause.OPTION_CONFLICT,
        Weight.PROVEN if now else Weight.NUMBERS,
        what,
        tuple(why),
        (Fix(now, "none", {name: fixed or value}, drop=(flag,)),)
        if now
        else (Fix(f"leave out {flag}, or see llama-server --help", "none", drop=(flag,)),),
        line=seen.line,
    )
