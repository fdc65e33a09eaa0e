"""Fit the speed coefficients: ``python -m benchmarks.fit_speed [--report FILE] [--out FILE]``.

Reads the measured speeds of benchmarks/data, fits decode and prefill (benchmarks/speed_model_fit.py), predicts
every row from a fit without its group (a model on a card under an engine), derives the intervals from those errors,
and writes planner/speed/coefficients.json. Needs the extra [fit] (numpy, scipy).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from math import ceil
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from scipy.optimize import minimize

from benchmarks.speed_cases import Case
from benchmarks.speed_model_fit import DECODE, PREFILL, Design, design, fit, predict
from benchmarks.speed_report import peers_table, predicted, report
from benchmarks.speed_rows import data_files, group_key, load, priors, weight_of
from planner.speed.coefficients import PATH, Coefficients, Fit, Spread, features, group_of
from planner.speed.decode_terms import CHUNK, decode_terms
from planner.speed.prefill_terms import prefill_terms
from planner.speed.terms import Term

FOLDS = 24
_STAYS = -1  # the fold of what is never left out
_FIRST = 0.25  # weight of a prompt's time that was read off a first token
_FEW, _LEAST_PROMPT = (
    8,
    512,
)  # streams that hardly queue, tokens that take longer than what is fixed a request
_SWEEP = 6  # rows of one group that count in full
_LIKELY = (
    0.5  # share from which a kind of leaving out decides where 80 % lie: cards nobody measured are rarer
)
_CALIBRATED = (
    "serving",
    "partial",
    "cpu",
    "home",
)  # kinds of run of which 80 % shall lie inside, each by itself
_CLOSE = 6  # steps of the iteration from the whole fit to one without a fold
_HEAD = """# Speed's errors by group

Written by `python -m benchmarks.fit_speed --report docs/speed_errors.md`: unflagged rows of `benchmarks/data/`,
predicted by the shipped coefficients and, "left out", by a fit without any row of the same model on the same card
under the same engine. A row that nobody has seen yet errs like the right half. "Inside": the share of measurements
in the printed range, made for 80 %; "width": the range's median high/low.
"""
Levels = dict[str, dict[str, int]]
_PEERS = """
## Beside the formulas of others

Decode, median / 90th percentile of the absolute error, on the same rows. The formulas of others are reproduced in
`benchmarks/speed_peers.py` and given our sizes; they know one stream alone. What aiconfigurator-core 0.12.0 says, from
its tables of kernels measured on these cards, is in `benchmarks/data/aiconfigurator.json`.

"""


@dataclass(frozen=True)
class Row:
    """One observation of one quantity."""

    case: Case
    terms: list[Term]
    seconds: float
    weight: float


@dataclass(frozen=True)
class LeftOut:
    """Fits without one fold each: the fold of a row, the effects and what is known by fold, the residuals."""

    fold: Any
    effects: list[dict[str, float]]
    levels: list[Levels]
    residuals: Any  # log measured - log predicted seconds of each row, from the fit without its fold


def rows_of(cases: Sequence[Case], quantity: str) -> list[Row]:
    """Observations of "decode" (seconds a step) or "prefill" (seconds a prompt)."""
    rows = []
    for c in cases:
        if quantity == "decode" and (c.decode or c.total):
            terms = decode_terms(c.job, c.depth, c.load)
            rows.append(Row(c, terms, 1 / c.decode if c.decode else c.batch / (c.total or 1), weight_of(c)))
        elif quantity == "prefill" and c.prefill:
            terms = prefill_terms(c.job, c.prompt, c.prefill_depth)
            rows.append(Row(c, terms, c.prompt / c.prefill, weight_of(c)))
        elif quantity == "prefill" and (seconds := first_prompt(c)):
            rows.append(Row(c, prefill_terms(c.job, c.load.prompt), seconds, _FIRST))
    return _balanced(rows)


def first_prompt(c: Case) -> float | None:
    """Seconds of a prompt by the first token's time of a few streams: less the step that ran and its own steps."""
    first, each = c.row.get("ttft_ms"), 1 / c.decode if c.decode else 0.0
    if not (
        first and each and c.load.prompt >= _LEAST_PROMPT and 1 < c.batch <= _FEW and c.situation.devices
    ):
        return None
    left = float(first) / 1e3 - each * (0.5 + ceil(c.load.prompt / CHUNK))
    return left if left > 0.3 * float(first) / 1e3 else None


