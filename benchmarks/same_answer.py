"""Follow the line that `check` prints: do plan, launch and bundle answer as check did?

    python -m benchmarks.same_answer [--users 8] [--every 4]

Forty machines, six use cases. Each first answer of `planner check` is compared with what `planner plan`, `launch` and
`bundle` say to the options of the line that check prints below it: model, quantisation, engine, settings (the context
is one of them) and command, each as JSON. Prints how many are the same, and every other.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.expected_advice import MACHINES
from planner.cli.main import run
from planner.plan import UseCase

SAME: Final = ("model", "quant", "engine", "settings", "command")


def said(words: Sequence[str]) -> str:
    """Return what the program prints for a command line."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()):
        run(words)
    return printed.getvalue()


def answer(words: Sequence[str]) -> dict[str, Any]:
    """Return the document that the program prints for a command line."""
    found: dict[str, Any] = json.loads(said([*words, "--json"]))
    return found


def followed(asked: Sequence[str], folder: Path) -> dict[str, dict[str, Any]]:
    """Return the plan of each command that answers to the options of a printed line."""
    bundle = answer(["bundle", *asked, "--no-ask", "--out", str(folder)])
    return {
        "plan": answer(["plan", *asked]),
        "launch": answer(["launch", *asked]),
        "bundle": bundle["models"][0]["plan"],
    }


def main() -> int:
    """Compare, and print the counts; 1 where one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="only every so many machines")
    asked = parser.parse_args()
    users, machines = asked.users, MACHINES[:: asked.every]
    same: Counter[str] = Counter()
    cases = nothing = 0
    with tempfile.TemporaryDirectory() as folder:
        for machine in machines:
            for use_case in UseCase:
                words = ["check", "--profile", machine, "--use-case", use_case.value, "--limit", "1"]
                words += ["--users", str(users)] if users > 1 else []
                plans = answer(words)["plans"]
                if not plans:
                    nothing += 1
                    continue
                cases += 1
                line = next(x for x in said(words).splitlines() if x.startswith("planner plan "))
                for command, plan in followed(shlex.split(line)[2:], Path(folder, "bundle")).items():
                    other = [key for key in SAME if plan[key] != plans[0][key]]
                    same[command] += not other
                    if other:
                        print(f"{command}: another {', '.join(other)}: {line}", flush=True)
    print(f"{cases} first answers on {len(machines)} machines, {nothing} times nothing runs well enough")
    for command in ("plan", "launch", "bundle"):
        print(f"{command}: {same[command]} of {cases} the same")
    return 0 if all(count == cases for count in same.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
