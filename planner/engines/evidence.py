"""What a paste shows, and what a rule makes of it: the records that every engine's diagnosis reads and returns.

An engine's folder holds its messages (messages.json) and its rules (diagnosis.py); planner.verify.diagnose reads the
paste, runs the rules of all engines over one Evidence and shows the best Finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from enum import IntEnum, StrEnum
from typing import Final, Protocol

from planner.fast_dataclass import dataclass


class Cause(StrEnum):
    """The kinds of cause that people meet, as counted over public reports."""

    CONTEXT_TOO_LARGE = "context-too-large"
    SLOTS_CONTEXT = "slots-context"
    HOST_PROMPT_CACHE = "host-prompt-cache"
    EXTRA_UNCOUNTED = "extra-uncounted"
    SPILL_BY_A_LITTLE = "spill-by-a-little"
    UNSEEN_MEMORY = "unseen-or-taken-memory"
    ENGINE_LIMIT = "engine-limit"
    OPTION_CONFLICT = "option-conflict"
    GPU_NOT_USED = "gpu-not-used"
    TOO_LARGE = "too-large"
    UNSUPPORTED = "unsupported"
    PINNED = "pinned"
    GPU_TIMEOUT = "gpu-timeout"
    GUARDRAIL = "guardrail"
    NOTICE = "notice"
    UNKNOWN = "unknown"


class Weight(IntEnum):
    """How much a finding says; of several, the heaviest is shown first."""

    WRAPPER = 1  # the words of a wrapper: the cause stands elsewhere
    NOTICE = 2  # a normal line
    MESSAGE = 3  # the engine's own message, with its meaning
    SYMPTOM = 4  # what the person saw, which no message states
    NUMBERS = 5  # the message's numbers, put together
    PROVEN = 6  # an arithmetic that closes


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message of an engine, as data."""

    id: str
    kind: str  # gpu-memory | ram | kv | context | option | support | …
    versions: str
    pattern: str
    means: str
    decides: str
    cures: tuple[tuple[str, str], ...]  # what to do, what it costs
    source: str
    folder: str | None  # of the engine that prints it; None: the operating system


@dataclass(frozen=True, slots=True)
class Seen:
    """A message that stands in the paste."""

    message: Message
    line: int
    text: str
    values: Mapping[str, str]

    def number(self, name: str) -> float | None:
        """Return a captured number; None where the message did not state it."""
        text = self.values.get(name)
        try:
            return float(text.split()[0].replace(",", "")) if text else None
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Fix:
    """One change: what to do, what it costs, and the part of a command that changes."""

    do: str
    cost: str = ""
    set: Mapping[str, str] = field(
        default_factory=dict
    )  # flag -> value, as it stands in the command afterwards
    drop: tuple[str, ...] = ()  # flags that go
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """What happened, why, and the smallest change."""

    cause: Cause
    weight: Weight
    what: str  # one sentence
    why: tuple[str, ...]  # with the two or three numbers that decide
    fixes: tuple[Fix, ...]  # cheapest first
    ask: tuple[str, ...] = ()  # what to add to the paste, where something is missing
    line: int | None = None  # the line of the paste that it rests on
    report: str = ""  # what to say in a bug report, where the engine is at fault


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was recognised in a paste."""

    text: str  # cleaned, all lines
    engine: str | None  # the engine's name, where command or log show it
    build: str | None  # "b11434", "0.30.0", "0.28.0"
    program: str | None  # the program of the command: "llama-server", "vllm serve" …
    argv: tuple[str, ...]  # its arguments
    env: Mapping[str, str]
    model: str | None  # name, id or path as it was given
    seen: tuple[Seen, ...]  # in the order of the paste
    system: str | None = None  # windows | macos | linux
    memory: Calculator | None = None  # arithmetic about the model, where it is known
    released: Callable[[str], str | None] | None = (
        None  # architecture -> when models of it were first published
    )

    def all(self, *ids: str) -> tuple[Seen, ...]:
        """Every message of these kinds, in order."""
        return tuple(s for s in self.seen if s.message.id in ids)

    def first(self, *ids: str) -> Seen | None:
        """The first message of these kinds."""
        return next(iter(self.all(*ids)), None)

    def last(self, *ids: str) -> Seen | None:
        """The last message of these kinds."""
        found = self.all(*ids)
        return found[-1] if found else None

    def flag(self, *names: str) -> str | None:
        """Return the value of the first of these flags that the command has ("" for one without a value)."""
        for index, word in enumerate(self.argv):
            name, equals, value = word.partition("=")
            if name in names:
                if equals:
                    return value
                following = self.argv[index + 1] if index + 1 < len(self.argv) else ""
                return "" if _is_flag(following) else following
        return None

    def number(self, *names: str) -> int | None:
        """Return a flag's value as a whole number, "32k" included; None where it is absent or no number."""
        return whole(self.flag(*names))

    def has(self, *words: str) -> bool:
        """True where one of these words stands in the paste, whatever its case."""
        folded = self.text.lower()
        return any(word.lower() in folded for word in words)


class Calculator(Protocol):
    """Arithmetic about the paste's model by the engine's own rules; bytes."""

    name: str

    def weights(self) -> int | None:
        """Bytes of the weights as they are stored; None where the quantisation is not known."""
        ...

    def cache(self, tokens: int) -> int | None:
        """Bytes of KV cache and state for so many tokens of one sequence, in the paste's cache types."""
        ...

    def total(self, tokens: int) -> int | None:
        """Bytes of everything on one GPU with that context: its projector too, and overheads at their upper end."""
        ...

    def draft(self, tokens: int) -> int | None:
        """Bytes that drafting with the model's own prediction layers adds, cache and buffers, weights apart."""
        ...

    def ends(self) -> tuple[int, int] | None:
        """Bytes of embeddings and output layer: by the mix's average, and with embeddings a layer in 16 bits."""
        ...

    @property
    def trained(self) -> int:
        """Tokens that the model was trained for."""
        ...

    @property
    def cached_layers(self) -> tuple[int, int]:
        """Layers that keep a KV cache that grows with the context, of all layers."""
        ...


Rule = Callable[[Evidence], Finding | None]


class Diagnosis(Protocol):
    """What an engine's diagnosis module has."""

    RULES: Sequence[Rule]


_WHOLE_FACTORS: Final = {"": 1, "k": 1024, "m": 1 << 20}


def whole(text: str | None) -> int | None:
    """Return "262144", "32k" or "131,072" as a number; None for anything else."""
    if not text:
        return None
    plain = text.strip().lower().replace(",", "").replace("_", "")
    factor = 1
    if plain and plain[-1] in "km":
        factor, plain = _WHOLE_FACTORS[plain[-1]], plain[:-1]
    return int(plain) * factor if plain.isdigit() and len(plain) < 13 else None


def _is_flag(word: str) -> bool:
    return not word or (word.startswith("-") and not word[1:2].isdigit())


def findings(rules: Sequence[Rule], evidence: Evidence) -> Iterator[Finding]:
    """Yield what the rules make of the evidence."""
    for rule in rules:
        found = rule(evidence)
        if found is not None:
            yield found


def plain_finding(seen: Seen, cause: Cause, weight: Weight = Weight.MESSAGE) -> Finding:
    """Return what a message says by itself: its meaning, what decides, its cures."""
    return Finding(
        cause=cause,
        weight=weight,
        what=seen.message.means,
        why=(f"Line {seen.line}: {seen.text.strip()[:200]}", f"What decides: {seen.message.decides}."),
        fixes=tuple(Fix(do, cost) for do, cost in seen.message.cures),
        line=seen.line,
    )
