"""From a paste to the finding that explains it, with the next two."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from planner.engines.evidence import Calculator, Cause, Evidence, Finding, Fix, Weight, findings
from planner.fast_dataclass import dataclass
from planner.verify.diagnose.paste import clean
from planner.verify.diagnose.read import knowledge, read


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """The answer to a paste."""

    evidence: Evidence
    """What stands in the paste."""
    finding: Finding | None
    """The cause; None where it is recognised at most, not explained."""
    others: tuple[Finding, ...] = ()
    """What else it shows."""
    command: str | None = None
    """The paste's command with the first change in it."""

    @property
    def explained(self) -> bool:
        """True where a cause is stated."""
        return self.finding is not None and self.finding.cause is not Cause.UNKNOWN

    @property
    def recognised(self) -> bool:
        """True where anything of an engine was found at all."""
        return self.finding is not None or self.evidence.program is not None or bool(self.evidence.seen)


def diagnose(
    text: str,
    memory: Callable[[Evidence], Calculator | None] | None = None,
    released: Callable[[str], str | None] | None = None,
    is_model: Callable[[str], bool] = bool,
) -> Diagnosed:
    """Return what a paste shows: the cause, why, and the smallest change.

    `memory` gives the planner's arithmetic about the paste's model, `released` the date of an architecture's first
    model, `is_model` whether a name is a model's. Raises InputError for an empty or an enormous paste.
    """
    evidence = read(clean(text), memory, released, is_model)
    known = knowledge()
    own = known.rules_of(evidence.engine)
    found = list(findings((*own, *(r for r in known.rules if r not in own)), evidence))
    found.sort(key=lambda f: -f.weight)
    first = next(iter(found), None)
    others = [f for f in found[1:] if first and f.cause is not first.cause and f.weight > Weight.NOTICE][:2]
    command = _mended(evidence, first.fixes[0]) if first is not None and first.fixes else None
    return Diagnosed(evidence, first, tuple(others), command)


def _mended(evidence: Evidence, fix: Fix) -> str | None:
    """Return the command of the paste with one fix in it; None where there is none, or the fix changes no flag."""
    if evidence.program is None or not (fix.set or fix.drop or fix.env):
        return None
    if not fix.set and not fix.drop and not evidence.argv:
        return None
    argv: list[str] = []
    skip = False
    left = dict(fix.set)
    words = list(evidence.argv)
    for index, word in enumerate(words):
        if skip:
            skip = False
            continue
        name, equals, _ = word.partition("=")
        following = words[index + 1] if index + 1 < len(words) else ""
        has_value = not equals and following and not following.startswith("-")
        target = next((flag for flag in left if _same(flag, name)), None)
        if target is not None:
            argv += [name, left.pop(target)] if fix.set[target] else [name]
            skip = bool(has_value)
        elif name in fix.drop:
            skip = bool(has_value)
        else:
            argv.append(word)
    for flag, value in left.items():
        argv += [flag, value] if value else [flag]
    env = (
        " ".join(f"{k}={shlex.quote(v)}" for k, v in fix.env.items()) if not fix.set and not fix.drop else ""
    )
    return f"{env + ' ' if env else ''}{evidence.program} {shlex.join(argv)}".strip()


_SPELLINGS = (
    {"-c", "--ctx-size"},
    {"-ub", "--ubatch-size"},
    {"-np", "--parallel"},
    {"-ctk", "--cache-type-k"},
    {"-ctv", "--cache-type-v"},
    {"-fitt", "--fit-target"},
    {"-cram", "--cache-ram"},
)


def _same(one: str, other: str) -> bool:
    return one == other or any(one in names and other in names for names in _SPELLINGS)
