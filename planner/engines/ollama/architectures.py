"""What Ollama does with an architecture out of the ordinary: one row a family's name.

Read in ollama/ollama at fb30760 (2026-08-21): server/sched.go; what its library serves in the files themselves.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import dataclass
from planner.models.architecture import Architecture


@dataclass(frozen=True, slots=True)
class OllamaTraits:
    """One architecture's row."""

    one_at_a_time: bool = False  # never more than one request, whatever OLLAMA_NUM_PARALLEL says
    holds_prediction: bool = (
        False  # the library's files hold prediction layers, with which Ollama drafts by itself
    )
    mxfp4_mix: str = ""  # what the library's files in MXFP4 are, where not what llama.cpp's tools make


_ONE: Final = OllamaTraits(one_at_a_time=True)
OLLAMA_ARCHITECTURES: Final[dict[str, OllamaTraits]] = {
    # experts in MXFP4 and everything else in BF16 (13.8 GB and 65.4 GB; llama.cpp's tools leave Q8_0 there)
    "gpt-oss": OllamaTraits(mxfp4_mix="MXFP4_BF16"),
    **dict.fromkeys(("lfm2", "lfm2moe", "mllama", "nemotron_h", "nemotron_h_moe", "nemotron_h_omni"), _ONE),
    **dict.fromkeys(("qwen3next", "qwen3vl", "qwen3vlmoe"), _ONE),
    # Qwen 3.5 and later (hasLegacyQwenMTPDraft)
    **dict.fromkeys(("qwen35", "qwen35moe"), OllamaTraits(one_at_a_time=True, holds_prediction=True)),
}
_ORDINARY: Final = OllamaTraits()


def ollama_traits(arch: Architecture) -> OllamaTraits:
    """Return an architecture's row; an ordinary one where it has none."""
    return OLLAMA_ARCHITECTURES.get(arch.gguf_arch or "", _ORDINARY)
