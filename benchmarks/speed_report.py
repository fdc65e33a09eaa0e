"""Predicted beside measured speeds, in one table by group: as fitted, and with each row's group left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from statistics import median
from typing import Any

from tabulate import tabulate

from benchmarks.speed_cases import Case, Unsupported
from benchmarks.speed_peers import peer_bandwidth, peer_serving, peer_table
from benchmarks.speed_rows import GROUPS
from planner.plan import Interval
from planner.speed.coefficients import Coefficients, coefficients
from planner.speed.estimate import decode, prefill
from planner.speed.first_token import first_token
from planner.speed.job import Traffic

Compared = dict[str, float]


def predicted(case: Case, c: Coefficients | None = None) -> dict[str, Any]:
    """Each quantity of a case beside what was measured; `c`: other coefficients than those shipped.

    Raises Unsupported for figures that are no speeds.
    """
    c = c or coefficients()
    out: dict[str, Any] = {}
    if case.decode or case.total:
        interval, _ = decode(case.job, case.depth, case.load, fit=c.decode)
        if case.decode:
            out["decode"] = compared(interval, case.decode)
            if case.batch == 1:
                out["peers"] = _peers(case)
        if case.batch > 1:
            total = case.total or (case.decode or 0.0) * case.batch
            every = Interval(*(v * case.batch for v in (interval.low, interval.expected, interval.high)))
            out["serving"] = compared(every, total)
        if case.batch > 1 and case.row.get("ttft_ms") and case.load.prompt and case.load.output:
            out["ttft"] = compared(_first(case, interval, c), float(case.row["ttft_ms"]) / 1000)
    if case.prefill:
        interval, _ = prefill(case.job, case.prompt, case.prefill_depth, fit=c.prefill)
        out["prefill"] = compared(interval, case.prefill)
    return out


def _first(case: Case, speed: Interval, c: Coefficients) -> Interval:
    """Seconds to the first token at the median under a steady load of the case's streams."""
    load = case.load
    traffic = Traffic(int(case.depth), int(load.prompt), int(load.output), int(load.streams))
    reading, _ = prefill(case.job, load.prompt, fit=c.prefill)
    return Interval(
        *(
            first_token(traffic, prompt=load.prompt / rate, step=1 / each).median
            for rate, each in (
                (reading.high, speed.high),
                (reading.expected, speed.expected),
                (reading.low, speed.low),
            )
        )
    )


def compared(interval: Interval, measured: float) -> Compared:
    """An interval beside one figure. Raises Unsupported where either is no speed."""
    if not (0 < measured < inf and 0 < interval.low <= interval.expected <= interval.high < inf):
        raise Unsupported(f"{measured:g} tokens/s, or what it is compared with, is no speed")
    return {
        "low": interval.low,
        "expected": interval.expected,
        "high": interval.high,
        "measured": measured,
        "error": interval.expected / measured - 1,
    }


def peers_table(
    cases: Sequence[Case], fitted: Sequence[Mapping[str, Any]], left_out: Sequence[Mapping[str, Any]]
) -> str:
    """The planner beside the formulas of others on the rows that each answers, in Markdown; decode, unflagged rows."""
    others: list[Callable[[Case], float | None]] = [
        lambda c: peer_bandwidth(c) if c.batch == 1 else None,
        lambda c: peer_table(c) if c.batch == 1 else None,
        peer_serving,
    ]
    groups: dict[str, Callable[[Case], bool]] = {
        "one stream, all on one kind of memory": lambda c: c.batch == 1 and c.placement == "full",
        "several streams that aiconfigurator-core answers": lambda c: (
            c.batch > 1 and peer_serving(c) is not None
        ),
    }
    rows = []
    for name, belongs in groups.items():
        at = [i for i, c in enumerate(cases) if c.clean and c.decode and "decode" in fitted[i] and belongs(c)]
        if not at:
            continue
        columns = [[abs(kind[i]["decode"]["error"]) for i in at] for kind in (fitted, left_out)]
        for other in others:
            said = [(other(cases[i]), cases[i].decode or 1.0) for i in at]
            columns.append([abs(v / measured - 1) for v, measured in said if v is not None])
        figures = [f"{median(c):.1%} / {quantile(c, 0.9):.0%}" if c else "" for c in columns]
        rows.append([name, len(at), *figures])
    heads = [
        "planner",
        "planner, left out",
        "0.55 x bandwidth / size",
        "per-quantisation table",
        "aiconfigurator-core",
    ]
    return tabulate(rows, ["rows", "count", *heads], tablefmt="github", disable_numparse=True)


def _peers(case: Case) -> dict[str, float]:
    measured = case.decode or 1.0
    return {
        "0.55 x bandwidth / size": peer_bandwidth(case) / measured - 1,
        "per-quantisation table": peer_table(case) / measured - 1,
    }


def quantile(values: Sequence[float], q: float) -> float:
    """The q-quantile, by linear interpolation."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    at = q * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (at - low)


def _figures(found: Sequence[Compared]) -> list[str]:
    errors = [abs(f["error"]) for f in found]
    inside = sum(f["low"] <= f["measured"] <= f["high"] for f in found) / len(found)
    width = median(f["high"] / f["low"] for f in found)
    return [f"{median(errors):.1%}", f"{quantile(errors, 0.9):.0%}", f"{inside:.0%}", f"{width:.2f}"]


def report(
    cases: Sequence[Case], fitted: Sequence[Mapping[str, Any]], left_out: Sequence[Mapping[str, Any]]
) -> str:
    """The table, in Markdown: unflagged rows, both kinds side by side."""
    rows = []
    for quantity in ("decode", "serving", "prefill", "ttft"):
        for name, belongs in GROUPS.items():
            at = [i for i, c in enumerate(cases) if c.clean and quantity in fitted[i] and belongs(c)]
            if at and not (quantity == "serving" and name == "serving"):
                near, far = ([kind[i][quantity] for i in at] for kind in (fitted, left_out))
                rows.append([quantity, name, len(at), *_figures(near), *_figures(far)])
    heads = ["median", "p90", "inside", "width"]
    return tabulate(
        rows,
        ["quantity", "rows of", "count", *heads, *(f"{h}, left out" for h in heads)],
        tablefmt="github",
        disable_numparse=True,
    )
