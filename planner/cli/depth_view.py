"""The table of `planner plan --depth`: memory and speed over context depth."""

from __future__ import annotations

from planner.api import over_depth
from planner.cli.output import print_heading, print_table
from planner.cli.plan_view import range_text
from planner.plan import Plan
from planner.units import context_text, gib


def print_depth(plan: Plan) -> None:
    """Print one row a depth of a plan: cache, decode and prefill."""
    rows = [
        [
            context_text(point.tokens),
            gib(point.cache, 2),
            gib(point.total, 2),
            range_text(point.speed.decode_tps),
            range_text(point.speed.prefill_tps),
        ]
        for point in over_depth(plan)
    ]
    print_heading("Over context depth")
    print_table(rows, ["Depth", "KV cache", "Memory", "Decode tokens/s", "Prefill tokens/s"])
