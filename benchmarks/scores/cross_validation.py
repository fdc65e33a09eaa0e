"""How well the ratings predict what they have not seen: ``python -m benchmarks.scores.cross_validation [--json]``.

Three questions, each beside what the size and the date alone tell and beside the former method (equipercentile
linking, benchmarks/scores/linking.py):

- cells: a fifth of all published scores is hidden at a time. It flatters: a model's other columns of the same arena
  stay. Errors are in standard deviations of the benchmark.
- models: everything that Artificial Analysis published of an eighth of the models is hidden, and their index is
  predicted from the rest. Errors are in points of the index.
- nothing: every score of an eighth of the models is hidden.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.scores.cells import INDEX, Cell, catalogue_cards, cells, from_scale
from benchmarks.scores.factor_model import fit
from benchmarks.scores.features import Known, known
from benchmarks.scores.linking import former_points, in_column

CELL_FOLDS: Final = 5
MODEL_FOLDS: Final = 8
MIN_TRAINING: Final = 5  # cells that a column must keep to be predicted
RECENT: Final = "2026-06"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Error:
    """What one method gets wrong."""

    method: str
    count: int
    median: float
    mean: float
    """Mean absolute error."""
    pairs: float | None = None
    """Share of pairs in the right order; None where nothing is ordered."""
    inside: float | None = None
    """Share inside the 80 % interval; None for a method without one."""


@dataclass(frozen=True, slots=True)
class _Guess:
    truth: float
    value: float
    low: float = float("nan")
    high: float = float("nan")


def cells_left_out(found: Sequence[Cell], *, tried: int = CELL_FOLDS, seed: int = 0) -> list[Error]:
    """Hide cells, a fold at a time, and predict them. Errors in standard deviations of their column.

    `tried`: how many of the folds.
    """
    folds = np.random.default_rng(seed).integers(0, CELL_FOLDS, len(found))
    facts = known(catalogue_cards())
    guesses: dict[str, list[_Guess]] = {}
    for fold in range(tried):
        training = [c for c, f in zip(found, folds, strict=True) if f != fold]
        by_column = _by_column(training)
        hidden = [
            c
            for c, f in zip(found, folds, strict=True)
            if f == fold and len(by_column.get(c.column, ())) >= MIN_TRAINING
        ]
        samples = fit(training, facts, seed=fold)
        former = former_points({(c.model, c.column) for c in hidden})
        predicted: dict[str, Floats] = {}
        for cell in hidden:
            if cell.column not in predicted:
                predicted[cell.column] = samples.predict(cell.column)
            column = by_column[cell.column]
            spread = max(float(np.std([c.z for c in column])), 0.15)
            drawn = predicted[cell.column][:, facts.position[cell.model]]
            by = {
                "factor model": tuple(np.quantile(drawn, (0.5, 0.1, 0.9))),
                "size and date": (_by_features(column, facts, cell.model),),
                "former method": (in_column(former, column, cell.model),),
            }
            for method, figures in by.items():
                guesses.setdefault(method, []).append(_Guess(cell.z / spread, *(f / spread for f in figures)))
    return [_error(method, made, ordered=False) for method, made in guesses.items()]


def models_left_out(
    found: Sequence[Cell], hide: Callable[[Cell], bool], *, since: str = "", seed: int = 1
) -> list[Error]:
    """Hide cells of the models that have the index, a fold at a time, and predict it. Errors in its points.

    `hide` says which of a model's cells are hidden; `since`: only models released since are judged.
    """
    truth = {c.model: c.value for c in found if c.column == INDEX}
    released = {card.id: card.released for card in catalogue_cards()}
    folds = dict(zip(truth, np.random.default_rng(seed).permutation(len(truth)) % MODEL_FOLDS, strict=True))
    facts = known(catalogue_cards())
    guesses: dict[str, list[_Guess]] = {}
    for fold in range(MODEL_FOLDS):
        out = {model for model, f in folds.items() if f == fold}
        training = [c for c in found if c.model not in out or not hide(c)]
        column = [c for c in training if c.column == INDEX]
        drawn = fit(training, facts, seed=fold).predict(INDEX)
        former = former_points({(c.model, c.column) for c in found if c.model in out and hide(c)})
        for model in sorted(out):
            if released[model] < since:
                continue
            by = {
                "factor model": tuple(np.quantile(drawn[:, facts.position[model]], (0.5, 0.1, 0.9))),
                "size and date": (_by_features(column, facts, model),),
                "former method": (in_column(former, column, model),),
            }
            for method, figures in by.items():
                points = [from_scale(INDEX, figure) for figure in figures]
                guesses.setdefault(method, []).append(_Guess(truth[model], *points))
    return [_error(method, made, ordered=True) for method, made in guesses.items()]


def _by_column(found: Iterable[Cell]) -> dict[str, list[Cell]]:
    columns: dict[str, list[Cell]] = {}
    for cell in found:
        columns.setdefault(cell.column, []).append(cell)
    return columns


def _by_features(column: Sequence[Cell], facts: Known, model: str) -> float:
    """Return the figure that a ridge regression on size, date and thinking gives."""
    rows = facts.features[[facts.position[c.model] for c in column]]
    z = np.array([c.z for c in column])
    ridge = np.diag([0.01, *[3.0] * (rows.shape[1] - 1)])
    weights = np.linalg.solve(rows.T @ rows + ridge, rows.T @ (z - z.mean()))
    return float(z.mean() + facts.features[facts.position[model]] @ weights)


def _error(method: str, made: Sequence[_Guess], *, ordered: bool) -> Error:
    errors = np.array([abs(g.value - g.truth) for g in made])
    right = [
        (a.value > b.value) == (a.truth > b.truth)
        for a, b in itertools.combinations(made, 2)
        if a.truth != b.truth
    ]
    inside = [g.low <= g.truth <= g.high for g in made] if made[0].low == made[0].low else None
    return Error(
        method,
        len(made),
        float(np.median(errors)),
        float(errors.mean()),
        float(np.mean(right)) if ordered else None,
        None if inside is None else float(np.mean(inside)),
    )


def is_of_aa(cell: Cell) -> bool:
    """True for what Artificial Analysis published."""
    return "[AA" in cell.column


def results() -> dict[str, list[Error]]:
    """Return every table of the cross-validation."""
    found = cells()
    return {
        "cells left out (errors in standard deviations)": cells_left_out(found),
        "models without anything of Artificial Analysis (errors in points of the index)": models_left_out(
            found, is_of_aa
        ),
        f"… of them released since {RECENT}": models_left_out(found, is_of_aa, since=RECENT),
        "models without any score (errors in points of the index)": models_left_out(found, lambda cell: True),
    }


def table(errors: Sequence[Error]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = ["| | n | median | mean | pairs in order | inside 80 % |", "|---|---|---|---|---|---|"]
    for e in errors:
        pairs = "" if e.pairs is None else f"{e.pairs:.0%}"
        inside = "" if e.inside is None else f"{e.inside:.0%}"
        lines.append(f"| {e.method} | {e.count} | {e.median:.2f} | {e.mean:.2f} | {pairs} | {inside} |")
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON document")
    as_json = parser.parse_args().json
    found = results()
    if as_json:
        print(json.dumps({title: [asdict(e) for e in errors] for title, errors in found.items()}, indent=1))
        return
    for title, errors in found.items():
        print(title, *table(errors), "", sep="\n")


if __name__ == "__main__":
    main()
