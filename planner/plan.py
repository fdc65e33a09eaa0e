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

from planner.demand import SHARES, Demand, Load
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


@dataclass(frozen=True, slots=True)
class ContextNeed:
    """Tokens of context that a use case asks for, where the person leaves it open."""

    least: int
    """Below this nobody gets work done."""
    short: int
    """Below this it is felt to be short: documents, thinking that runs to thousands of tokens, tool output."""
    needed: int
    """What is worth giving up some speed for."""
    most: int
    """Beyond this the memory is better left free."""


# Chat holds a document or two; thinking runs to tens of thousands of tokens; agents and coding tools read files and
# their own output again and again: Ollama's docs/context-length.mdx asks at least 64,000 of them.
_CHAT: Final = ContextNeed(2048, 16384, 32768, 32768)
_TOOLS: Final = ContextNeed(16384, 65536, 65536, 131072)
CONTEXT_NEEDS: Final[Mapping[UseCase, ContextNeed]] = {
    UseCase.GENERAL: _CHAT,
    UseCase.MULTILINGUAL: _CHAT,
    UseCase.VISION: _CHAT,
    UseCase.REASONING: ContextNeed(4096, 32768, 65536, 65536),
    UseCase.CODING: _TOOLS,
    UseCase.AGENTS: _TOOLS,
}

MAX_USERS: Final = 100_000
MAX_SPEED: Final = 1e6  # tokens/s


@dataclass(frozen=True, slots=True)
class Workload:
    """What the person wants to do with the model.

    Takes what people write as well as typed values: "32k" for 32768 tokens, "coding" for UseCase.CODING. Raises
    InputError, with one line, for what cannot be: no users, a negative context, a licence that isn't one.
    """

    context: int | None = None
    """Tokens a sequence; None: the planner's choice, as long as fits comfortably."""
    users: int = 1
    """Sequences served at the same time."""
    prompt: int = 1024
    """Tokens of a typical prompt."""
    output: int = 512
    """Tokens of a typical answer."""
    min_speed: float | None = None
    """Decode tokens a second that a user must see at least; None: no wish."""
    use_case: UseCase = UseCase.GENERAL
    """What it is for; decides which scores count."""
    license: Licence = Licence.ANY
    """Which licences will do."""
    load: Load = Load.TYPICAL
    """How full the contexts of several users are at the same time; of one user it changes nothing."""

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
            load: Load | str = Load.TYPICAL,
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
        put(self, "load", _member(Load, self.load, "load"))

    @property
    def demand(self) -> Demand:
        """What the cache is to have room for at the same time."""
        return Demand(self.users, SHARES[self.load] if self.users > 1 else 1.0)


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

    model: Model
    """Its architecture decides, or its file's tensors where they are known."""
    quant: str
    """Q4_K_M, MXFP4, FP8 …; only shown where the model holds a file's tensors."""
    machine: Machine
    """Where it is to run."""
    workload: Workload = field(default_factory=Workload)
    """How it is to be used."""
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The engine's own, by its names; what isn't named is chosen, or has the engine's default."""
    written: Written = field(default_factory=lambda: NOTHING_WRITTEN)
    """What a person wrote of the engine's own command; nothing where none was given."""
    open_context: int | None = None
    """Tokens at which a context that is left open ends; None: what the use case asks for."""

    @property
    def context_need(self) -> ContextNeed:
        """What a context that is left open should hold, no more than the model was trained for."""
        need = CONTEXT_NEEDS[self.workload.use_case]
        limit = min(self.open_context or need.most, self.arch.n_ctx_train)
        return ContextNeed(*(min(n, limit) for n in (need.least, need.short, need.needed, need.most)))

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
    """The device, as its driver names it."""
    kind: str
    """gpu or cpu."""
    weights: int = 0
    """Bytes of the model."""
    kv_cache: int = 0
    """Bytes of keys and values."""
    state: int = 0
    """Bytes of recurrent states."""
    compute: int = 0
    """Bytes of the engine's compute buffers."""
    overhead: int = 0
    """Bytes of contexts, libraries, pools: what the engine's own accounting leaves out."""
    available: int = 0
    """Bytes that the device has free for this process."""
    overhead_high: int = 0
    """Upper end of the overhead's interval, bytes."""

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
    """One a device; the host last."""

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
    """A tenth of measurements should lie below."""
    expected: float
    """What to expect."""
    high: float
    """A tenth of measurements should lie above."""


@dataclass(frozen=True, slots=True)
class SpeedEstimate:
    """How fast one plan runs."""

    decode_tps: Interval
    """Tokens a second of one stream."""
    prefill_tps: Interval
    """Tokens a second of a prompt."""
    ttft_s: Interval
    """Seconds to the first token, for the workload's prompt: the median under a steady load of all users."""
    total_output_tps: Interval | None = None
    """Tokens a second of all users together, their first tokens' time included; None where there is one."""
    ttft_p95_s: Interval | None = None
    """Seconds to the first token that one request in twenty exceeds under that load; None for one user."""
    ttft_at_once_s: Interval | None = None
    """Seconds to the middle request's first token if all start at once; None for one user."""
    limited_by: str = ""
    """Weights' bandwidth, KV cache, PCIe, CPU, compute …, in plain words."""
    faster: tuple[str, ...] = ()
    """What would make it faster."""
    depth: int = 0
    """Tokens in the cache for which decode was estimated."""
    basis: str = ""
    """On how many measurements of what the interval rests."""


@dataclass(frozen=True, slots=True)
class FitAdvice:
    """Leaving the placement to llama.cpp's own --fit, where that does as well as the plan's flags or better."""

    reason: Reason
    """A clause."""
    target: int
    """MiB to leave free on the GPU, for what the engine doesn't count itself."""
    shrinks: bool
    """True where the context was nobody's wish: it may become shorter, or longer."""
    command: str = ""
    """What to type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One complete answer."""

    request: PlanRequest = field(repr=False)
    """What was asked."""
    model: str
    """Hugging Face id, or the file."""
    quant: str
    """The quantisation."""
    engine: str
    """The engine's name."""
    backend: Backend
    """Through which the engine drives the GPUs that it sees; cpu where there is none."""
    fits: bool
    """True where it fits, with the overhead at the upper end of its interval."""
    placement: Placement
    """Where the weights live."""
    settings: Mapping[str, Any] = field(hash=False)
    """The engine's own, by its names."""
    memory: MemoryEstimate
    """Bytes on each device."""
    max_context: int
    """The longest context of a sequence that fits with these weights on this machine, tokens; 0: none."""
    max_concurrency: float
    """Sequences of the planned context that the cache can hold."""
    speed: SpeedEstimate | None = None
    """How fast it runs; None where it doesn't fit, or doesn't go by tokens (speech)."""
    command: str = ""
    """What to type."""
    why: tuple[Reason, ...] = ()
    """The reasons for the choice."""
    warnings: tuple[Reason, ...] = ()
    """What to beware of."""
    source: str | None = None
    """The file or repository to fetch, for example unsloth/gpt-oss-20b-GGUF."""
    machine: str = ""
    """The machine's name."""
    name: str = ""
    """The model as people say it."""
    env: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Environment variables to set before."""
    fit: FitAdvice | None = None
    """What leaves the placement to llama.cpp, where that does as well or better."""

    @property
    def shortage(self) -> Reason | None:
        """The reason why it doesn't fit; None where it fits."""
        return next((r for r in self.why if r.kind in SHORTAGES), None)

    @property
    def tight(self) -> bool:
        """True where it does not fit for certain: only the upper end of what it may take is above what is free."""
        return not self.fits and self.memory.tight
