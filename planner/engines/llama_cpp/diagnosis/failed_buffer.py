"""A buffer that was refused: which one it was, on which device, and what makes it smaller."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Seen, Weight
from planner.engines.llama_cpp.diagnosis.buffers import needs, taken_by_others
from planner.engines.llama_cpp.diagnosis.devices import Device, devices
from planner.engines.llama_cpp.diagnosis.flags import DEFAULT_UBATCH, LAYERS, UBATCH, context, size_of
from planner.units import MIB

_REFUSED: Final = ("e01", "e02", "e03", "e15", "e25", "e26", "e29")
_FOLDER: Final = "llama_cpp"  # not a program that runs it
_AROUND: Final = 500  # characters before and after the line, in which its neighbours say which buffer it was
_HOST: Final = re.compile(r"\bcpu_buffer_type|\bCPU(?:_\w+)? buffer|allocate (?:CPU|\w+_Host)\w* ?buffer")
_LAYERS_ON_CPU: Final = ("-ot", "--override-tensor", "--n-cpu-moe", "-ncmoe", "--cpu-moe", "-cmoe")


class Part(Enum):
    """What a buffer holds; each with the words that stand near its refusal."""

    PROJECTOR = re.compile(r"\bclip_|\bmtmd_|\[mtmd\]|mmproj|projector", re.I)
    COMPUTE = re.compile(r"gallocr|graph_reserve|compute (?:pp |tg )?buffer|sched_reserve", re.I)
    WEIGHTS = re.compile(r"alloc_tensor_range|load_tensors|load_model|error loading model|model buffer", re.I)


def buffer_did_not_fit(evidence: Evidence) -> Finding | None:
    """Which buffer failed: weights, projector or compute; the lines around the failed allocation say it."""
    failed = evidence.first(*_REFUSED)
    if failed is None or evidence.first("e04", "e05", "e14") is not None:
        return None
    near = _near(evidence, failed)
    sizes = (size_of(seen) for seen in evidence.all("e01", "e02", "e29", failed.message.id))
    size = next((size for size in sizes if size), None) or _vulkan_size(near)
    said = f" of {size}" if size else ""
    why = [f"Line {failed.line}: {failed.text.strip()[:240]}"]
    if _HOST.search(near) and not re.search(r"(?:cuda|hip|musa)Malloc|Vulkan", near):
        return _host(evidence, failed, said, why)
    part = next((p for p in Part if p.value.search(near)), None)
    larger = _more_was_free(evidence, failed)
    if larger is not None:
        return _one_piece(failed, larger, why, said)
    if part is Part.PROJECTOR:
        return _projector(failed, said, why)
    conflict = _placed_by_hand(evidence)
    fixes: list[Fix] = []
    if part is Part.COMPUTE or (evidence.first("e02", "e15") is not None and part is not Part.WEIGHTS):
        cause = Cause.EXTRA_UNCOUNTED
        what = f"The compute buffer{said} did not fit; weights and KV cache were placed before it."
        ubatch = evidence.number(*UBATCH) or DEFAULT_UBATCH
        smaller = 512 if ubatch > DEFAULT_UBATCH else max(ubatch // 2, 64)
        why.append(
            f"A compute buffer grows with the tokens of one step (-ub, {ubatch} here) and with the context."
        )
        fixes.append(Fix(f"-ub {smaller}", "slower prefill", {"-ub": str(smaller)}))
    else:
        cause = Cause.OPTION_CONFLICT if conflict else Cause.TOO_LARGE
        named = "The weights" if part is Part.WEIGHTS else "A buffer"
        what = f"{named}{said} did not fit into what was free on the GPU."
    if evidence.first("e26") is not None:
        what = f"The GPU is full: a Vulkan allocation{said} failed, after everything before it was placed."
        cause = (
            Cause.OPTION_CONFLICT if conflict or evidence.engine in (None, _FOLDER) else Cause.EXTRA_UNCOUNTED
        )
        why.append(
            "Weights, KV cache, compute buffers and the driver's own share add up to more than the card"
            " has; an estimate"
            " that leaves the last two out is too low. It is what happens when -ngl asks for too many"
            " layers for the card"
            ": allocations go on until one is refused."
        )
    if conflict:
        why.append(f"{conflict}, so --fit may not move layers: too many of them for this card's memory.")
    fewer = Fix(
        "no -ngl: --fit then takes as many layers as fit", "the rest runs from RAM, slower", drop=LAYERS
    )
    if part is Part.COMPUTE and not conflict:
        fixes.append(fewer)
    else:
        fixes.insert(0, fewer)
    tokens = context(evidence)
    if tokens and tokens > 8192:
        fixes.append(Fix(f"-c {tokens // 2}", "half of the context", {"-c": str(tokens // 2)}))
    else:
        fixes.append(Fix("a shorter context", "context"))
    for more in (taken_by_others(evidence), needs(evidence)):
        if more:
            why.append(more)
    fixes.append(Fix("a smaller quantisation", "quality"))
    return Finding(
        cause, Weight.NUMBERS, what, tuple(why), tuple(fixes), line=failed.line,
        wants_log=not evidence.has("buffer size ="),
    )  # fmt: skip


def _near(evidence: Evidence, seen: Seen) -> str:
    at = evidence.text.find(seen.text)
    return evidence.text[max(at - _AROUND, 0) : at + len(seen.text) + _AROUND] if at >= 0 else seen.text


def _vulkan_size(near: str) -> str | None:
    asked = re.search(r"allocation of size (\d{1,18}) failed", near)
    return f"{int(asked[1]) / MIB:,.0f} MiB" if asked else None


def _placed_by_hand(evidence: Evidence) -> str | None:
    """Which option fixed the placement; None where nothing shows one."""
    layers = evidence.flag(*LAYERS)
    if layers not in (None, "0", "auto"):
        return f"-ngl {layers} was set by hand"
    if evidence.first("e06", "e07") is not None:
        return "-ngl, -ot or --n-cpu-moe was set by hand"
    flag = next((name for name in _LAYERS_ON_CPU if evidence.flag(name) is not None), None)
    return f"{flag} was set by hand" if flag else None


def _more_was_free(evidence: Evidence, failed: Seen) -> Device | None:
    """The device, where the log says that it had more free than the one allocation asked for."""
    asked = failed.number("mib")
    number = failed.values.get("dev") or "0"
    for device in devices(evidence):
        if not device.host and device.id.endswith(number) and asked and device.free > asked:
            loaded = evidence.has("buffer size =")  # then what was free at the start is no longer free
            return None if loaded else device
    return None


def _one_piece(failed: Seen, device: Device, why: list[str], said: str) -> Finding:
    why += [
        f"{device.id} ({device.name}) reported {device.free:,} MiB free, more than was asked for: the sum is not the"
        " matter.",
        "A driver may refuse one large allocation all the same: on an APU the dedicated part (the BIOS's carve-out) and"
        " the shared part of RAM are two pools, and one allocation has to lie in one of them. Or another program took"
        " the memory in between.",
    ]
    return Finding(
        Cause.UNSEEN_MEMORY,
        Weight.NUMBERS,
        f"One allocation{said} was refused although more was reported free.",
        tuple(why),
        (
            Fix("the Vulkan build: it cuts the weights into pieces", "prefill may be slower"),
            Fix(
                "on an APU: a larger dedicated part in the BIOS (or, on Linux, a larger ttm.pages_limit)",
                "RAM",
            ),
            Fix("-ngl lower, so that the piece on the GPU is smaller", "slower decode"),
        ),
        line=failed.line,
        wants_log=True,
        report="Name the free memory that the device reports, and the size of the allocation that is refused.",
    )


def _projector(failed: Seen, said: str, why: list[str]) -> Finding:
    why.append(
        "A repository's mmproj is fetched and loaded beside the model (-hf does it by itself), after"
        " weights and KV cache"
        " took their room; builds before April 2026 do not count it in --fit (pull request 21489)."
    )
    return Finding(
        Cause.EXTRA_UNCOUNTED,
        Weight.NUMBERS,
        f"The projector for images{said} found no room: the model filled the GPU before it.",
        tuple(why),
        (
            Fix("--no-mmproj", "no images", {"--no-mmproj": ""}, drop=("--mmproj",)),
            Fix("--no-mmproj-offload: the projector in RAM", "slower images", {"--no-mmproj-offload": ""}),
            Fix("a smaller -c, or --fit-target 2048", "context", {"--fit-target": "2048"}),
        ),
        line=failed.line,
    )


def _host(evidence: Evidence, failed: Seen, said: str, why: list[str]) -> Finding:
    """A buffer in RAM: what stays there of the weights, or a cache without a GPU."""
    tokens = context(evidence)
    why.append(
        "The buffer is the CPU's: the system's RAM (or the container's limit) is at its end, not the"
        " GPU's memory."
    )
    needed = needs(evidence)
    if needed:
        why.append(needed)
    return Finding(
        Cause.CONTEXT_TOO_LARGE if tokens and tokens > 32768 else Cause.TOO_LARGE,
        Weight.NUMBERS,
        f"Host RAM ran out: a buffer{said} in RAM was refused; free VRAM does not help it.",
        tuple(why),
        (
            *((Fix(f"-c {tokens // 2}", "half of the context", {"-c": str(tokens // 2)}),) if tokens else ()),
            Fix("more layers on the GPU, or experts back from RAM", "VRAM"),
            Fix("a higher limit of the container or of WSL (.wslconfig), or swap", "none"),
            Fix("a smaller quantisation", "quality"),
        ),
        line=failed.line,
        ask=("how much RAM is free, and the container's limit",),
    )
