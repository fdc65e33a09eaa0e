"""Fit the speed coefficients: ``python -m benchmarks.fit_speed [--check] [--out FILE]``.

Reads benchmarks/data/speed.jsonl, fits decode and prefill (benchmarks/speed_model_fit.py), measures the error
on rows, models and hardware that were left out, derives the intervals from those residuals, and writes
planner/speed/coefficients.json. Needs the extra [fit] (numpy, scipy).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from scipy.optimize import minimize

from benchmarks.speed_cases import Case, Unsupported, case_of
from benchmarks.speed_model_fit import DECODE, PREFILL, Design, design, fit, predict
from benchmarks.speed_models import catalogue_resolver
from planner.speed.coefficients import PATH, Fit, Spread, features
from planner.speed.terms import Term, decode_terms, prefill_terms

DATA = Path(__file__).parent / "data" / "speed.jsonl"
# flags that say how precise a figure is, not that it is of something else
_HARMLESS = frozenset({"file_size_gb_decimal", "rounded", "quant_assumed"})
FLAGGED_WEIGHT = 0.25


@dataclass(frozen=True)
class Row:
    """One observation of one quantity."""

    case: Case
    terms: list[Term]
    seconds: float
    weight: float


def load(path: Path) -> tuple[list[Case], Counter[str]]:
    """Every row that a prediction is made for, and the reasons why others are not."""
    resolver = catalogue_resolver()
    cases, reasons = [], Counter[str]()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            try:
                cases.append(case_of(json.loads(line), resolver))
            except Unsupported as error:
                reasons[str(error)] += 1
    return cases, reasons


def rows_of(cases: Sequence[Case], quantity: str) -> list[Row]:
    """Observations of "decode" (seconds a step) or "prefill" (seconds a prompt)."""
    rows = []
    for c in cases:
        weight = 1.0 if not set(c.row.get("flags") or ()) - _HARMLESS else FLAGGED_WEIGHT
        if quantity == "decode" and (c.decode or c.total):
            terms = decode_terms(c.job, c.depth, batch=c.batch, prompt_per_token=c.prompt_per_token)
            rows.append(Row(c, terms, 1 / c.decode if c.decode else c.batch / (c.total or 1), weight))
        elif quantity == "prefill" and c.prefill:
            terms = prefill_terms(c.job, c.prompt, c.prefill_depth)
            rows.append(Row(c, terms, c.prompt / c.prefill, weight))
    return rows


def left_out(d: Design, rows: Sequence[Row], beta: Any, key: Callable[[Row], str]) -> Any:
    """Residuals (log measured - log predicted seconds) with each row's whole `key` group left out."""
    groups = np.array([key(r) for r in rows])
    predicted = np.zeros(d.size)
    for group in sorted(set(groups)):
        out = groups == group
        predicted[out] = predict(d, fit(d, ~out, beta, 6))[0][out]
    return d.target - predicted


def by_row(r: Row) -> str:
    """Ten random folds."""
    return str(crc32(r.case.id.encode()) % 10)


def by_hardware(r: Row) -> str:
    """One device."""
    return r.case.hw


def by_model(r: Row) -> str:
    """One model."""
    return str(r.case.row["model"])


