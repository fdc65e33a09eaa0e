"""RAM and unified memory: the prompt cache, what a backend sees, Metal's budget."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Weight
from planner.engines.llama_cpp.diagnosis.buffers import needs
from planner.engines.llama_cpp.diagnosis.flags import CACHE_RAM, DEFAULT_CACHE_RAM, PROGRAMS, context, ram_gb
from planner.units import gib

_DEATH_BY_RAM: Final = ("e97", "e98")


def prompt_cache_in_ram(evidence: Evidence) -> Finding | None:
    """llama-server keeps prompts in host RAM, up to --cache-ram (8,192 MiB by default), beside checkpoints."""
    saved, state = evidence.last("e30"), evidence.last("e102")
    killed = evidence.first(*_DEATH_BY_RAM)
    serves = evidence.program in PROGRAMS[:1] or evidence.has("llama-server", "slot ", "srv ")
    if saved is None and state is None and not (killed is not None and serves):
        return None
    stated = evidence.number(*CACHE_RAM)
    if stated == 0 and saved is None and state is None:
        return None
    limit = stated if stated is not None else DEFAULT_CACHE_RAM
    why = [
        "llama-server keeps the prompts of earlier conversations in host RAM (its prompt cache):"
        f" --cache-ram, {'set to' if stated is not None else 'by default'} {limit:,} MiB (8 GiB by"
        " default), for each"
        " server, outside what the plan of weights and KV cache counts, and up to 32 checkpoints a slot"
        " (--ctx-checkpoints).",
    ]
    if saved is not None:
        tokens, size = saved.number("tok") or 0.0, saved.number("mib") or 0.0
        why.append(
            f"The last state saved is {size:,.0f} MiB for {tokens:,.0f} tokens; the cache is filled with"
            " such states."
        )
    if state is not None:
        why.append(
            f"It holds {state.number('n') or 0:,.0f} prompts in {state.number('mib') or 0:,.0f} MiB now,"
            " of a limit of"
            f" {state.number('lim') or 0:,.0f} MiB."
        )
    if killed is not None:
        rss = killed.number("rss")
        shown = re.search(r"anon-rss\D{0,4}([\d.]+) ?GB", evidence.text)
        held = f" at {rss / 1024:,.0f} MiB" if rss else f" at {shown[1]} GB" if shown else ""
        why.append(
            f"The system killed the process for want of host RAM{held} (line {killed.line}): not of VRAM."
        )
    ram = ram_gb(evidence)
    if ram:
        why.append(
            f"On {ram:g} GB of RAM that has to fit beside the system and everything else that runs here."
        )
    else:
        why.append(
            "Count it into the host's RAM budget: the cache's limit, what the model keeps in RAM, the"
            " system, all else."
        )
    size = (saved.number("mib") or 0.0) if saved is not None else 0.0
    if stated and size > stated:
        why.append(
            f"That one state is larger than the limit of {stated:,} MiB: builds before b9600 allocate"
            f" it first and drop it"
            " afterwards, so that a limit alone does not help there."
        )
    if evidence.first("e27") is not None:
        why.append(
            "Where RAM and GPU memory are one pool, the GPU is lost when that pool is at its end: no timeout."
        )
    smaller = 2048 if ram is None or ram >= 12 else 1024
    off = Fix(
        "--cache-ram 0 (off), and --ctx-checkpoints 4",
        "every switch of conversation is prefilled again",
        {"--cache-ram": "0", "--ctx-checkpoints": "4"},
    )
    limited = Fix(
        f"--cache-ram {smaller}",
        "an old conversation is prefilled again when it comes back",
        {"--cache-ram": str(smaller)},
        env={"LLAMA_ARG_CACHE_RAM": str(smaller)},
    )
    return Finding(
        Cause.HOST_PROMPT_CACHE,
        Weight.PROVEN if saved or state else Weight.NUMBERS,
        "Host RAM ran out: llama-server's prompt cache grew, which no VRAM figure shows.",
        tuple(why),
        (
            *((limited,) if stated is None or stated > smaller else ()),
            off,
            Fix("a newer build: since b9600 an entry above the limit is not made", "none"),
        ),
        line=(killed or saved or state or evidence.seen[0]).line,
    )


def backends_see_different_memory(evidence: Evidence) -> Finding | None:
    """ROCm counts the carve-out of an APU only, where Vulkan sees all that it may use."""
    free: dict[str, int] = {}
    backend = ""
    for line in evidence.text.splitlines():
        named = re.search(r"\b(ROCm|HIP|CUDA|Vulkan)\b", line, re.I)
        backend = named[1].lower().replace("hip", "rocm") if named else backend
        stated = re.search(r"(\d{3,7}) MiB (?:of )?free device memory", line) or re.search(
            r"\((\d{3,7}) MiB free", line
        )
        if stated and backend:
            free.setdefault(backend, int(stated[1]))
    if "rocm" not in free or "vulkan" not in free or free["vulkan"] < 1.5 * free["rocm"]:
        return None
    need = evidence.first("e09")
    shown = re.search(r"projected to use (\d+) MiB", evidence.text)
    wanted = float(shown[1]) if shown else None
    why = [
        f"On the same machine ROCm sees {free['rocm']:,} MiB free and Vulkan {free['vulkan']:,} MiB: ROCm"
        " counts only the"
        " memory that the BIOS carved out for the GPU, Vulkan also what it may take of the RAM (GTT).",
    ]
    if wanted:
        why.append(
            f"The model needs {wanted:,.0f} MiB. With ROCm the rest spills into the RAM that the system"
            " needs too, and"
            " the process is killed."
        )
    return Finding(
        Cause.UNSEEN_MEMORY,
        Weight.PROVEN,
        "The ROCm build sees only a part of this machine's memory; the Vulkan build sees it all.",
        tuple(why),
        (
            Fix("the Vulkan build of llama.cpp: the backend is the smallest change", "prefill may be slower"),
            Fix(
                "a build after 2026-08-14 (pull request 27083), and a kernel from 6.10 on where GTT counts",
                "none",
            ),
            Fix("GGML_CUDA_ENABLE_UNIFIED_MEMORY=1", "slower", env={"GGML_CUDA_ENABLE_UNIFIED_MEMORY": "1"}),
        ),
        line=need.line if need else None,
    )


def unified_to_the_brim(evidence: Evidence) -> Finding | None:
    """A Mac whose wired memory was exceeded: kernel panic."""
    if not evidence.has("kernel panic", "panicked"):
        return None
    tokens = context(evidence)
    why = [
        "RAM and GPU memory are one pool. What Metal recommends (recommendedMaxWorkingSetSize) is a"
        " property of the machine,"
        " not what is free at the moment: the system, the browser and the prompt cache live in the same pool.",
        "A context that was set by hand is passed through unchecked; --fit trusts the same figure.",
    ]
    needed = needs(evidence)
    if needed:
        why.append(needed)
    return Finding(
        Cause.UNSEEN_MEMORY,
        Weight.SYMPTOM,
        "Unified memory was filled beyond what the system can give: the kernel panicked instead of the"
        " program failing.",
        tuple(why),
        (
            Fix(
                "a smaller context: the one that the program chooses by itself",
                "context",
                {"-c": str(tokens // 2)} if tokens else {},
            ),
            Fix(
                "leave at least 4 to 8 GiB of RAM for the system, and --cache-ram 0",
                "old prompts are prefilled again",
                {"--cache-ram": "0"},
            ),
            Fix("a smaller quantisation", "quality"),
        ),
        report="A context that cannot fit should be refused, not passed to the driver.",
    )


def metal_is_short(evidence: Evidence) -> Finding | None:
    """Metal refused or aborted: the working set is over the wired limit."""
    seen = evidence.first("e22", "e23", "e24")
    if seen is None or evidence.first("e94") is not None:
        return None
    ram = ram_gb(evidence) or _mac_ram(evidence)
    weights = evidence.memory.weights() if evidence.memory is not None else None
    # macOS lets the GPU wire about two thirds of the RAM up to 36 GB, three quarters above.
    why = []
    if weights and evidence.memory is not None:
        why.append(f"{evidence.memory.name} has {gib(weights)} of weights, before any cache and buffers.")
    if ram:
        share = 2 / 3 if ram <= 36 else 3 / 4
        why.append(
            f"Of {ram:g} GB Metal hands out about {'two thirds' if ram <= 36 else 'three quarters'}: a"
            f" budget of {ram * share:.1f} GiB."
        )
    else:
        why.append(
            "Metal hands out about two thirds of a Mac's RAM (three quarters above 36 GB): on 16 GB a"
            " budget of about 11 GB (10.7 GiB)."
        )
    why.append(
        "How little is in use before the start does not matter: the limit is on what one GPU program may"
        " wire."
    )
    return Finding(
        Cause.TOO_LARGE if weights else Cause.CONTEXT_TOO_LARGE,
        Weight.PROVEN if weights and ram else Weight.NUMBERS,
        "Metal's budget is too small for this: the GPU may wire only a part of the Mac's memory.",
        tuple(why),
        (
            Fix("-c 4096 to 8192", "context", {"-c": "8192"}),
            Fix("sudo sysctl iogpu.wired_limit_mb=N, leaving the system 4 to 5 GB", "the system has less"),
            Fix("a smaller model or quantisation", "quality"),
        ),
        line=seen.line,
    )


def _mac_ram(evidence: Evidence) -> float | None:
    found = re.search(r"\b(?:Mac|M\d(?: Pro| Max| Ultra)?)\b[^\n]{0,40}?\b(\d{1,3}) ?GB", evidence.text)
    return float(found[1]) if found else None
