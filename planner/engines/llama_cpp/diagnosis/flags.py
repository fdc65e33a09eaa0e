"""The flags that the rules read, under llama.cpp's names, its defaults, and what was renamed."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Evidence, Seen
from planner.units import MIB

CONTEXT: Final = ("-c", "--ctx-size", "--context")
UBATCH: Final = ("-ub", "--ubatch-size")
SLOTS: Final = ("-np", "--parallel")
LAYERS: Final = ("-ngl", "--gpu-layers", "--n-gpu-layers")
SPEC: Final = ("--spec-type",)
CACHE_RAM: Final = ("--cache-ram", "-cram")
FIT_TARGET: Final = ("-fitt", "--fit-target")
LOG: Final = "the log with -lv 4: it names every buffer"
PROGRAMS: Final = ("llama-server", "llama-cli", "llama-completion", "llama-bench", "llama-mtmd-cli")
SIGN: Final = r"llama[-_]|ggml_|\bslot \w+:|srv \w+:|\.gguf\b|exceed_context_size_error"  # in any case
DEFAULT_UBATCH: Final = 512  # common/common.h, b11434
DEFAULT_CACHE_RAM: Final = 8192  # MiB; cache_ram_mib in common/common.h:635, since about b6700
DEFAULT_FIT_TARGET: Final = 1024  # MiB a GPU; fit_params_target in common/common.h
PIPELINE_COPIES: Final = 4  # GGML_SCHED_MAX_COPIES, ggml/src/ggml-backend.cpp
# Flags that are gone, with what they are called now (common/arg.cpp; the pull requests say when).
RENAMED: Final = {
    "--draft-max": ("--spec-draft-n-max", "May 2026"),
    "--draft-min": ("--spec-draft-n-min", "May 2026"),
    "--draft": ("--spec-draft-n-max", "May 2026"),
    "--no-mmap": ("--load-mode none", "September 2026, pull request 28334"),
    "--mmap": ("--load-mode mmap", "September 2026, pull request 28334"),
    "--mlock": ("--load-mode mlock", "September 2026, pull request 28334"),
    "-dio": ("--load-mode dio", "September 2026, pull request 28334"),
}
CACHE_LINE: Final = re.compile(
    r"size =\s*(?P<mib>[\d.]+) MiB \(\s*(?P<cells>\d+) cells(?:,\s*(?P<layers>\d+) layers)?"
)


def context(evidence: Evidence) -> int | None:
    stated = evidence.number(*CONTEXT)
    if stated:
        return stated
    shown = re.search(r"\bn_ctx\s*=\s*(\d+)", evidence.text)
    return int(shown[1]) if shown else None


def size_of(seen: Seen | None) -> str | None:
    if seen is None:
        return None
    count = seen.number("bytes")
    if count:
        return f"{count / 1e9:.1f} GB ({count / MIB:,.0f} MiB)"
    size = seen.number("mib")
    return f"{size:,.0f} MiB" if size else None


def ram_gb(evidence: Evidence) -> float | None:
    found = re.search(
        r"(\d{1,4}(?:\.\d+)?)\s?G(?:i?B)?\s+(?:of\s+)?(?:RAM|host RAM|system memory|DDR\d)",
        evidence.text,
        re.I,
    )
    return float(found[1]) if found else None


def round_context(tokens: float) -> int:
    step = 1024
    while step < tokens:
        step *= 2
    return step
