"""What the operating system says: the OOM killer, containers, WSL, Windows' shared memory, an APU's carve-out."""

from __future__ import annotations

from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Rule, Weight, plain_finding


def plain(evidence: Evidence) -> Finding | None:
    """A message of the system, by its own meaning."""
    order = {
        "e97": Cause.UNSEEN_MEMORY,
        "e98": Cause.UNSEEN_MEMORY,
        "e99": Cause.SPILL_BY_A_LITTLE,
        "e101": Cause.UNSEEN_MEMORY,
        "e100": Cause.UNSEEN_MEMORY,
    }
    for ident, cause in order.items():
        seen = evidence.first(ident)
        if seen is not None:
            return plain_finding(seen, cause, Weight.NOTICE if ident == "e100" else Weight.MESSAGE)
    return None


RULES: Final[tuple[Rule, ...]] = (plain,)
