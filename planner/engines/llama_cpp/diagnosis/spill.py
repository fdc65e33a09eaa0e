"""What runs, but slowly: layers in RAM, VRAM paged by the driver."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Seen, Weight
from planner.engines.llama_cpp.diagnosis.buffers import needs
from planner.engines.llama_cpp.diagnosis.flags import DEFAULT_UBATCH, UBATCH, context
from planner.units import mib

_WORKS: Final = re.compile(
    r"(?:same|with|at)[^.\n]{0,60}?(?:-c|--ctx-size)[ =](?P<tokens>\d+)[^\n]{0,20}\b(?:is fine|works|is ok|runs)",
    re.I,
)


def layers_left_in_ram(evidence: Evidence) -> Finding | None:
    """A fused operation "on another device": --fit left layers on the CPU (src/llama-context.cpp:539)."""
    seen = evidence.first("e16")
    if seen is None or not (seen.values.get("a") or "").upper().startswith("CPU"):
        return None
    tokens = context(evidence)
    why = [
        "--fit left layers on the CPU because the GPUs were short of memory by a little: layer"
        f" {seen.values['il']} is"
        f" on {seen.values['a']}, while {seen.values['op']} runs on {seen.values['b']}. The words"
        ' "usually due to missing support" point the wrong way: nothing is unsupported.',
    ]
    fixes = []
    if tokens:
        works = _WORKS.search(evidence.text)
        lower = int(works["tokens"]) if works else _notch_below(tokens)
        freed = _between(evidence, lower, tokens)
        if works:
            why.append(
                f"The same command with {lower:,} tokens fits, with {tokens:,} it doesn't: VRAM is short"
                " by at most"
                f" {freed or 'what these tokens take'}."
            )
        elif freed:
            why.append(f"Each step counts: {tokens - lower:,} tokens of context are {freed}.")
        fixes.append(Fix(f"-c {lower}", f"{tokens - lower:,} tokens of context", {"-c": str(lower)}))
    if evidence.flag("--spec-draft-n-max", "--draft-max"):
        fixes.append(Fix("a smaller --spec-draft-n-max", "drafts fewer tokens a step"))
    if (evidence.number(*UBATCH) or DEFAULT_UBATCH) > DEFAULT_UBATCH:
        fixes.append(Fix("-ub 512", "slower prefill", {"-ub": "512"}))
    if evidence.flag("--mmproj", "-mm") is not None:
        fixes.append(Fix("--no-mmproj", "no images", {"--no-mmproj": ""}, drop=("--mmproj", "-mm")))
    if evidence.flag("-ctk", "--cache-type-k") is None:
        fixes.append(Fix("-ctk q8_0 -ctv q8_0", "little quality", {"-ctk": "q8_0", "-ctv": "q8_0"}))
    return Finding(
        Cause.SPILL_BY_A_LITTLE,
        Weight.PROVEN if tokens else Weight.NUMBERS,
        "It runs, but slowly: some layers were left in RAM, since VRAM is short by a little.",
        tuple(why),
        tuple(fixes),
        ask=() if tokens else ("the whole command", "the log with -lv 4 (its line 'offloaded n/m layers')"),
        line=seen.line,
    )


def _notch_below(tokens: int) -> int:
    """One notch less: about five per cent, in round thousands."""
    return max(tokens * 95 // 100 // 1000 * 1000, 1024)


def _between(evidence: Evidence, low: int, high: int) -> str | None:
    if evidence.memory is None:
        return None
    less, more = evidence.memory.cache(low), evidence.memory.cache(high)
    return mib(more - less) if less is not None and more is not None and more > less else None


def layers_in_ram(evidence: Evidence) -> Finding | None:
    """offloaded n/m layers, n < m."""
    seen = evidence.last("e17")
    if seen is None:
        return None
    placed, of = seen.number("n") or 0.0, seen.number("m") or 0.0
    if placed >= of or not of:
        return None
    if placed == 0:
        return _no_layer(seen)
    what = f"{of - placed:.0f} of {of:.0f} layers run from RAM: the GPU is short of memory for them."
    cause = Cause.SPILL_BY_A_LITTLE
    tokens = context(evidence)
    off = re.search(r"flash_attn\s*= (?:0|disabled)\b", evidence.text) is not None
    fixes = [
        Fix("-ctk q8_0 -ctv q8_0", "little quality", {"-ctk": "q8_0", "-ctv": "q8_0"}),
        Fix("a smaller quantisation", "quality"),
    ]
    if tokens and tokens > 8192:
        freed = _between(evidence, tokens // 2, tokens)
        fixes.insert(
            0,
            Fix(
                f"-c {tokens // 2}",
                f"half of the context{f'; it frees {freed}' if freed else ''}",
                {"-c": str(tokens // 2)},
            ),
        )
    return Finding(
        cause,
        Weight.NUMBERS,
        what,
        (
            f"Line {seen.line}: {seen.text.strip()[:160]}",
            *(
                (f"The context is {tokens:,} tokens, whose cache has its place before the layers.",)
                if tokens
                else ()
            ),
            *(
                ("Flash attention is off (flash_attn = 0): with it the compute buffer is smaller.",)
                if off
                else ()
            ),
        ),
        tuple(fixes),
        line=seen.line,
    )


def _no_layer(seen: Seen) -> Finding:
    """offloaded 0/m: a GPU was not found, has no backend here, or was told to take none."""
    return Finding(
        Cause.GPU_NOT_USED,
        Weight.NUMBERS,
        "No layer is on a GPU: everything runs from RAM on the processor.",
        (
            f"Line {seen.line}: {seen.text.strip()[:160]}",
            "Either no GPU was found (the lines at the start name each one: device_info, inference"
            " compute), or the backend"
            " for it was not loaded (only the CPU's: a missing driver, CUDA, ROCm or Vulkan library),"
            " or -ngl 0 (num_gpu 0)"
            " was set.",
        ),
        (
            Fix(
                "the build or backend for this GPU, with its driver (nvidia-smi or vulkaninfo lists it)",
                "none",
            ),
            Fix("in a container: --gpus all (NVIDIA), --device /dev/kfd --device /dev/dri (AMD)", "none"),
        ),
        line=seen.line,
        wants_log=True,
    )


_GPU_IDLE: Final = re.compile(r"\b(?P<a>\d{1,2}) ?% GPU\b|\bGPU(?:[ -]?util\w*)?:? ?(?P<b>\d{1,2}) ?%", re.I)
_CPU_BUSY: Final = re.compile(r"\b(?P<a>\d{3,4}) ?% CPU\b|\bCPU(?: usage)?:? ?(?P<b>\d{3,4}) ?%", re.I)


def busy_processor(evidence: Evidence) -> Finding | None:
    """The GPU waits while several cores of the CPU work: layers run from RAM, without a message."""
    idle, busy = _GPU_IDLE.search(evidence.text), _CPU_BUSY.search(evidence.text)
    if idle is None or busy is None:
        return None
    tokens = context(evidence)
    share = int(idle["a"] or idle["b"])
    fixes = [Fix("-ctk q8_0 -ctv q8_0", "little quality", {"-ctk": "q8_0", "-ctv": "q8_0"})]
    if tokens and tokens > 8192:
        freed = _between(evidence, tokens * 3 // 4, tokens)
        cost = f"a quarter of the context{f'; it frees {freed}' if freed else ''}"
        fixes.insert(0, Fix(f"-c {tokens * 3 // 4}", cost, {"-c": str(tokens * 3 // 4)}))
    if evidence.flag("--mmproj", "-mm") is not None:
        fixes.append(Fix("--no-mmproj", "no images", {"--no-mmproj": ""}, drop=("--mmproj",)))
    return Finding(
        Cause.SPILL_BY_A_LITTLE,
        Weight.SYMPTOM,
        "Some layers run from RAM on the processor: the GPU waits for them. No message says so.",
        (
            f"The GPU is busy by {share} %, the processor by {busy['a'] or busy['b']} % (several cores):"
            f" with all layers on"
            " the GPU it is the other way round.",
            *((f"{needed}",) if (needed := needs(evidence)) else ()),
        ),
        tuple(fixes),
        wants_log=True,
    )


def paged_by_windows(evidence: Evidence) -> Finding | None:
    """Windows pages VRAM to shared memory without a word (WDDM)."""
    slow = evidence.has("slow", "falls ~", "drops to", "tok/s then", "speed falls", "x slower")
    told = evidence.first("e99") is not None
    idle = bool(re.search(r"bandwidth[^.\n]{0,12}\b\d{1,2} ?%", evidence.text, re.I))
    if not (told or (slow and idle)):
        return None
    return Finding(
        Cause.SPILL_BY_A_LITTLE,
        Weight.SYMPTOM,
        "VRAM is oversubscribed, and the driver pages it to shared system memory over PCIe: on Windows"
        " (WDDM) that is silent.",
        (
            "No error is printed: the GPU looks busy while its memory bandwidth is nearly idle, and the"
            " speed falls five to"
            " twenty times.",
            "The context was sized to the limit; what grows while it works (pools, draft buffers, the"
            " desktop) has no room.",
        ),
        (
            Fix("a smaller -c: leave 1 to 1.5 GiB of VRAM free", "context"),
            Fix("--fit-target 2048 in place of a -c sized by hand", "context", {"--fit-target": "2048"}),
            Fix(
                "NVIDIA control panel: CUDA – Sysmem Fallback Policy = Prefer No Sysmem Fallback",
                "it then fails with an error instead",
            ),
        ),
    )


def needs_more_than_free(evidence: Evidence) -> Finding | None:
    """ "projected to use A MiB … vs. F MiB of free device memory": llama.cpp's own sum (common/fit.cpp)."""
    seen = evidence.last("e09")
    if seen is None:
        return None
    need, free = seen.number("need") or 0.0, seen.number("free") or 0.0
    if need <= free:
        return Finding(
            Cause.NOTICE,
            Weight.NOTICE,
            "It fits: llama.cpp's own sum is below what is free.",
            (f"{need:,.0f} MiB are needed, {free:,.0f} MiB are free.",),
            (Fix("nothing"),),
            line=seen.line,
        )
    over = need - free
    tokens = context(evidence)
    fixes = [Fix("-ctk q8_0 -ctv q8_0", "little quality", {"-ctk": "q8_0", "-ctv": "q8_0"})]
    if tokens:
        fixes.insert(0, Fix(f"-c {tokens // 2}", "half of the context", {"-c": str(tokens // 2)}))
    fixes.append(Fix("a smaller quantisation", "quality"))
    return Finding(
        Cause.SPILL_BY_A_LITTLE if over < free / 4 else Cause.TOO_LARGE,
        Weight.NUMBERS,
        "It is larger than the GPU's free memory: --fit shortens the context or leaves layers in RAM.",
        (f"{need:,.0f} MiB are needed, {free:,.0f} MiB are free: {over:,.0f} MiB too little.",),
        tuple(fixes),
        ask=("the lines after it: what --fit changed",),
        line=seen.line,
    )
