"""Comparable scores: every use case on one scale, the points of one published index.

The scale is the Artificial Analysis Intelligence Index as published in July 2026, cited for each model that
it lists. Other benchmarks are brought to that scale by the models that have both (equipercentile linking:
the k-th best on one is the k-th best on the other), never by a formula between indices. A benchmark counts
only where at least MIN_ANCHORS models link it. Models without any benchmark get a small figure by size alone,
below nearly everything measured, and are marked.

Runs when the index is built, not when a question is answered.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from planner.models.catalogue.card import CardBenchmark, ModelCard

INDEX: Final = "Artificial Analysis Intelligence Index"
SCALE: Final = "Artificial Analysis Intelligence Index, 2026-07"
MIN_ANCHORS: Final = 10
USE_CASES: Final = (
    "general",
    "reasoning",
    "maths",
    "coding",
    "agents",
    "multilingual",
    "long_context",
    "vision",
)
# The benchmarks that speak for a use case, beside the index itself.
_FOR_USE: Final[dict[str, tuple[str, ...]]] = {
    "general": (),
    "reasoning": ("GPQA Diamond",),
    "maths": ("AIME 2025", "GPQA Diamond"),
    "coding": ("SciCode", "Terminal-Bench Hard"),
    "agents": ("tau2-Bench", "Terminal-Bench Hard"),
    "vision": ("MMMU-Pro",),
}
# Stand-ins for the index where a model is not on it, the closest kin first.
_STAND_INS: Final = (
    "Artificial Analysis Intelligence Index v4.3",
    "GPQA Diamond",
    "LMArena text (style control), 2025-12",
    "MMLU-Pro",
    "SciCode",
)
LONG_CONTEXT: Final = 131_072
NO_EVIDENCE: Final = "no benchmark known; by size alone"


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
            ys = tuple(_total(by_x[x]) / len(by_x[x]) for x in xs)
            links[name] = Link(name, xs, ys, _slope(xs, ys) if name.startswith(INDEX) else 0.0)
    return links


def _slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Least-squares slope, but no steeper than the upper half of the anchors."""
    half = len(xs) // 2
    return max(0.0, min(_fitted(xs, ys), _fitted(xs[half:], ys[half:])))


def _fitted(xs: Sequence[float], ys: Sequence[float]) -> float:
    x_mean, y_mean = _total(xs) / len(xs), _total(ys) / len(ys)
    spread = _total((x - x_mean) ** 2 for x in xs)
    return (
        _total((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0
    )


Scores = Mapping[str, tuple[float | None, str]]


def score_card(card: ModelCard, links: Mapping[str, Link], parameters: float) -> Scores:
    """Return the score of each use case with the words that say where it comes from; None: not for this."""
    values = _values(card)
    general, source = _general(values, links)
    scores: dict[str, tuple[float | None, str]] = {}
    for use in USE_CASES:
        if use == "vision" and not card.capabilities.vision:
            scores[use] = (None, "no vision")
        elif use == "multilingual" and card.capabilities.languages == ("en",):
            scores[use] = (None, "English only")
        elif use == "long_context" and max(card.context.native, card.context.extended) < LONG_CONTEXT:
            scores[use] = (None, "context below 128k")
        elif general is None:
            scores[use] = (by_size(parameters), NO_EVIDENCE)
        else:
            scores[use] = _for_use(use, values, links, general, source)
    return scores


def _general(values: Mapping[str, CardBenchmark], links: Mapping[str, Link]) -> tuple[float | None, str]:
    if SCALE in values:
        benchmark = values[SCALE]
        hint = ", estimated there" if benchmark.estimated else ""
        return benchmark.value, f"{SCALE}: {benchmark.value:g}{hint}"
    inside: list[float] = []
    floors: list[float] = []
    used = []
    for name in _STAND_INS:
        if name not in values or name not in links:
            continue
        points, in_range = links[name].points(values[name].value)
        used.append(f"{name} {values[name].value:g}")
        if name.startswith(INDEX):
            # The same index in another version: closer than any single benchmark.
            return round(points, 1), f"linked from {used[0]}"
        if not in_range and values[name].value > links[name].x[-1]:
            floors.append(points)
        else:
            inside.append(points)
        if len(used) == 3:
            break
    if not used:
        return None, ""
    estimate = max([_total(inside) / len(inside) if inside else 0.0, *floors])
    return round(estimate, 1), f"linked from {', '.join(used)}"


def _for_use(
    use: str, values: Mapping[str, CardBenchmark], links: Mapping[str, Link], general: float, source: str
) -> tuple[float, str]:
    """Return the mean of the index and what speaks for the use case, on the scale."""
    points = [general]
    used: list[str] = []
    for name in _FOR_USE.get(use, ()):
        # A benchmark whose anchors end below this model cannot say how much better it is.
        if name in values and name in links and general <= links[name].y[-1]:
            points.append(links[name].points(values[name].value)[0])
            used.append(f"{name} {values[name].value:g}")
    if not used:
        if use == "general":
            return general, source
        return round(general, 1), f"{source} (nothing for {use.replace('_', ' ')} itself)"
    return round(_total(points) / len(points), 1), f"{source}, with {', '.join(used)}"


def _total(values: Iterable[float]) -> float:
    """Return the sum, added up from the left: sum() rounds otherwise since Python 3.12."""
    total = 0.0
    for value in values:
        total += value
    return total


def by_size(parameters: float) -> float:
    """Return the figure of a model without any benchmark: grows with size, stays below the measured."""
    if parameters <= 0:
        return 0.1
    return round(min(0.9, max(0.1, 0.2 * (math.log10(parameters) - 8.0))), 2)
