"""The table of `planner plan --depth`: memory and speed over context depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.advice.plan.depth import depth_points
from planner.cli.output import print_heading, print_table
from planner.cli.plan_view import range_text
from planner.engines.base import NO_OVERRIDES
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.plan import Plan, Workload
from planner.units import context_text, gib


def print_depth(
    model: Model,
    machine: Machine,
    workload: Workload,
    plan: Plan,
    overrides: Mapping[str, Any] = NO_OVERRIDES,
) -> None:
    """Print one row a depth of a plan made with `overrides`: cache, decode and prefill."""
    rows = []
    for point in depth_points(model, machine, workload, plan, overrides):
        rows.append(
            [
                context_text(point.tokens),
                gib(point.cache, 2),
                gib(point.total, 2),
                range_text(point.speed.decode_tps),
                range_text(point.speed.prefill_tps),
            ]
        )
    print_heading("Over context depth")
    print_table(rows, ["Depth", "KV cache", "Memory", "Decode tokens/s", "Prefill tokens/s"])
