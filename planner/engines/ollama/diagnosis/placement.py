"""Where the layers lie: what is left in RAM, GPUs that are dropped, models that are too large."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Weight
from planner.units import GIB, gib

# From 0.30 on integrated GPUs are dropped, and the runner is llama-server (discover/gpu.go, llm/llama_server.go).
DROPS_INTEGRATED: Final = (0, 30)


_PS: Final = re.compile(
    r"(?:(?P<version>\d+\.\d+\.\d+)\s+)?(?:ollama ps: )?(?P<model>[\w./-]+:[\w.-]+)\s+(?:(?P<size>[\d.]+ ?[KMG]B)\s+)?"
    r"(?P<share>100% (?:GPU|CPU)|\d+%/\d+% CPU/GPU)(?:\s+(?P<context>\d+))?"
)


_UNITS: Final = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": GIB}


_OFFLOAD: Final = re.compile(
    r'layers\.model=(?P<all>\d+).*?layers\.offload=(?P<on>\d+).*?memory\.available="\[(?P<free>[^\]]+)\]".*?'
    r'memory\.required\.full="(?P<need>[^"]+)"'
)


_PARTS: Final = (
    ("weights", re.compile(r'memory\.weights\.total="([^"]+)"')),
    ("KV cache", re.compile(r'memory\.required\.kv="([^"]+)"')),
    ("graph", re.compile(r'memory\.graph\.full="([^"]+)"')),
    ("projector", re.compile(r'projector\.weights="([^"]+)"')),
    ("projector's graph", re.compile(r'projector\.graph="([^"]+)"')),
)


_PULLED: Final = re.compile(r"(?P<size>\d+(?:\.\d+)?) GB\b")


def _bytes(text: str | None) -> float | None:
    if not text:
        return None
    number, _, unit = text.partition(" ")
    try:
        return float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        return None


def more_than_the_machine(evidence: Evidence) -> Finding | None:
    """'model requires more system memory' (until 0.2x), 'model is too large for system memory' (from 0.30 on)."""
    seen = evidence.first("e48", "e58")
    if seen is None:
        return None
    need, have = _bytes(seen.values.get("need")), _bytes(seen.values.get("have"))
    pulled = _PULLED.search(evidence.text)
    size = float(pulled["size"]) * 1e9 if pulled else None
    why = []
    if need and have:
        why.append(f"It would need {gib(int(need))} of memory; {gib(int(have))} are free.")
    if size and have:
        why.append(
            f"The file alone has {size / 1e9:,.0f} GB against {gib(int(have))}: {size / have:.0f} times"
            " what there is."
        )
    hopeless = bool(have and (size or need or 0) > 1.5 * have)
    fixes = []
    if hopeless and have:
        room = have * 0.65
        why.append("No setting helps: context, cache types and parallel requests are a small part of that.")
        fixes.append(
            Fix(
                f"a model whose file is at most {room / 1e9:.0f} GB (two thirds of what is free; the rest"
                " is cache, buffers"
                f" and the system): planner check --ram {have / GIB:.0f}GiB --engine ollama names the best"
                " that fit",
                "a smaller model",
            )
        )
    else:
        fixes += [
            Fix(
                "a context of 4,096 tokens (num_ctx, OLLAMA_CONTEXT_LENGTH) and OLLAMA_NUM_PARALLEL=1",
                "context",
                env={"OLLAMA_CONTEXT_LENGTH": "4096", "OLLAMA_NUM_PARALLEL": "1"},
            ),
            Fix("close what else uses memory; raise the limit of WSL or the container", "none"),
            Fix("a smaller tag of the model", "quality"),
        ]
    return Finding(
        Cause.TOO_LARGE,
        Weight.PROVEN if need and have else Weight.NUMBERS,
        "The model is larger than this machine's memory."
        if hopeless
        else "What would lie in RAM is more than is free.",
        tuple(why) or (seen.message.decides,),
        tuple(fixes),
        line=seen.line,
    )


def layers_left_out(evidence: Evidence) -> Finding | None:
    """'msg=offload … layers.offload=48 … memory.required.full': Ollama's own sum against what is free"
    " (llm/memory.go)."""
    found = list(_OFFLOAD.finditer(evidence.text))
    if not found:
        return None
    last = found[-1]
    layers, placed = int(last["all"]), int(last["on"])
    need = _bytes(last["need"])
    free = [_bytes(part.strip()) for part in last["free"].split(",")]
    have = sum(part for part in free if part is not None)
    if placed >= layers or not need or not have:
        return None
    end = evidence.text.find("\n", last.start())
    row = evidence.text[last.start() : end if end > 0 else None]
    parts = [
        f"{name} {said[1]}" for name, pattern in _PARTS if (said := pattern.search(row)) and said[1] != "0 B"
    ]
    short = need - have
    why = [
        f"Ollama needs {last['need']} for all of it; {gib(int(have))} are free on the GPU"
        + (f": {gib(int(short))} too little." if short > 0 else ", beside what it keeps back.")
    ]
    if parts:
        why.append(f"It is made of: {', '.join(parts)}.")
    why.append(
        f"So {placed} of {layers} layers are on the GPU; the others run from RAM, which slows each token down."
    )
    return Finding(
        Cause.SPILL_BY_A_LITTLE if short < have / 3 else Cause.TOO_LARGE,
        Weight.PROVEN,
        f"{layers - placed} of {layers} layers were left in RAM: the GPU is short of memory for them.",
        tuple(why),
        (
            Fix("a smaller num_ctx (OLLAMA_CONTEXT_LENGTH), where it is above 4096", "context"),
            Fix(
                "OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q8_0",
                "little quality",
                env={"OLLAMA_FLASH_ATTENTION": "1", "OLLAMA_KV_CACHE_TYPE": "q8_0"},
            ),
            Fix("OLLAMA_NUM_PARALLEL=1", "requests wait for each other", env={"OLLAMA_NUM_PARALLEL": "1"}),
            Fix("a smaller tag of the model", "quality"),
        ),
    )


