"""Speed: predicted beside measured, per row and in summary, beside the formulas that other tools use.

A row is `ok` where something was compared, `dropped` where a flag says that the figure is of something else
(the reason is given), `unsupported` where no prediction is made. The summary is over unflagged rows; the
same over every compared row is in `summary_all`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import log
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.accuracy_memory import read_rows
from benchmarks.speed_cases import UNUSED_FLAGS, Unsupported, case_of
from benchmarks.speed_models import Resolver, catalogue_resolver
from benchmarks.speed_report import predicted, quantile
from benchmarks.speed_rows import GROUPS

# flags that say how a figure was written down, not that it is of something else
NOTES = frozenset({"file_size_gb_decimal"})
_LEAST = 1e-9  # of a ratio, where a figure is absurd
QUANTITIES = ("decode", "prefill", "serving")


def run(path: Path, as_json: bool) -> None:
    """Compare every row of a file and print rows and summary."""
    resolver = catalogue_resolver()
    results = [compare(row, resolver) for row in read_rows(path)]
    plain = [r for r in results if not r["flags"]]
    summary, everything = summarise(plain), summarise(results)
    if as_json:
        print(json.dumps({"cases": results, "summary": summary, "summary_all": everything}))
        return
    for result in results:
        print(_line(result))
    for title, part in (("unflagged rows", summary), ("all rows", everything)):
        _print_summary(title, part)


def compare(row: Mapping[str, Any], resolver: Resolver) -> dict[str, Any]:
    """One row: what was predicted, what was measured; never raises for what a row holds."""
    listed = row.get("flags")
    flags = [str(f) for f in listed if f not in NOTES] if isinstance(listed, list) else []
    out: dict[str, Any] = {"id": str(row.get("id")), "status": "ok", "reason": None, "flags": flags}
    try:
        case = case_of({**row, "flags": flags}, resolver)
        found = {
            "hardware": case.hw,
            "engine": case.situation.engine,
            "residency": case.placement,
            "model": case.how,
            "groups": [name for name, belongs in GROUPS.items() if name != "all" and belongs(case)],
            **predicted(case),
        }
    except Unsupported as error:
        dropped = any(f in UNUSED_FLAGS for f in flags) or row.get("spec_decoding")
        return {**out, "status": "dropped" if dropped else "unsupported", "reason": str(error)}
    except KeyError as error:
        return {**out, "status": "unsupported", "reason": f"the row does not say {error}"}
    except Exception as error:  # a row from outside must not end the run
        return {**out, "status": "unsupported", "reason": f"{type(error).__name__}: {error}"}
    out |= found
    if not any(q in out for q in QUANTITIES):
        return {
            **out,
            "status": "unsupported",
            "reason": "no speed of one stream, prefill or total in the row",
        }
    return out


def _statistics(cases: Sequence[Mapping[str, Any]], quantity: str) -> dict[str, Any]:
    found = [c[quantity] for c in cases if quantity in c]
    errors = [abs(f["error"]) for f in found]
    if not errors:
        return {"count": 0}
    return {
        "count": len(found),
        "median": round(median(errors), 4),
        "p90": round(quantile(errors, 0.9), 4),
        "bias": round(median(log(max(1 + f["error"], _LEAST)) for f in found), 4),
        "inside": round(sum(f["low"] <= f["measured"] <= f["high"] for f in found) / len(found), 4),
        "width": round(median(f["high"] / f["low"] for f in found), 3),
    }


def summarise(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Errors and calibration by quantity, by hardware, engine and residency; coverage; the peers' errors."""
    usable = [r for r in results if r["status"] != "dropped"]
    compared = [r for r in results if r["status"] == "ok"]
    out: dict[str, Any] = {
        "rows": len(results),
        "covered": round(len(compared) / len(usable), 4) if usable else 0.0,
        "dropped": len(results) - len(usable),
    }
    for quantity in QUANTITIES:
        out[quantity] = _statistics(compared, quantity) | {"covered": out["covered"]}
        for name in ("hardware", "engine", "residency"):
            out[quantity][f"by_{name}"] = _grouped(compared, quantity, name)
        out[quantity]["by_group"] = {
            name: _statistics([c for c in compared if name in c["groups"]], quantity)
            for name in GROUPS
            if any(quantity in c and name in c["groups"] for c in compared)
        }
    out["peers"] = _peer_statistics(compared)
    return out


def _grouped(cases: Sequence[Mapping[str, Any]], quantity: str, key: str) -> dict[str, Any]:
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for case in cases:
        if quantity in case:
            groups[str(case[key])].append(case)
    ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
    return {name: _statistics(members, quantity) for name, members in ordered}


def _peer_statistics(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The peers' formulas and ours, on the same rows: one stream, everything in one memory."""
    same = [c for c in cases if "peers" in c and c["residency"] == "full"]
    if not same:
        return {}
    ours = [abs(c["decode"]["error"]) for c in same]
    out = {
        "planner": {
            "count": len(ours),
            "median": round(median(ours), 4),
            "p90": round(quantile(ours, 0.9), 4),
        }
    }
    for name in same[0]["peers"]:
        errors = [abs(c["peers"][name]) for c in same]
        out[name] = {
            "count": len(errors),
            "median": round(median(errors), 4),
            "p90": round(quantile(errors, 0.9), 4),
        }
    return out


def _line(result: Mapping[str, Any]) -> str:
    if result["status"] != "ok":
        return f"{result['id']:32s} {result['status']}: {result['reason']}"
    parts = []
    for quantity in QUANTITIES:
        if quantity in result:
            f = result[quantity]
            mark = "" if f["low"] <= f["measured"] <= f["high"] else " outside"
            parts.append(
                f"{quantity} {f['low']:.4g}-{f['expected']:.4g}-{f['high']:.4g} "
                f"measured {f['measured']:.4g} ({f['error']:+.0%}){mark}"
            )
    return f"{result['id']:32s} " + "; ".join(parts)


def _print_summary(title: str, summary: Mapping[str, Any]) -> None:
    print(f"\n{title}: {summary['rows']}, covered {summary['covered']:.1%}, dropped {summary['dropped']}")
    for quantity in QUANTITIES:
        part = summary[quantity]
        if not part["count"]:
            continue
        print(f"  {_figures(quantity, part)}")
        for group in ("by_group", "by_residency", "by_engine", "by_hardware"):
            for name, figures in list(part[group].items())[:13]:
                print(f"    {_figures(name, figures)}")
    for name, figures in summary["peers"].items():
        print(
            f"  {name:28s} {figures['count']:5d} rows, median {figures['median']:.1%}, p90 {figures['p90']:.1%}"
        )


def _figures(name: str, part: Mapping[str, Any]) -> str:
    return (
        f"{name:28s} {part['count']:5d} rows, median {part['median']:6.1%}, p90 {part['p90']:6.1%}, "
        f"inside {part['inside']:.0%}, width {part['width']:.2f}"
    )