def _balanced(rows: Sequence[Row]) -> list[Row]:
    """The same with a group of many rows counting as the root of their number: a sweep repeats itself."""
    keys = [(group_key(r.case), r.case.modelled) for r in rows]
    sizes = Counter(keys)
    return [
        replace(r, weight=r.weight * min(1.0, _SWEEP / sizes[key]) ** 0.5)
        for r, key in zip(rows, keys, strict=True)
    ]


def fold_of(key: str) -> int:
    """The fold in which a group is left out."""
    return crc32(key.encode()) % FOLDS


def left_out(d: Design, rows: Sequence[Row], beta: Any, key: Callable[[Case], str]) -> LeftOut:
    """Fit without each fold of `key`'s groups in turn; what tables of kernels say stays."""
    fold = np.array([_STAYS if r.case.modelled else fold_of(key(r.case)) for r in rows])
    residuals = np.zeros(d.size)
    effects, levels = [], []
    for f in range(FOLDS):
        out = fold == f
        b = fit(d, ~out, beta, _CLOSE) if out.any() else beta
        residuals[out] = (d.target - predict(d, b)[0])[out]
        effects.append(named(d, b))
        levels.append(known([r for r, o in zip(rows, out, strict=True) if not o]))
    return LeftOut(fold, effects, levels, residuals)


def named(d: Design, beta: Any) -> dict[str, float]:
    """Effects by name, without those that are nothing."""
    return {n: round(float(b), 4) for n, b in zip(d.names, beta, strict=True) if abs(b) > 5e-4}


def known(rows: Sequence[Row]) -> Levels:
    """How many measurements each level rests on."""
    cards, generations, vendors, engines = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    groups = Counter[str]()
    for r in rows:
        if r.case.modelled:
            continue
        s = r.case.situation
        engines[s.engine] += 1
        groups[group_of(r.case.job, many=r.case.batch > 1)] += 1
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
            "engines": dict(engines), "groups": dict(groups)}  # fmt: skip


def as_fit(effects: dict[str, float], levels: Levels, spread: Spread, count: int) -> Fit:
    """The coefficients as the product holds them."""
    return Fit(effects, spread, count, levels["cards"], levels["generations"], levels["vendors"],
               levels["engines"], levels["groups"])  # fmt: skip


