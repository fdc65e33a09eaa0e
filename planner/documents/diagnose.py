"""`planner diagnose --json`: what a paste shows, why, and what to change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from planner.fast_dataclass import dataclass

if TYPE_CHECKING:
    from planner.engines.evidence import Finding
    from planner.verify.diagnose.diagnose import Diagnosed


@dataclass(frozen=True, slots=True)
class Change:
    """One thing to do."""

    do: str
    """What to change, as a person would say or type it."""
    cost: str
    """What it costs: context, quality, speed; empty where nothing."""
    set: Mapping[str, str]
    """Flags with their values afterwards."""
    drop: tuple[str, ...]
    """Flags that go."""
    env: Mapping[str, str]
    """Environment variables to set."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A cause and what to do about it."""

    cause: str
    """The kind of cause, for example "spill-by-a-little"."""
    strength: str
    """How much it rests on: wrapper, notice, message, symptom, numbers or proven."""
    what: str
    """What happened, in one sentence."""
    why: tuple[str, ...]
    """Why, with the numbers that decide."""
    changes: tuple[Change, ...]
    """What to do, the cheapest first."""
    ask: tuple[str, ...]
    """What to add to the paste, where something is missing."""
    line: int | None
    """The line of the paste that it rests on."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A message that stands in the paste."""

    id: str
    """The message's name in the planner's data."""
    line: int
    """Its line in the paste."""
    kind: str
    """What it is about: gpu-memory, ram, kv, context, option, support …"""
    means: str
    """What it means."""
    source: str
    """The engine's file that prints it."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a paste shows."""

    recognised: bool
    """False where nothing of an engine was found at all."""
    explained: bool
    """True where a cause is stated."""
    engine: str | None
    """The engine's folder name, where command or log show it."""
    build: str | None
    """The engine's build or release, where the paste states it."""
    model: str | None
    """The model as the paste names it."""
    finding: Explanation | None
    """The cause."""
    others: tuple[Explanation, ...]
    """What else the paste shows."""
    command: str | None
    """The paste's command with the first change in it."""
    changed: tuple[str, ...]
    """What changed in it: "--ctx-size 250000 (was 262144)"."""
    messages: tuple[Recognised, ...]
    """Every message that was recognised."""


def diagnosis(answer: Diagnosed) -> Diagnosis:
    """Return the document of a diagnosis."""
    seen = answer.evidence.seen
    return Diagnosis(
        recognised=answer.recognised,
        explained=answer.explained,
        engine=answer.evidence.engine,
        build=answer.evidence.build,
        model=answer.evidence.model,
        finding=None if answer.finding is None else _explained(answer.finding),
        others=tuple(_explained(other) for other in answer.others),
        command=answer.command,
        changed=() if answer.mended is None else answer.mended.changed,
        messages=tuple(
            Recognised(s.message.id, s.line, s.message.kind, s.message.means, s.message.source) for s in seen
        ),
    )


def _explained(finding: Finding) -> Explanation:
    return Explanation(
        cause=finding.cause.value,
        strength=finding.weight.name.lower(),
        what=finding.what,
        why=finding.why,
        changes=tuple(Change(f.do, f.cost, f.set, f.drop, f.env) for f in finding.fixes),
        ask=finding.ask,
        line=finding.line,
    )
