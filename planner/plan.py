"""Workload, MemoryEstimate, SpeedEstimate and Plan: what goes into an engine and what comes out.

All sizes are integer bytes; rates are tokens a second; times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, Final

from planner.fast_dataclass import dataclass

# Engines' names as their makers write them.
ENGINE_NAMES: Final[Mapping[str, str]] = {"llama.cpp": "llama.cpp", "ollama": "Ollama", "vllm": "vLLM"}


class UseCase(StrEnum):
    """What the model is for; decides which benchmark scores count."""

    GENERAL = "general"
    CODING = "coding"
    REASONING = "reasoning"
    MULTILINGUAL = "multilingual"
    AGENTS = "agents"
    VISION = "vision"


@dataclass(frozen=True, slots=True)
class Workload:
    """What the person wants to do with the model."""

    context: int | None = None  # tokens a sequence; None: the planner's choice, as long as fits comfortably
    users: int = 1  # concurrent sequences
    prompt: int = 1024  # typical prompt length, tokens
    output: int = 512  # typical answer length, tokens
    min_speed: float | None = None  # decode tokens/s a user must see at least
    use_case: UseCase = UseCase.GENERAL
    license: str = "any"  # permissive | commercial | any


class Placement(StrEnum):
    """Where the weights live."""

    GPU = "gpu"
    HYBRID = "hybrid"
    CPU = "cpu"


@dataclass(frozen=True, slots=True)
class DeviceMemory:
    """What one device must hold."""

    name: str
    kind: str  # gpu | cpu
    weights: int = 0
    kv_cache: int = 0
    state: int = 0
    compute: int = 0
    overhead: int = 0  # contexts, libraries, pools: what the engine's own accounting leaves out
    available: int = 0  # what the device has free for this process
    overhead_high: int = 0  # upper end of the overhead's interval

    @property
    def total(self) -> int:
        """Everything together, with the expected overhead."""
        return self.weights + self.kv_cache + self.state + self.compute + self.overhead

    @property
    def fits(self) -> bool:
        """True where it fits even with the overhead at the upper end of its interval."""
        return self.total - self.overhead + max(self.overhead, self.overhead_high) <= self.available


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Memory per device, devices in the engine's order, the host last."""

    devices: tuple[DeviceMemory, ...]

    @property
    def total(self) -> int:
        """Sum over all devices."""
        return sum(d.total for d in self.devices)

    @property
    def fits(self) -> bool:
        """True where every device has room."""
        return all(d.fits for d in self.devices)


@dataclass(frozen=True, slots=True)
class Interval:
    """An honest number: expected, with the ends between which 80 % of measurements should lie."""

    low: float
    expected: float
    high: float


@dataclass(frozen=True, slots=True)
class SpeedEstimate:
    """How fast one plan runs."""

    decode_tps: Interval  # tokens/s of one stream
    prefill_tps: Interval
    ttft_s: Interval  # for the workload's prompt
    total_output_tps: Interval | None = None  # all users together, where there are several
    limited_by: str = ""  # weights' bandwidth | KV cache | PCIe | CPU | compute …, in plain words
    faster: tuple[str, ...] = ()  # what would make it faster
    depth: int = 0  # tokens in the cache for which decode was estimated
    basis: str = ""  # on how many measurements of what the interval rests


@dataclass(frozen=True, slots=True)
class FitAdvice:
    """Leaving the placement to llama.cpp's own --fit, where that does as well as the plan's flags or better."""

    reason: str  # a clause
    target: int  # MiB to leave free on the GPU, for what the engine doesn't count itself
    shrinks: bool  # the context was nobody's wish: it may become shorter, or longer
    command: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """One complete answer."""

    model: str  # Hugging Face id or file
    quant: str
    engine: str  # "llama.cpp" | "ollama" | "vllm"
    fits: bool
    placement: Placement
    settings: Mapping[str, Any]  # the engine's own knobs under the engine's own names
    memory: MemoryEstimate
    max_context: int  # longest context a sequence that fits with these weights and this machine; 0: none
    max_concurrency: float  # sequences of the planned context that the cache can hold
    speed: SpeedEstimate | None = None
    command: str = ""
    why: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    source: str | None = None  # file or repository to fetch, e.g. "unsloth/gpt-oss-20b-GGUF"
    machine: str = ""
    name: str = ""  # the model as people say it
    env: Mapping[str, str] = field(default_factory=dict)
    fit: FitAdvice | None = None
