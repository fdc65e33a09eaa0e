"""How many public reports are explained rightly: `python -m benchmarks.diagnosed [SET…] [--json]`.

The reports are tests/verify/pastes_unseen.json, collected set by set: what a person pastes, the causes that are right,
patterns of what an answer has to say (numbers without their commas), and of what it must not say. A set is unseen
until rules are written with it in sight; docs/diagnose.md holds each set's figure from before that.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

from planner.api import Diagnosed, diagnose
from planner.engines.evidence import Weight

REPORTS: Final = Path(__file__).parent.parent / "tests" / "verify" / "pastes_unseen.json"
_COMMA: Final = re.compile(r"(?<=\d),(?=\d{3}\b)")


def reports(path: Path = REPORTS) -> list[dict[str, Any]]:
    """Return all reports."""
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def said(answer: Diagnosed) -> str:
    """Return all that a diagnosis says, as one text without commas in numbers."""
    finding = answer.finding
    if finding is None:
        return ""
    fixes = [
        " ".join(
            (f.do, f.cost, *(f"{k} {v}" for k, v in f.set.items()), *(f"{k}={v}" for k, v in f.env.items()))
        )
        for f in finding.fixes
    ]
    parts = (finding.what, *finding.why, *fixes, answer.command or "", *finding.ask, finding.report)
    return _COMMA.sub("", " ".join(parts))


def judge(report: dict[str, Any], answer: Diagnosed) -> str:
    """Return "right", "wrong" for a stated cause that isn't it, or "short" where something is not said."""
    finding, text = answer.finding, said(answer)
    if finding is None or not answer.explained:
        cause = "unknown" in report["causes"]
    else:
        cause = finding.cause in report["causes"]
    if any(re.search(never, text, re.I) for never in report.get("never", ())):
        return "wrong"
    if not cause:
        return (
            "wrong"
            if answer.explained and finding is not None and finding.weight > Weight.NOTICE
            else "short"
        )
    return "right" if all(re.search(_COMMA.sub("", s), text, re.I) for s in report["says"]) else "short"


def main(arguments: list[str]) -> None:
    """Print how each set does, and every report that isn't right."""
    wanted = [a for a in arguments if not a.startswith("--")]
    counts: dict[str, Counter[str]] = {}
    missed = []
    for report in reports():
        if wanted and report["set"] not in wanted:
            continue
        verdict = judge(report, diagnose(report["paste"]))
        counts.setdefault(report["set"], Counter())[verdict] += 1
        if verdict != "right":
            missed.append((report["id"], verdict))
    if "--json" in arguments:
        print(json.dumps({"sets": counts, "missed": missed}))
        return
    for name, count in counts.items():
        print(f"{name}: {count['right']} of {count.total()} right, {count['wrong']} with a wrong cause")
    for ident, verdict in missed:
        print(f"  {ident}: {verdict}")


if __name__ == "__main__":
    main(sys.argv[1:])
