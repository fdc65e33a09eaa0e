"""Thirty-nine questions whose answers were read by somebody of the field: what is recommended today.

python -m benchmarks.advice_rows         prints today's first three of each (minutes)

What was wrong with the first answers, and what became of each, stands in docs/advice.md.
"""

from __future__ import annotations

import sys
from typing import Final

import planner
from benchmarks.judge_advice import line
from planner.advice.recommend.recommend import recommend
from planner.plan import UseCase, Workload

G, C, R, M, A, V = UseCase
# machine, use case, users, engine, context
Row = tuple[str, UseCase, int, str | None, int | None]
_LAPTOP: Final = "rtx-4060-laptop"
ROWS: Final[tuple[Row, ...]] = (
    (_LAPTOP, G, 1, None, None),
    (_LAPTOP, C, 1, None, None),
    (_LAPTOP, R, 1, None, None),
    (_LAPTOP, V, 1, None, None),
    (_LAPTOP, G, 8, None, None),
    ("rtx-4060-laptop + 16GiB", G, 1, None, None),
    (_LAPTOP, A, 1, "ollama", None),
    ("apple-m4-16gb", G, 1, None, None),
    ("apple-m4-16gb", A, 1, None, None),
    ("apple-m4-16gb", G, 8, None, None),
    ("rtx-5060-ti-16", G, 1, None, None),
    ("rtx-5060-ti-16", C, 1, None, None),
    ("rtx-5060-ti-16", A, 8, None, None),
    ("rtx-4090", G, 1, None, None),
    ("rtx-4090", A, 1, None, None),
    ("rtx-4090", A, 8, None, None),
    ("2x rtx-3090 + 128GiB ddr5-5600", G, 1, None, None),
    ("2x rtx-3090 + 128GiB ddr5-5600", A, 8, None, None),
    ("strix-halo-395-128", G, 1, None, None),
    ("strix-halo-395-128", G, 8, None, None),
    ("apple-m4-max-128gb", G, 1, None, None),
    ("apple-m4-max-128gb", G, 8, None, None),
    ("apple-m3-ultra-512gb", G, 1, None, None),
    ("apple-m3-ultra-512gb", V, 1, None, None),
    ("apple-m3-ultra-512gb", G, 8, None, None),
    ("dgx-spark", G, 1, None, None),
    ("dgx-spark", C, 8, None, None),
    ("laptop-ddr4-16", G, 1, None, None),
    ("laptop-ddr4-16", C, 1, None, None),
    ("raspberry-pi-5-8gb", G, 1, None, None),
    ("phone-mid", G, 1, None, None),
    ("h100-80gb", G, 1, None, None),
    ("h100-80gb", G, 8, None, None),
    ("8x h100-sxm", G, 1, None, None),
    ("8x h100-sxm", A, 8, None, None),
    ("8x h100-sxm", A, 50, None, 65536),
    ("rx-7900-xtx", G, 1, None, None),
    ("rtx-3060-12gb", C, 1, None, None),
    ("rtx-5090", C, 1, None, None),
)


def main() -> int:
    """Print the table."""
    print("| machine | use (users) | first / second / third today |\n|---|---|---|")
    for machine, use_case, users, engine, context in ROWS:
        workload = Workload(context, users, use_case=use_case)
        found = recommend(planner.load_profile(machine), workload, engine=engine, limit=3)
        said = " / ".join(line(plan, workload) for plan in found.plans)
        asked = f"{use_case.value} ({users})" + (f", {engine}" if engine else "")
        print(f"| {machine} | {asked} | {said} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
