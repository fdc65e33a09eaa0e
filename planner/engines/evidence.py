"""What a paste shows, and what a rule makes of it: the records that every engine's diagnosis reads and returns.

An engine's folder holds its messages (messages.json) and its rules (diagnosis); planner.verify.diagnose reads the
paste, runs the rules of all engines over one Evidence and shows the best Finding.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

from planner.fast_dataclass import dataclass

if TYPE_CHECKING:
    from planner.engines.flags import FlagTable


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
class Step:
    """A change that may make something fit, in the order of what it costs; planned again before it is proposed."""

    fix: Fix
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the engine's rules; None: taken out
    context: str = ""  # the setting that holds the context: the longest that fits is put into the fix's {}
    gives_up: bool = False  # True where something is lost for good (images, drafts): never one of several
    unset: Any = None  # what a setting that is not written counts as


@dataclass(frozen=True, slots=True)
class Sizing:
    """How a start of an engine is made smaller."""

    steps: tuple[Step, ...] = ()  # in the order of their cost
    whole: Mapping[str, Any] = field(default_factory=dict)  # settings that put all layers on the GPUs
    spill: Fix | None = None  # what lets a part run from RAM instead


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message of an engine, as data."""

    id: str
    kind: str  # gpu-memory | ram | kv | context | option | support | …
    versions: str
    pattern: str
    means: str
    decides: str
    cures: tuple[Fix, ...]  # {name} in them and in `means` stands for what the pattern captured
    source: str
    folder: str | None  # of the engine that prints it; None: the operating system
    cause: Cause | None = None  # what it says by itself; None: a rule puts its numbers together
    weight: Weight = Weight.MESSAGE


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
    wants_log: bool = (
        False  # True where the engine's log would say more: it is asked for in the program's own words
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """One flag of a command with its value's words, or one word that is none."""

    words: tuple[str, ...]  # as they stand in the command
    name: str = (
        ""  # the flag's first name in the engine's table, or as it is written; "" for a word that is none
    )
    value: str = ""


@dataclass(frozen=True, slots=True)
class PastedCommand:
    """A command line of a paste, or what a log says that an engine was started with."""

    folder: str  # of the engine that it starts
    program: tuple[str, ...]  # the words that start it; none for a container's own entry point
    argv: tuple[str, ...]
    env: Mapping[str, str]
    line: int
    table: FlagTable | None = None  # the engine's flags, where its command lines are read
    before: tuple[str, ...] = ()  # what stands in front of it: variables, sudo, docker run …

    def canonical(self, name: str) -> str:
        """Return the first name of a flag in the engine's table; the name itself where the table has none."""
        if self.table is None or name not in self.table:
            return name
        given = self.table.take(name, ["1"]) or self.table.take(name, [])
        return given.flag.names[0] if given is not None and given.flag.names else name

    def pieces(self) -> tuple[Piece, ...]:
        """The arguments, flag by flag, by the engine's own table; what it doesn't know as it looks."""
        found: list[Piece] = []
        rest = list(self.argv)
        while rest:
            word = rest.pop(0)
            if _is_value(word):
                found.append(Piece((word,)))
                continue
            given = self.table.take(word, rest) if self.table is not None else None
            name, equals, value = word.partition("=")
            if given is not None and given.flag.names:
                words = (word,) if equals else (word, *given.words)
                found.append(Piece(words, given.flag.names[0], value if equals else " ".join(given.words)))
            elif equals or not rest or not _is_value(rest[0]):
                found.append(Piece((word,), self.canonical(name), value))
            else:
                value = rest.pop(0)
                found.append(Piece((word, value), self.canonical(name), value))
        return tuple(found)

    def flag(self, *names: str) -> str | None:
        """Return the last value of these flags, or of the variables that give them; "" for one without a value."""
        wanted = {self.canonical(name) for name in names}
        said = [piece.value for piece in self.pieces() if piece.name in wanted]
        if said:
            return said[-1]
        known = self.table.flags if self.table is not None else ()
        variables = [f.env for f in known if f.env and f.names and f.names[0] in wanted]
        return next((self.env[name] for name in variables if name in self.env), None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was recognised in a paste."""

    text: str  # cleaned, all lines
    engine: str | None  # the engine's name, where command or log show it
    build: str | None  # "b11434", "0.30.0", "0.28.0"
    command: PastedCommand | None  # the one that the failure belongs to
    env: Mapping[str, str]
    model: str | None  # name, id or path as it was given
    seen: tuple[Seen, ...]  # in the order of the paste
    system: str | None = None  # windows | macos | linux
    memory: Calculator | None = None  # arithmetic about the model, where it is known
    released: Callable[[str], str | None] | None = (
        None  # architecture -> when models of it were first published
    )
    stated: tuple[PastedCommand, ...] = ()  # what logs say that it was started with
    shown: bool = True  # False where the engine is guessed from a message that others print, too

    @property
    def program(self) -> str | None:
        """The program of the command: "llama-server", "vllm serve" …"""
        return None if self.command is None else " ".join(self.command.program)

    @property
    def argv(self) -> tuple[str, ...]:
        """The command's arguments."""
        return () if self.command is None else self.command.argv

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
        """Return the value of these flags, of the command or as a log states it ("" for one without a value)."""
        for command in (self.command, *self.stated):
            found = command.flag(*names) if command is not None else None
            if found is not None:
                return found
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


def _is_value(word: str) -> bool:
    """True for a word that can't be a flag: a negative number is none."""
    return not word.startswith("-") or word == "-" or word[1:2].isdigit()


def findings(rules: Sequence[Rule], evidence: Evidence) -> Iterator[Finding]:
    """Yield what the rules make of the evidence."""
    for rule in rules:
        found = rule(evidence)
        if found is not None:
            yield found


def plain_finding(seen: Seen, cause: Cause, weight: Weight = Weight.MESSAGE) -> Finding:
    """Return what a message says by itself: its meaning, what decides, its cures, with its own numbers in them."""
    message = seen.message
    return Finding(
        cause=cause,
        weight=weight,
        what=_filled(message.means, seen),
        why=(f"Line {seen.line}: {seen.text.strip()[:240]}", f"What decides: {message.decides}."),
        fixes=tuple(
            Fix(
                _filled(fix.do, seen),
                fix.cost,
                {flag: _filled(value, seen) for flag, value in fix.set.items()},
                fix.drop,
                {name: _filled(value, seen) for name, value in fix.env.items()},
            )
            for fix in message.cures
        ),
        line=seen.line,
    )


_PLACE: Final = re.compile(r"\{(\w+)\}")


def _filled(text: str, seen: Seen) -> str:
    """The text with what the message's pattern captured in place of {name}."""
    return _PLACE.sub(lambda m: seen.values.get(m[1], "?"), text)
