"""Memory: predicted beside measured, per case and in summary (schema: see the module's JSON)."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.memory_case import CaseResult, Pairs, Unsupported, worst
from planner.errors import PlannerError, RefusedError

_SCORED = ("full_log", "log_excerpt")


def run(path: Path, as_json: bool) -> None:
    """Compare every case of a file and print cases and summary."""
    results = [compare(row) for row in read_rows(path)]
    summary = summarise(results)
    if as_json:
        print(json.dumps({"cases": [r.as_json() for r in results], "summary": summary}))
        return
    for result in results:
        print(_line(result))
    print()
    _print_summary(summary)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the cases; a damaged line is named on stderr and left out."""
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                print(f"{path}:{number}: not JSON ({error})", file=sys.stderr)
                continue
            if isinstance(row, dict):
                rows.append(row)
    return rows


def compare(row: Mapping[str, Any]) -> CaseResult:
    """Predict one case and compare; never raises for what a case holds."""
    source = row.get("source")
    source = source if isinstance(source, Mapping) else {}
    kind = str(source.get("kind", "log"))
    evidence = source.get("evidence")
    if kind == "log" and evidence not in _SCORED:
        kind = f"log-{evidence}"
    result = CaseResult(
        id=str(row.get("id")),
        engine=str(row.get("engine")),
        kind=kind,
        model=str(row.get("model")),
        status="missed",
    )
    refused = row.get("refused")
    try:
        _check_shape(row)
        pairs = _adapter(result.engine.lower())(row)
        parts = {part: worst(part, p) for part, p in pairs.items() if p}
    except RefusedError as error:
        result.reason = str(error)
        if refused and _same_reason(str(error), str(refused)):
            result.status = "refused"
        elif refused:
            result.reason = f"refused for another reason: {error}"
        return result
    except Unsupported as error:
        result.status, result.reason = "unsupported", str(error)
        return result
    except PlannerError as error:
        result.status, result.reason = "unsupported", str(error)
        return result
    except KeyError as error:
        result.status, result.reason = "unsupported", f"the case does not say {error}"
        return result
    except Exception as error:  # a case from outside must not end the run
        result.reason = f"{type(error).__name__}: {error}"
        return result
    if refused:
        result.reason = "the engine refused, the planner did not"
        return result
    result.parts = parts
    if result.parts:
        result.status = "ok"
    else:
        result.status, result.reason = "unsupported", "the case holds no figure that can be compared"
    return result


_OBJECTS = ("source", "machine", "settings", "measured", "given")


def _check_shape(row: Mapping[str, Any]) -> None:
    """Raise Unsupported where a field isn't of the schema's kind."""
    for name in _OBJECTS:
        if row.get(name) is not None and not isinstance(row[name], Mapping):
            raise Unsupported(f"'{name}' is not an object")
    if not isinstance(row.get("model"), str) or not row["model"]:
        raise Unsupported("the case names no model")
    gpus = (row.get("machine") or {}).get("gpus")
    if gpus is not None and not (isinstance(gpus, list) and all(isinstance(g, Mapping) for g in gpus)):
        raise Unsupported("'gpus' is not a list of objects")
    if row.get("measured") is None and not row.get("refused"):
        raise Unsupported("the case holds neither a measurement nor a refusal")


def _adapter(engine: str) -> Callable[[Mapping[str, Any]], Pairs]:
    if engine in ("llama.cpp", "ollama"):
        from benchmarks.accuracy_llama import predict

        return predict
    if engine == "vllm":
        from benchmarks.accuracy_vllm import predict as predict_vllm

        return predict_vllm
    if engine == "mlx":
        from benchmarks.accuracy_mlx import predict as predict_mlx

        return predict_mlx
    raise Unsupported(f"no rules for {engine}")


def _same_reason(ours: str, theirs: str) -> bool:
    """True where our sentence is the engine's, or holds most of its telling words."""
    if ours in theirs:
        return True
    words = {w.strip(".,:;()`'\"").lower() for w in theirs.split() if len(w) > 4}
    found = {w.strip(".,:;()`'\"").lower() for w in ours.split() if len(w) > 4}
    return len(words & found) >= 4


def summarise(results: list[CaseResult]) -> dict[str, Any]:
    """Counts and error quantiles per engine and kind."""
    groups: dict[str, list[CaseResult]] = defaultdict(list)
    for result in results:
        groups[f"{result.engine}/{result.kind}"].append(result)
    summary = {}
    for name, cases in groups.items():
        errors: dict[str, list[float]] = defaultdict(list)
        for case in cases:
            for part, figures in case.parts.items():
                errors[part].append(figures["error"])
        covered = sum(case.status in ("ok", "refused") for case in cases)
        summary[name] = {
            "count": len(cases),
            "covered": covered,
            "parts": {part: _quantiles(e) for part, e in errors.items()},
        }
    return summary


def _quantiles(errors: list[float]) -> dict[str, float]:
    sizes = sorted(abs(e) for e in errors)
    n = len(sizes)
    return {
        "count": n,
        "median": median(sizes),
        "p90": sizes[min(n - 1, -(-n * 9 // 10) - 1)],
        "max": sizes[-1],
        "lowest": min(errors),
        "exact": sum(s == 0 for s in sizes) / n,
        "within_1pct": sum(s <= 0.01 for s in sizes) / n,
        "within_2pct": sum(s <= 0.02 for s in sizes) / n,
        "within_5pct": sum(s <= 0.05 for s in sizes) / n,
        "within_10pct": sum(s <= 0.10 for s in sizes) / n,
    }


def _line(result: CaseResult) -> str:
    parts = " ".join(f"{p} {f['error']:+.2%}" for p, f in result.parts.items())
    detail = parts or result.reason or ""
    return f"{result.id:18} {result.engine:10} {result.kind:16} {result.status:11} {result.model}: {detail}"


def _print_summary(summary: dict[str, Any]) -> None:
    from tabulate import tabulate

    rows = []
    for name, group in sorted(summary.items()):
        first = f"{name} ({group['covered']}/{group['count']})"
        if not group["parts"]:
            rows.append([first, "", *[""] * 7])
        for part, q in group["parts"].items():
            figures = [q["median"], q["p90"], q["max"], q["exact"], q["within_2pct"], q["within_5pct"]]
            rows.append([first, part, q["count"], *(f"{f:.2%}" for f in figures), f"{q['lowest']:+.2%}"])
            first = ""
    headers = ["covered", "part", "n", "median", "p90", "max", "exact", "≤2 %", "≤5 %", "lowest"]
    print(tabulate(rows, headers=headers))