def known(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """How many unflagged measurements each level rests on."""
    cards, generations, vendors, engines = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for r in rows:
        s = r.case.situation
        engines[s.engine] += 1
        if s.devices:
            d = s.devices[0]
            for name in (d.card, f"{d.card}+{d.backend}"):
                cards[name] += 1
            for name in (d.generation, f"{d.generation}+{d.backend}"):
                generations[name] += 1
            vendors[d.vendor] += 1
        else:
            cards["cpu"] += 1
    return {"cards": dict(cards), "generations": dict(generations), "vendors": dict(vendors),
            "engines": dict(engines)}  # fmt: skip


def without(levels: dict[str, dict[str, int]], row: Row) -> dict[str, dict[str, int]]:
    """The same without one card: what is known when that hardware is left out."""
    if not row.case.situation.devices:
        return levels
    d = row.case.situation.devices[0]
    cards = dict(levels["cards"])
    n = cards.pop(d.card, 0)
    n_backend = cards.pop(f"{d.card}+{d.backend}", 0)
    generations, vendors = dict(levels["generations"]), dict(levels["vendors"])
    generations[d.generation] -= n
    generations[f"{d.generation}+{d.backend}"] -= n_backend
    vendors[d.vendor] -= n
    return {**levels, "cards": cards, "generations": generations, "vendors": vendors}


def spread_of(rows: Sequence[Row], close: Any, far: Any, levels: dict[str, dict[str, int]]) -> Spread:
    """The spread's dependence on what is known, from residuals of rows (known card) and cards left out."""
    empty = Spread({}, -1.0, 1.0)
    table, residuals, weights = [], [], []
    for r, near, distant in zip(rows, close, far, strict=True):
        c = r.case
        for residual, have in ((near, levels), (distant, without(levels, r))):
            fitted = Fit({}, empty, 0, have["cards"], have["generations"], have["vendors"], have["engines"])
            table.append(features(fitted, c.job, depth=c.depth, batch=c.batch))
            residuals.append(-residual)
            weights.append(r.weight * (1.0 if residual is near else 0.3))
    names = sorted({k for row in table for k in row})
    x = np.array([[row.get(n, 0.0) for n in names] for row in table])
    res = np.array(residuals)
    w = np.array(weights)

    def loss(beta: Any) -> tuple[float, Any]:
        # Laplace likelihood: its scale is the mean absolute residual, robust against wild rows
        log_scale = x @ beta
        ratio = np.minimum(np.abs(res), 1.5) * np.exp(-log_scale)
        penalty = 0.5 * 4.0 * np.sum(beta[np.array(names) != "1"] ** 2)
        gradient = x.T @ (w * (1 - ratio)) + 4.0 * beta * (np.array(names) != "1")
        return float(w @ (log_scale + ratio) + penalty), gradient

    beta = minimize(loss, np.where(np.array(names) == "1", -2.0, 0.0), jac=True, method="L-BFGS-B").x
    standard = res / np.exp(np.clip(x @ beta, -4.0, 0.3))
    near = np.arange(len(res)) % 2 == 0
    clean = w >= 1.0
    low, high = np.quantile(standard[near & clean], (0.10, 0.90))
    return Spread({n: round(float(b), 4) for n, b in zip(names, beta, strict=True)}, float(low), float(high))


def summary(residuals: Any, pick: Any) -> str:
    """Median and 90th percentile of the absolute relative error of speed, in per cent."""
    if not pick.any():
        return "no rows"
    error = np.abs(np.expm1(residuals[pick]))
    return f"{pick.sum():5d} rows, median {np.median(error):6.1%}, 90th percentile {np.quantile(error, 0.9):6.1%}"


def main(argv: list[str] | None = None) -> None:
    """Fit, print the errors, write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_speed", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=PATH)
    parser.add_argument("--models", action="store_true", help="also leave out one model at a time")
    args = parser.parse_args(argv)
    cases, reasons = load(args.data)
    print(f"{len(cases)} rows used, {sum(reasons.values())} not:")
    for reason, count in reasons.most_common(12):
        print(f"  {count:4d}  {reason}")
    out: dict[str, Any] = {"date": date.today().isoformat(), "source": args.data.name, "rows": len(cases)}
    for quantity in ("decode", "prefill"):
        rows = rows_of(cases, quantity)
        d = design(
            [(r.terms, r.seconds, r.weight) for r in rows], DECODE if quantity == "decode" else PREFILL
        )
        beta = fit(d)
        inside = d.target - predict(d, beta)[0]
        close = left_out(d, rows, beta, by_row)
        far = left_out(d, rows, beta, by_hardware)
        clean = np.array([r.case.clean for r in rows])
        full = np.array([r.case.placement == "full" for r in rows])
        many = np.array([r.case.batch > 1 for r in rows])
        print(f"\n{quantity}: {len(rows)} rows, {len(d.names)} effects (unflagged rows below)")
        groups = {"all": clean, "one stream, all on GPU": clean & full & ~many, "several streams": clean & many,
                  "partly or all on CPU": clean & ~full}  # fmt: skip
        kinds = [("in the fit", inside), ("row left out", close), ("hardware left out", far)]
        if args.models:
            kinds.append(("model left out", left_out(d, rows, beta, by_model)))
        for name, pick in groups.items():
            for kind, residuals in kinds:
                print(f"  {name:24s} {kind:18s} {summary(-residuals, pick)}")
        levels = known(rows)
        spread = spread_of(rows, close, far, levels)
        out[quantity] = {
            "count": int(clean.sum()),
            "residuals": {
                kind: {
                    "median": round(float(np.median(np.abs(np.expm1(-r[clean])))), 4),
                    "p90": round(float(np.quantile(np.abs(np.expm1(-r[clean])), 0.9)), 4),
                }
                for kind, r in kinds
            },
            "known": levels,
            "spread": {"weights": spread.weights, "low": round(spread.low, 4), "high": round(spread.high, 4)},
            "effects": {n: round(float(b), 4) for n, b in zip(d.names, beta, strict=True) if abs(b) > 5e-4},
        }
    args.out.write_text(json.dumps(out, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"\nwrote {args.out}")


if __name__ == "__main__":
    main()
