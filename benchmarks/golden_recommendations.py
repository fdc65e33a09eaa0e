"""The first three recommendations for twelve machines and six use cases, as a reviewed file.

What they must be at least, on forty machines, is judged by benchmarks.judge_advice.

python -m benchmarks.golden_recommendations            compare with tests/golden/recommendations.json
python -m benchmarks.golden_recommendations --write    write it anew (then read the diff as an expert)
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import planner
from planner.advice.recommend.recommend import Recommendation, recommend
from planner.plan import UseCase, Workload

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "recommendations.json"
MACHINES = (
    "raspberry-pi-5-8gb",
    "rtx-3060-12gb",
    "rtx-4060-ti-16gb",
    "rtx-4090",
    "rtx-3090 x2",
    "rx-7900-xtx",
    "apple-m4-16gb",
    "apple-m4-max-64gb",
    "strix-halo-395-128",
    "dgx-spark",
    "h100-80gb",
    "8x h200",
)


Found = dict[str, dict[UseCase, Recommendation]]


@cache
def found_today() -> Found:
    """Return machine -> use case -> what is recommended to one user."""
    return {
        name: {case: recommend(machine, Workload(use_case=case), limit=5) for case in UseCase}
        for name in MACHINES
        for machine in (planner.load_profile(name),)
    }


def recommendations() -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Return machine -> use case -> the first three, with their reasons."""
    return {
        name: {
            use_case.value: [
                {
                    "model": plan.name,
                    "quant": plan.quant,
                    "engine": plan.engine,
                    "placement": plan.placement.value,
                    "why": [reason.text for reason in plan.why],
                }
                for plan in found.plans[:3]
            ]
            for use_case, found in cases.items()
        }
        for name, cases in found_today().items()
    }


def main() -> int:
    """Compare or write; exit code 1 where they differ."""
    parser = argparse.ArgumentParser(description="The reviewed recommendations.")
    parser.add_argument("--write", action="store_true", help="write the file anew")
    options = parser.parse_args()
    now = recommendations()
    if options.write:
        GOLDEN.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return 0
    before = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for name, cases in now.items():
        for case, plans in cases.items():
            if before.get(name, {}).get(case) != plans:
                print(f"{name}, {case}: {[p['model'] for p in plans]}")
    return int(before != now)


if __name__ == "__main__":
    sys.exit(main())
