"""What drafting with a model's own prediction layers gained where somebody measured it, one stream with and without.

Engines on ggml alone (llama.cpp, Ollama). Published figures of single machines: between cards, prompts and builds
they differ by more than a rule could say, so that a range is told and nothing is fitted.
"""

from __future__ import annotations

from statistics import median
from typing import Final

from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class DraftGain:
    """One measurement: decode speed with drafting, divided by the speed without."""

    vendor: str
    memory: str  # as planner.speed.situation.Device has it
    experts: bool  # a mixture of experts
    gain: float
    device: str
    source: str


_SPEC: Final = "ggml-org/llama.cpp pull request 22673, 2026-05"
_GAINS: Final = (
    DraftGain("nvidia", "gddr", False, 1.75, "RTX 3080 laptop", _SPEC),
    DraftGain("nvidia", "gddr", False, 1.52, "RTX 3090 Ti", "forum report, 2026-09"),
    DraftGain("nvidia", "gddr", False, 1.64, "RTX 3090 Ti", "forum report, 2026-09"),
    DraftGain("nvidia", "gddr", False, 1.80, "RTX 4090", "ggml-org/llama.cpp issue 28196, 2026-09"),
    DraftGain("nvidia", "gddr", False, 1.06, "RTX 5090", "ggml-org/llama.cpp issue 28196, 2026-09"),
    DraftGain("nvidia", "gddr", False, 1.22, "RTX 5090", "forum report, 2026-09"),
    DraftGain("nvidia", "gddr", False, 1.70, "RTX PRO 4000", "sudoingX/qwen38-mtp issue 64, 2026-08"),
    DraftGain("nvidia", "unified", False, 1.80, "GB10", "Ollama, 14.7 and 26.5 tokens/s, 2026-09"),
    DraftGain("nvidia", "unified", False, 2.01, "GB10", "Ollama, 7.6 and 15.3 tokens/s, 2026-09"),
    DraftGain("amd", "unified", False, 1.70, "Strix Halo", "forum report, 2026-09"),
    DraftGain("amd", "gddr", False, 1.00, "RX 7900 XTX", "lmstudio-ai/lms issue 581, 2026-06"),
    DraftGain("apple", "unified", False, 2.50, "M2 Max", "forum report, 2026-09"),
    DraftGain("apple", "unified", False, 0.93, "M2 Pro", "llmfit community row, 2026-09-13"),
    DraftGain("amd", "unified", True, 1.12, "Strix Halo", "forum report of 35B-A3B, 2026-09"),
    DraftGain("amd", "unified", True, 1.05, "Strix Halo", "forum report of 122B-A10B, 2026-09"),
    DraftGain("amd", "gddr", True, 2.20, "RX 7900 XTX", "lmstudio-ai/lms issue 581, 2026-06"),
)
_ENOUGH: Final = 2  # measurements on a kind of device, below which all devices' are taken


@dataclass(frozen=True, slots=True)
class MeasuredGain:
    """The measurements that stand for one kind of device and model."""

    low: float
    expected: float
    high: float
    count: int
    alike: bool  # True: on devices of this kind; False: on any


def measured_gain(vendor: str, memory: str, *, experts: bool) -> MeasuredGain:
    """Return what drafting gained for such a model, on devices of this kind where there are measurements enough."""
    kind = [g for g in _GAINS if g.experts == experts]
    alike = [g for g in kind if (g.vendor, g.memory) == (vendor, memory)]
    chosen = [g.gain for g in (alike if len(alike) >= _ENOUGH else kind)]
    return MeasuredGain(min(chosen), median(chosen), max(chosen), len(chosen), alike=len(alike) >= _ENOUGH)
