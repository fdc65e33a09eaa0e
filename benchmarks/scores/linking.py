"""The former method, kept to compare with: equipercentile linking to the index of July 2026.

Other benchmarks are brought to that index by the models that have both: the k-th best on one is the k-th best on the
other. A model without any gets a small figure by its size alone.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.scores.cells import INDEX as INDEX_COLUMN
from benchmarks.scores.cells import Cell, card_column, catalogue_cards
from benchmarks.scores.features import sizes
from planner.models.catalogue.card import CardBenchmark, ModelCard

INDEX: Final = "Artificial Analysis Intelligence Index"
SCALE: Final = "Artificial Analysis Intelligence Index, 2026-07"
MIN_ANCHORS: Final = 10
# Stand-ins for the index where a model is not on it, the closest kin first.
_STAND_INS: Final = (
    "Artificial Analysis Intelligence Index v4.3",
    "GPQA Diamond",
    "LMArena text (style control), 2025-12",
    "MMLU-Pro",
    "SciCode",
)


@dataclass(frozen=True, slots=True)
class Link:
    """A monotone map from a benchmark to the scale, through the models that have both."""

    name: str
    x: tuple[float, ...]  # ascending
    y: tuple[float, ...]  # ascending
    slope: float = 0.0  # points a unit beyond the best anchor; 0: the best anchor is a floor

    @property
    def anchors(self) -> int:
        """Models that link the two."""
        return len(self.x)

    def points(self, value: float) -> tuple[float, bool]:
        """Return points on the scale, and whether the value lies inside what the anchors span.

        Above their best, the best is returned, a floor; or, where the benchmark is the same index in another
        version, the line through the anchors is continued.
        """
        if value >= self.x[-1]:
            return self.y[-1] + self.slope * (value - self.x[-1]), value == self.x[-1]
        if value <= self.x[0]:
            return self.y[0], value == self.x[0]
        right = bisect_left(self.x, value)
        left = right - 1
        if self.x[right] == value:
            return self.y[right], True
        share = (value - self.x[left]) / (self.x[right] - self.x[left])
        return self.y[left] + share * (self.y[right] - self.y[left]), True


def _values(card: ModelCard) -> dict[str, CardBenchmark]:
    found: dict[str, CardBenchmark] = {}
    for benchmark in card.benchmarks:
        found.setdefault(benchmark.name, benchmark)
    return found


def make_links(cards: Iterable[ModelCard]) -> dict[str, Link]:
    """Link every benchmark that enough models share with the scale."""
    pairs: dict[str, list[tuple[float, float]]] = {}
    for card in cards:
        values = _values(card)
        if SCALE not in values:
            continue
        for name, benchmark in values.items():
            if name != SCALE:
                pairs.setdefault(name, []).append((benchmark.value, values[SCALE].value))
    links = {}
    for name, found in pairs.items():
        if len(found) >= MIN_ANCHORS:
            by_x: dict[float, list[float]] = {}
            for x, y in zip(sorted(p[0] for p in found), sorted(p[1] for p in found), strict=True):
                by_x.setdefault(x, []).append(y)
            xs = tuple(sorted(by_x))
            ys = tuple(sum(by_x[x]) / len(by_x[x]) for x in xs)
            links[name] = Link(name, xs, ys, _slope(xs, ys) if name.startswith(INDEX) else 0.0)
    return links


def _slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Least-squares slope, but no steeper than the upper half of the anchors."""
    half = len(xs) // 2
    return max(0.0, min(_fitted(xs, ys), _fitted(xs[half:], ys[half:])))


def _fitted(xs: Sequence[float], ys: Sequence[float]) -> float:
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0


def former_points(hidden: Collection[tuple[str, str]]) -> dict[str, float]:
    """Return the general points of every card by the former method, without some (model, column) cells."""
    cards = []
    for card in catalogue_cards():
        kept = tuple(b for b in card.benchmarks if not _is_hidden(card.id, card_column(b), hidden))
        cards.append(card.model_copy(update={"benchmarks": kept}))
    links = make_links(cards)
    found = {}
    for card in cards:
        general = _general(_values(card), links)
        found[card.id] = _by_size(sizes(card)[0]) if general is None else general
    return found


def _is_hidden(model: str, column: str, hidden: Collection[tuple[str, str]]) -> bool:
    # The cards hold the index's earlier release: who may not see the one may not see the other.
    return (model, INDEX_COLUMN if column.startswith(f"{INDEX} v4.3") else column) in hidden


def in_column(former: Mapping[str, float], column: Sequence[Cell], model: str) -> float:
    """Return what the former points of a model mean in a column: the k-th best has the k-th best value."""
    xs, ys = sorted(former[c.model] for c in column), sorted(c.z for c in column)
    return float(np.interp(former[model], xs, ys))


def _general(values: Mapping[str, CardBenchmark], links: Mapping[str, Link]) -> float | None:
    if SCALE in values:
        return values[SCALE].value
    inside: list[float] = []
    floors: list[float] = []
    used = 0
    for name in _STAND_INS:
        if name not in values or name not in links:
            continue
        points, in_range = links[name].points(values[name].value)
        used += 1
        if name.startswith(INDEX):
            # The same index in another version: closer than any single benchmark.
            return round(points, 1)
        if not in_range and values[name].value > links[name].x[-1]:
            floors.append(points)
        else:
            inside.append(points)
        if used == 3:
            break
    if not used:
        return None
    return round(max([sum(inside) / len(inside) if inside else 0.0, *floors]), 1)


def _by_size(parameters: float) -> float:
    """Return the figure of a model without any benchmark: grows with size, stays below the measured."""
    return round(min(0.9, max(0.1, 0.2 * (math.log10(parameters) - 8.0))), 2)