def output_layer_in_ram(evidence: Evidence) -> Finding | None:
    """One layer is missing, but it is the output layer, with the embeddings: the largest of all."""
    if not evidence.has("offloading output layer to cpu"):
        return None
    seen = evidence.last("e17")
    if seen is not None and (seen.number("n") or 0) + 1 != (seen.number("m") or 0):
        return None
    share = evidence.first("e60")
    size = evidence.memory.ends() if evidence.memory is not None else None
    placed = (
        f"{seen.values['n']}/{seen.values['m']} layers looks harmless"
        if seen
        else "One missing layer looks harmless"
    )
    of = ""
    if size:
        low, high = (f"{end / 1e9:.1f}" for end in size)
        span = low if low == high else f"{low} to {high}"
        of = f" ({span} GB by the model's own tensors; the others have 50 to 100 MB each)"
    why = [f"{placed}, but the missing one is the output layer with the embeddings{of}."]
    if share is not None and share.values.get("cpu"):
        why.append(f"So {share.values['cpu']} % of the model run from RAM, and the speed falls to RAM's.")
    why.append("The KV cache was given room before it: a shorter context leaves the output layer its place.")
    return Finding(
        Cause.SPILL_BY_A_LITTLE,
        Weight.PROVEN,
        "The one layer that stayed in RAM is by far the largest: the output layer.",
        tuple(why),
        (
            Fix("a smaller num_ctx (PARAMETER num_ctx, OLLAMA_CONTEXT_LENGTH), half of today's", "context"),
            Fix(
                "OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q8_0",
                "little quality",
                env={"OLLAMA_FLASH_ATTENTION": "1", "OLLAMA_KV_CACHE_TYPE": "q8_0"},
            ),
            Fix("a newer Ollama, which places layers with llama.cpp's own --fit", "none"),
        ),
        line=seen.line if seen else None,
    )