def spread_of(rows: Sequence[Row], kinds: Sequence[tuple[LeftOut, float]]) -> Spread:
    """The spread's dependence on what is known, from residuals of what was left out and the weight of each kind."""
    empty = Spread({}, -1.0, 1.0)
    table, residuals, weights = [], [], []
    for kind, share in kinds:
        fits = [as_fit({}, levels, empty, 0) for levels in kind.levels]
        for r, fold, residual in zip(rows, kind.fold, kind.residuals, strict=True):
            c = r.case
            if c.modelled:
                continue
            table.append(features(fits[fold], c.job, depth=c.depth, batch=c.batch))
            residuals.append(-residual)
            seen = 0.0 if kind is kinds[-1][0] and not c.situation.devices else share
            weights.append((1.0 if c.home else r.weight) * seen)
    names = sorted({k for row in table for k in row})
    x = np.array([[row.get(n, 0.0) for n in names] for row in table])
    res, w = np.array(residuals), np.array(weights)
    free = np.array(names) != "1"

    def loss(beta: Any) -> tuple[float, Any]:
        # Laplace likelihood: its scale is the mean absolute residual, robust against wild rows
        log_scale = x @ beta
        ratio = np.minimum(np.abs(res), 1.5) * np.exp(-log_scale)
        penalty = 0.5 * 4.0 * np.sum(beta[free] ** 2)
        return float(w @ (log_scale + ratio) + penalty), x.T @ (w * (1 - ratio)) + 4.0 * beta * free

    beta = minimize(loss, np.where(free, 0.0, -2.0), jac=True, method="L-BFGS-B").x
    unflagged = np.array([r.case.clean for r in rows if not r.case.modelled] * len(kinds))
    likely = unflagged & np.repeat([share >= _LIKELY for _, share in kinds], len(unflagged) // len(kinds))
    plain = likely & (x[:, names.index("home")] == 0 if "home" in names else True)
    low, high = np.quantile((res / np.exp(np.clip(x @ beta, -4.0, 0.3)))[plain], (0.10, 0.90))
    for _ in range(2):
        for name in _CALIBRATED:
            at = names.index(name) if name in names else -1
            some = likely & (x[:, at] > 0) if at >= 0 else np.zeros(len(res), bool)
            if some.sum() >= 20:
                standard = res[some] / np.exp(np.clip(x[some] @ beta, -4.0, 0.3))
                beta[at] += np.log(np.quantile(np.where(standard > 0, standard / high, standard / low), 0.8))
    weights_of = {n: round(float(b), 4) for n, b in zip(names, beta, strict=True)}
    return Spread(weights_of, round(float(low), 4), round(float(high), 4))


@dataclass(frozen=True)
class Fitted:
    """One quantity: the fit of all rows, and those without a fold of groups."""

    whole: Fit
    folds: list[Fit]
    errors: dict[str, dict[str, float]]
    effects: int
    rows: int


def fitted(cases: Sequence[Case], quantity: str) -> Fitted:
    """Fit one quantity, and leave out each fold of groups and of cards."""
    rows = rows_of([*cases, *priors()], quantity)
    d = design([(r.terms, r.seconds, r.weight) for r in rows], DECODE if quantity == "decode" else PREFILL)
    beta = fit(d)
    close = left_out(d, rows, beta, group_key)
    near = left_out(d, rows, beta, lambda c: c.id)
    far = left_out(d, rows, beta, lambda c: c.hw)
    spread = spread_of(rows, ((near, 0.5), (close, 1.0), (far, 0.3)))
    clean = np.array([r.case.clean for r in rows])
    inside = d.target - predict(d, beta)[0]
    errors = {}
    for name, r in (
        ("in the fit", inside),
        ("group left out", close.residuals),
        ("hardware left out", far.residuals),
    ):
        error = np.abs(np.expm1(-r[clean]))
        errors[name] = {
            "median": round(float(np.median(error)), 4),
            "p90": round(float(np.quantile(error, 0.9)), 4),
        }
    folds = [as_fit(e, n, spread, 0) for e, n in zip(close.effects, close.levels, strict=True)]
    whole = as_fit(named(d, beta), known(rows), spread, int(clean.sum()))
    return Fitted(whole, folds, errors, len(d.names), len(rows))


def main(argv: list[str] | None = None) -> None:
    """Fit, print the errors by group, write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fit_speed", description=__doc__)
    parser.add_argument("--data", type=Path, nargs="*", default=data_files())
    parser.add_argument("--out", type=Path, default=PATH)
    parser.add_argument("--report", type=Path, help="write the errors by group, a table, here as well")
    args = parser.parse_args(argv)
    cases, reasons = load(args.data)
    print(f"{len(cases)} rows used, {sum(reasons.values())} not:")
    for reason, count in reasons.most_common(16):
        print(f"  {count:4d}  {reason}")
    today = date.today().isoformat()
    both = {quantity: fitted(cases, quantity) for quantity in ("decode", "prefill")}
    out: dict[str, Any] = {"date": today, "source": [p.name for p in args.data], "rows": len(cases)}
    for quantity, f in both.items():
        print(f"\n{quantity}: {f.rows} rows, {f.effects} effects; {f.errors}")
        s = f.whole.spread
        out[quantity] = {
            "count": f.whole.count,
            "residuals": f.errors,
            "known": {"cards": f.whole.cards, "generations": f.whole.generations, "vendors": f.whole.vendors,
                      "engines": f.whole.engines, "groups": f.whole.groups},
            "spread": {"weights": s.weights, "low": s.low, "high": s.high},
            "effects": f.whole.effects,
        }  # fmt: skip
    args.out.write_text(json.dumps(out, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    whole = Coefficients(today, both["decode"].whole, both["prefill"].whole)
    without = [
        replace(whole, decode=a, prefill=b)
        for a, b in zip(both["decode"].folds, both["prefill"].folds, strict=True)
    ]
    now = [predicted(c, whole) for c in cases]
    unseen = [predicted(c, without[fold_of(group_key(c))]) for c in cases]
    text = f"{report(cases, now, unseen)}\n{_PEERS}{peers_table(cases, now, unseen)}"
    print(f"\n{text}")
    if args.report:
        args.report.write_text(f"{_HEAD}\n{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
