"""From a paste to the finding that explains it, with the next two."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from planner.engines.evidence import (
    Calculator,
    Cause,
    Evidence,
    Finding,
    Sizing,
    Weight,
    findings,
    plain_finding,
)
from planner.fast_dataclass import dataclass, replace
from planner.verify.diagnose.mend import Mended, mended
from planner.verify.diagnose.paste import clean
from planner.verify.diagnose.read import Knowledge, knowledge, read

AddUp = Callable[[Evidence, Finding | None, Sizing, Mapping[str, int]], Finding | None]


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """The answer to a paste."""

    evidence: Evidence
    """What stands in the paste."""
    finding: Finding | None
    """The cause; None where it is recognised at most, not explained."""
    others: tuple[Finding, ...] = ()
    """What else it shows."""
    mended: Mended | None = None
    """The paste's command with the first change in it."""

    @property
    def command(self) -> str | None:
        """The mended command's text."""
        return None if self.mended is None else self.mended.command

    @property
    def explained(self) -> bool:
        """True where a cause is stated."""
        return self.finding is not None and self.finding.cause is not Cause.UNKNOWN

    @property
    def recognised(self) -> bool:
        """True where anything of an engine was found at all."""
        return self.finding is not None or self.evidence.command is not None or bool(self.evidence.seen)


@dataclass(frozen=True, slots=True)
class Knowing:
    """What is known beside the paste; without it a diagnosis reads messages and their numbers alone."""

    memory: Callable[[Evidence], Calculator | None] | None = None
    """The planner's arithmetic about the paste's model."""
    released: Callable[[str], str | None] | None = None
    """When the first model of an architecture was published."""
    is_model: Callable[[str], bool] = bool
    """Whether a name is a model's."""
    add_up: AddUp | None = None
    """Puts the engine's own sum beside the first finding."""
    model: str | None = None
    """The model as the person names it, where the paste doesn't."""


def diagnose(text: str, knowing: Knowing | None = None) -> Diagnosed:
    """Return what a paste shows: the cause, why, and the smallest change.

    Raises InputError for an empty or an enormous paste.
    """
    knows = knowing or Knowing()
    evidence = read(clean(text), knows.memory, knows.released, knows.is_model, knows.model)
    known = knowledge()
    found = sorted(_found(evidence, known), key=lambda f: -f.weight)
    first = next(iter(found), None)
    if knows.add_up is not None and evidence.engine is not None:
        logged = known.logged.get(evidence.engine)
        first = knows.add_up(
            evidence, first, known.sizing[evidence.engine], {} if logged is None else logged(evidence)
        )
        if first is not None:
            first = _spoken(first, evidence.engine, evidence.engine, known)
    others = [f for f in found[1:] if first and f.cause is not first.cause and f.weight > Weight.NOTICE][:2]
    change = mended(evidence, first.fixes[0]) if first is not None and first.fixes else None
    return Diagnosed(evidence, first, tuple(others), change)


def _found(evidence: Evidence, known: Knowledge) -> list[Finding]:
    """All findings: of the engine's own rules first, then of what it runs, of messages alone.

    Where the engine is not shown the rules of all speak; where these have nothing to say, those of an engine whose
    message stands in the paste.
    """
    speaking = known.speaking(evidence.engine if evidence.shown else None)
    found = [finding for folder in speaking for finding in _of(folder, evidence, known)]
    found += _by_messages(evidence, known)
    if any(f.weight >= Weight.MESSAGE for f in found):
        return found
    said = {s.message.folder for s in evidence.seen if s.message.weight > Weight.NOTICE}
    others = [folder for folder in known.by_folder if folder in said and folder not in speaking]
    return found + [finding for folder in others for finding in _of(folder, evidence, known)]


def _of(folder: str, evidence: Evidence, known: Knowledge) -> Iterator[Finding]:
    for finding in findings(known.by_folder[folder], evidence):
        yield _spoken(finding, folder, evidence.engine, known)


def _by_messages(evidence: Evidence, known: Knowledge) -> Iterator[Finding]:
    """What each kind of message says by itself, the first of its kind."""
    said: set[str] = set()
    for seen in evidence.seen:
        if seen.message.cause is not None and seen.message.id not in said:
            said.add(seen.message.id)
            finding = plain_finding(seen, seen.message.cause, seen.message.weight)
            yield _spoken(finding, seen.message.folder, evidence.engine, known)


def _spoken(finding: Finding, folder: str | None, engine: str | None, known: Knowledge) -> Finding:
    """The finding with its changes as they are made in the program that runs the engine."""
    log = known.logs.get(engine or folder or "")
    if finding.wants_log and log:
        finding = replace(finding, ask=(*finding.ask, log), wants_log=False)
    if engine is None or folder in (None, engine) or engine not in known.in_own_words:
        return finding
    own = (known.in_own_words[engine](fix) for fix in finding.fixes)
    return replace(finding, fixes=tuple(fix for fix in own if fix is not None))
