"""What Python's argparse says of an option that it doesn't know: the nearest, or what took its place, by the tables."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Weight
from planner.engines.flags import FlagTable, Role

_UNKNOWN: Final = re.compile(r"error: unrecognized arguments: (?P<given>--?[\w-]+)(?P<rest>[^\n]{0,200})")
_VALUE: Final = re.compile(
    r"error: argument (?P<names>[^:\n]{2,80}): (?P<why>(?:invalid choice|expected|invalid \w+ value)[^\n]{0,400})"
)


def option_refused(evidence: Evidence) -> Finding | None:
    """'unrecognized arguments' and 'argument --x: invalid choice': the program ended before it loaded anything."""
    table = evidence.command.table if evidence.command is not None else None
    unknown = _UNKNOWN.search(evidence.text)
    if unknown is not None:
        name = unknown["given"]
        now = _in_its_place(table, name)
        fix = (
            Fix(now, "none", {now: evidence.flag(name) or ""}, drop=(name,))
            if now
            else Fix(f"leave out {name}, or see --help of this release", "none", drop=(name,))
        )
        return Finding(
            Cause.OPTION_CONFLICT,
            Weight.PROVEN if now else Weight.NUMBERS,
            f"This release does not know {name}{f': it is called {now}' if now else ''}.",
            (_ENDED, "An option may belong to another release, or to another engine."),
            (fix, Fix("the release that the command was written for", "none")),
        )
    value = _VALUE.search(evidence.text)
    if value is None:
        return None
    name = value["names"].split("/")[0].split(",")[0].strip()
    return Finding(
        Cause.OPTION_CONFLICT,
        Weight.NUMBERS,
        f"The value of {name} is refused.",
        (f"{name}: {value['why'].strip()[:300]}", _ENDED),
        (Fix(f"a value that {name} takes (the message lists them), or leave it out", "none", drop=(name,)),),
    )


_ENDED: Final = "The program ended before it loaded anything: neither memory nor the model is at fault."


def _in_its_place(table: FlagTable | None, name: str) -> str | None:
    """The flag that took a gone one's place, else the nearest of the engine's own; None where there is none."""
    if table is None:
        return None
    if name in table:
        flag = table.named(name) if name in {n for f in table.flags for n in f.names} else None
        return (
            flag.meaning.split()[0] if flag is not None and flag.role is Role.GONE and flag.meaning else None
        )
    return table.near(name)
