"""Workload, PlanRequest, MemoryEstimate, SpeedEstimate and Plan: what goes into an engine and what comes out.

All sizes are integer bytes; rates are tokens a second; times are seconds. This is the vocabulary of the whole
house and stands on its ground floor: models, machines and backends are named in annotations alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from operator import index
from typing import TYPE_CHECKING, Any, Final, SupportsIndex, TypeVar

from planner.errors import FieldError
from planner.fast_dataclass import dataclass
from planner.reason import SHORTAGES, Reason
from planner.units import MAX_CONTEXT, parse_context

if TYPE_CHECKING:
    from planner.hardware.machine import Backend, Machine
    from planner.models.architecture import Architecture
    from planner.models.model import Model


class UseCase(StrEnum):
    """What the model is for; decides which benchmark scores count."""

    GENERAL = "general"
    CODING = "coding"
    REASONING = "reasoning"
    MULTILINGUAL = "multilingual"
    AGENTS = "agents"
    VISION = "vision"


class Licence(StrEnum):
    """Which licences will do."""

    ANY = "any"
    COMMERCIAL = "commercial"  # commercial use is allowed, perhaps under conditions
    PERMISSIVE = "permissive"  # Apache-2.0, MIT and their like


MAX_USERS: Final = 100_000
MAX_SPEED: Final = 1e6  # tokens/s


@dataclass(frozen=True, slots=True)
class Workload:
    """What the person wants to do with the model.

    Takes what people write as well as typed values: "32k" for 32768 tokens, "coding" for UseCase.CODING. Raises
    InputError, with one line, for what cannot be: no users, a negative context, a licence that isn't one.
    """

    context: int | None = None  # tokens a sequence; None: the planner's choice, as long as fits comfortably
    users: int = 1  # concurrent sequences
    prompt: int = 1024  # typical prompt length, tokens
    output: int = 512  # typical answer length, tokens
    min_speed: float | None = None  # decode tokens/s a user must see at least
    use_case: UseCase = UseCase.GENERAL
    license: Licence = Licence.ANY

    if TYPE_CHECKING:

        def __init__(
            self,
            context: int | str | None = None,
            users: int = 1,
            prompt: int | str = 1024,
            output: int | str = 512,
            min_speed: float | None = None,
            use_case: UseCase | str = UseCase.GENERAL,
            license: Licence | str = Licence.ANY,
        ) -> None: ...

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.context is not None:
            put(self, "context", _tokens(self.context, "context", 1))
        put(self, "users", _whole(self.users, "users", 1, MAX_USERS))
        put(self, "prompt", _tokens(self.prompt, "prompt", 1))
        put(self, "output", _tokens(self.output, "output", 0))
        speed: object = self.min_speed
        if speed is not None and (
            isinstance(speed, bool) or not isinstance(speed, int | float) or not 0 < speed < MAX_SPEED
        ):
            raise FieldError(
                "min_speed", f"{speed!r} must be a number between 0 and a million tokens a second"
            )
        put(self, "use_case", _member(UseCase, self.use_case, "use_case"))
        put(self, "license", _member(Licence, self.license, "license"))


def _tokens(value: object, what: str, least: int) -> int:
    return (
        parse_context(value, field=what)
        if isinstance(value, str)
        else _whole(value, what, least, MAX_CONTEXT)
    )


def _whole(value: object, what: str, least: int, most: int) -> int:
    """Return a whole number within its limits, whatever integer type it came in."""
    if isinstance(value, SupportsIndex) and not isinstance(value, bool) and least <= index(value) <= most:
        return index(value)
    raise FieldError(what, f"{value!r} must be a whole number from {least} to {most:,}")


_E = TypeVar("_E", bound=StrEnum)


def _member(kind: type[_E], value: object, what: str) -> _E:
    if isinstance(value, kind):
        return value
    found = value.strip().lower() if isinstance(value, str) else None
    if found not in set(kind):
        raise FieldError(what, f"{value!r} is not known; one of: {', '.join(kind)}")
    return kind(found)


@dataclass(frozen=True, slots=True)
class Written:
    """What a person wrote of the engine's own command."""

    kept: tuple[str, ...] = ()  # words that are no setting: they stay in the command
    line: str = ""  # the whole command, where one was asked about: it stays as it is
    env: Mapping[str, str] = field(default_factory=dict, hash=False)  # its environment


NOTHING_WRITTEN: Final = Written()


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What an engine is asked: one model in one quantisation on one machine.

    Two requests are equal where they ask the same; both can be keys of a dict.
    """

    model: Model  # its architecture decides, or its file's tensors where they are known
    quant: str  # "Q4_K_M", "MXFP4", "FP8"; only shown where the model holds a file's tensors
    machine: Machine
    workload: Workload = field(default_factory=Workload)
    # The engine's own settings under its own names; what isn't named is chosen, or has the engine's default.
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    written: Written = field(default_factory=lambda: NOTHING_WRITTEN)

    @property
    def arch(self) -> Architecture:
        """The model's shape."""
        return self.model.architecture


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
        """True where every device has room, at the upper end of what is stated as an interval."""
        return all(d.fits for d in self.devices)

    @property
    def tight(self) -> bool:
        """True where every device has room as expected, but not every one at the upper end."""
        return not self.fits and all(d.total <= d.available for d in self.devices)


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

    reason: Reason  # a clause
    target: int  # MiB to leave free on the GPU, for what the engine doesn't count itself
    shrinks: bool  # the context was nobody's wish: it may become shorter, or longer
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One complete answer."""

    request: PlanRequest = field(repr=False)  # what was asked
    model: str  # Hugging Face id or file
    quant: str
    engine: str  # its name in the register
    backend: Backend  # through which the engine drives the GPUs that it sees; CPU where there is none
    fits: bool
    placement: Placement
    # The engine's own knobs under the engine's own names.
    settings: Mapping[str, Any] = field(hash=False)
    memory: MemoryEstimate
    max_context: int  # longest context a sequence that fits with these weights and this machine; 0: none
    max_concurrency: float  # sequences of the planned context that the cache can hold
    speed: SpeedEstimate | None = None
    command: str = ""
    why: tuple[Reason, ...] = ()
    warnings: tuple[Reason, ...] = ()
    source: str | None = None  # file or repository to fetch, e.g. "unsloth/gpt-oss-20b-GGUF"
    machine: str = ""
    name: str = ""  # the model as people say it
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    fit: FitAdvice | None = None

    @property
    def shortage(self) -> Reason | None:
        """The reason why it doesn't fit; None where it fits."""
        return next((r for r in self.why if r.kind in SHORTAGES), None)

    @property
    def tight(self) -> bool:
        """True where it does not fit for certain: only the upper end of what it may take is above what is free."""
        return not self.fits and self.memory.tight