def integrated_gpu_dropped(evidence: Evidence) -> Finding | None:
    """Since 0.30 integrated GPUs are ignored unless OLLAMA_IGPU_ENABLE=1."""
    said = evidence.first("e54")
    rows = list(_PS.finditer(evidence.text))
    before = next((r for r in rows if r["share"] == "100% GPU"), None)
    after = next((r for r in rows if r["share"] == "100% CPU"), None)
    lost = (
        before is not None
        and after is not None
        and (version := _version(after["version"])) is not None
        and version >= DROPS_INTEGRATED
        and (_version(before["version"]) or (0, 0)) < DROPS_INTEGRATED
    )
    if said is None and not lost:
        return None
    why = [
        "Since 0.30 Ollama drops integrated GPUs (iGPUs, APUs) by default: the model runs on the CPU alone.",
    ]
    if lost and before is not None and after is not None:
        why.append(
            f"{before['version']} ran it {before['share']}, {after['version']} runs it {after['share']}."
        )
        if after["context"] and before["context"] and int(after["context"]) < int(before["context"]):
            why.append(
                f"The context fell from {int(before['context']):,} to {int(after['context']):,} for the"
                " same reason: without"
                " a GPU the total of VRAM is 0, and that is the tier of 4,096 tokens."
            )
    else:
        why.append(
            "Without a GPU the total of VRAM is 0, so that the default context is the tier of 4,096"
            " tokens, too."
        )
    return Finding(
        Cause.GPU_NOT_USED,
        Weight.PROVEN,
        "The integrated GPU is no longer used.",
        tuple(why),
        (
            Fix(
                "OLLAMA_IGPU_ENABLE=1 in the server's environment, then restart it",
                "none",
                env={"OLLAMA_IGPU_ENABLE": "1"},
            ),
            Fix(
                "OLLAMA_CONTEXT_LENGTH=32768, if the context stays short",
                "memory",
                env={"OLLAMA_CONTEXT_LENGTH": "32768"},
            ),
        ),
        line=said.line if said else None,
    )


def _version(text: str | None) -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)", text or "")
    return (int(found[1]), int(found[2])) if found else None


def library_without_code(evidence: Evidence) -> Finding | None:
    """'skipping CUDA device': one of two libraries has no code for the card; the other may (discover/runner.go)."""
    seen = evidence.first("e53")
    if seen is None:
        return None
    alone = (
        evidence.first("e55") is not None or "100% CPU" in evidence.text or "offloaded 0/" in evidence.text
    )
    why = (
        f"Line {seen.line}: {seen.text.strip()[:200]}",
        "Ollama ships two CUDA libraries (cuda_v12, cuda_v13); each card has code in one of them at"
        " least, and the other says"
        " that it skips it.",
    )
    if not alone:
        return Finding(
            Cause.NOTICE,
            Weight.NUMBERS,
            "A normal line: one of Ollama's two CUDA libraries has no code for this card, the other one runs it.",
            (*why, "ollama ps says what counts: 100% GPU is right."),
            (Fix("nothing, as long as ollama ps shows the GPU", "none"),),
            line=seen.line,
        )
    return Finding(
        Cause.GPU_NOT_USED,
        Weight.PROVEN,
        "No CUDA library that is installed has code for this card: the model runs on the CPU.",
        why,
        tuple(seen.message.cures),
        line=seen.line,
    )


def partly_in_ram(evidence: Evidence) -> Finding | None:
    """`ollama ps` shows a share on the CPU."""
    seen = evidence.last("e60")
    if seen is None:
        return None
    share = seen.values.get("cpu")
    if share is None:
        return Finding(
            Cause.GPU_NOT_USED,
            Weight.MESSAGE,
            "The model runs on the CPU alone.",
            (seen.message.decides,),
            (
                Fix("see the server's log for 'inference compute': was a GPU found?", "none"),
                Fix("docker run --gpus all (NVIDIA), --device /dev/kfd --device /dev/dri (AMD)", "none"),
                Fix(
                    "OLLAMA_IGPU_ENABLE=1 for an integrated GPU (from 0.30 on)",
                    "none",
                    env={"OLLAMA_IGPU_ENABLE": "1"},
                ),
            ),
            ask=("the server's log from its start",),
            line=seen.line,
        )
    return Finding(
        Cause.SPILL_BY_A_LITTLE,
        Weight.NUMBERS,
        f"{share} % of the model's bytes lie in RAM; decode slows to what RAM delivers.",
        (f"Line {seen.line}: {seen.text.strip()[:160]}", seen.message.decides),
        (
            Fix("a smaller num_ctx", "context"),
            Fix(
                "OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q8_0",
                "little quality",
                env={"OLLAMA_FLASH_ATTENTION": "1", "OLLAMA_KV_CACHE_TYPE": "q8_0"},
            ),
            Fix("a smaller tag", "quality"),
        ),
        line=seen.line,
    )
