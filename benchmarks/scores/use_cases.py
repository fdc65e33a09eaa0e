"""What each use case is judged by, and the rating of every model that follows, in points of the index.

A basket is a list of columns. For every draw of the factor model a model's figure is the mean over the basket of what
others than its vendor measured, where they did, and of what the model predicts where they didn't; what a vendor says of
its own model informs the prediction and no more. The figure is brought to the index by the models that have it: same
mean, same spread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.scores.cells import INDEX, INDEX_ESTIMATED, INDEX_NOT_THINKING, Cell
from benchmarks.scores.factor_model import Samples

_ARENA: Final = "[Arena (arena.ai)]"
_LIVE: Final = "[LiveBench]"
BASKETS: Final[Mapping[str, tuple[str, ...]]] = {
    "general": (INDEX,),
    "reasoning": (
        INDEX,
        "GPQA Diamond [AA]",
        "AIME 2025 [MathArena]",
        f"LiveBench Reasoning {_LIVE}",
        f"LiveBench Mathematics {_LIVE}",
        f"Arena text hard prompts {_ARENA}",
        f"Arena text maths {_ARENA}",
        f"Arena text expert {_ARENA}",
        "Humanity's Last Exam [vendor]",
        "AIME 2026 [vendor]",
        "HMMT Nov 2025 [vendor]",
    ),
    "maths": (
        "AIME 2025 [MathArena]",
        f"LiveBench Mathematics {_LIVE}",
        f"Arena text maths {_ARENA}",
        "AIME 2026 [vendor]",
        "HMMT Nov 2025 [vendor]",
        "IMO-AnswerBench [vendor]",
    ),
    "coding": (
        INDEX,
        "Artificial Analysis Coding Index (v4.1 family) [AA]",
        "SciCode [AA]",
        "Terminal-Bench Hard [AA]",
        f"LiveBench Coding {_LIVE}",
        f"LiveBench Agentic Coding {_LIVE}",
        f"Arena text coding {_ARENA}",
        f"Arena WebDev {_ARENA}",
        "SWE-bench Verified [vendor]",
        "SWE-bench Pro [vendor]",
        "LiveCodeBench v6 [vendor]",
        "Terminal-Bench 2.1 [vendor]",
    ),
    "agents": (
        INDEX,
        "tau2-Bench [AA]",
        "Terminal-Bench Hard [AA]",
        f"LiveBench Agentic Coding {_LIVE}",
        "Toolathlon [vendor]",
        "MCP Atlas [vendor]",
        "BrowseComp [vendor]",
        "BFCL v4 [vendor]",
        "Terminal-Bench 2.1 [vendor]",
    ),
    "multilingual": (
        f"Arena text overall {_ARENA}",  # its voters write in all languages
        "MMMLU [vendor]",
        "MMLU-ProX [vendor]",
        "INCLUDE [vendor]",
        "PolyMATH [vendor]",
    ),
    "long_context": (
        f"Arena text longer query {_ARENA}",
        "AA-LCR [vendor]",
        "LongBench v2 [vendor]",
        "MRCR v2 8-needle [vendor]",
    ),
    "vision": (
        "MMMU-Pro [AA]",
        f"Arena vision {_ARENA}",
        "MMMU-Pro [vendor]",
        "MathVision [vendor]",
        "CharXiv-R [vendor]",
        "MathVista mini [vendor]",
    ),
}
# Measured, but not the index itself: another effort, another release, an estimate of its makers
_NEAR_THE_INDEX: Final = (
    INDEX_ESTIMATED,
    INDEX_NOT_THINKING,
    "Artificial Analysis Intelligence Index, 2026-07 [AA]",
    "Artificial Analysis Intelligence Index v4.1.1 [AA]",
)
INTERVAL: Final = (0.1, 0.5, 0.9)
# Artificial Analysis states ±1 point at 95 %: of a normal, ±0.65 at 80 %
INDEX_ERROR: Final = 0.65
# From the least on
_EFFORTS: Final = ("not thinking", "low", "medium", "high", "thinking", "xhigh", "max")
LEAST_POINTS: Final = 0.1  # the index has no figures below zero
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rating:
    """One model for one use case, points of the index."""

    points: float
    low: float
    """The interval holds 80 %."""
    high: float
    grade: str
    """A: measured for this use by others than the vendor; B: by the vendor, or near it; C: other scores; D: none."""


def rate(samples: Samples, found: Sequence[Cell], sees: Sequence[str]) -> dict[str, dict[str, Rating]]:
    """Return {model: {use case: rating}}; `sees` are the models that take images."""
    by_model: dict[str, dict[str, Cell]] = defaultdict(dict)
    for cell in found:
        by_model[cell.model][cell.column] = cell
    ids = samples.known.ids
    rated: dict[str, dict[str, Rating]] = {ident: {} for ident in ids}
    for use, basket in BASKETS.items():
        anchors = [m for m in ids if INDEX in by_model[m] and (use != "vision" or m in sees)]
        points = _points(samples, by_model, basket, anchors)
        low, middle, high = np.quantile(points, INTERVAL, axis=0)
        for k, ident in enumerate(ids):
            if use == "vision" and ident not in sees:
                continue
            cells = by_model[ident]
            grade = _grade(use, basket, cells)
            rating = Rating(float(middle[k]), float(low[k]), float(high[k]), grade)
            rated[ident][use] = _as_measured(rating, cells) if use == "general" else rating
    return rated


def _points(
    samples: Samples,
    by_model: Mapping[str, Mapping[str, Cell]],
    basket: Sequence[str],
    anchors: Sequence[str],
) -> Floats:
    """Return draws × models of a basket, points of the index."""
    total = np.zeros(samples.theta.shape[:2])
    for column in basket:
        j = samples.columns.index(column)
        drawn = samples.predict(column)
        if not column.endswith("[vendor]"):
            for k, ident in enumerate(samples.known.ids):
                if column in by_model[ident]:
                    drawn[:, k] = by_model[ident][column].z
        total += (drawn - samples.mean[j]) / samples.spread[j]
    figure = total / len(basket)
    place = samples.known.position
    rows = [place[m] for m in anchors]
    index = np.array([by_model[m][INDEX].z for m in anchors])
    centre = np.median(figure, axis=0)[rows]
    scaled = index.mean() + (figure - centre.mean()) * (index.std() / centre.std())
    return np.asarray(np.maximum(np.exp(scaled / 3.0) - 4.0, LEAST_POINTS))


def _grade(use: str, basket: Sequence[str], cells: Mapping[str, Cell]) -> str:
    if not cells:
        return "D"
    own = [cells[column] for column in basket if column in cells]
    if any(cell.independent for cell in own):
        return "A"
    near = use == "general" and any(column in cells for column in _NEAR_THE_INDEX)
    return "B" if own or near else "C"


def _as_measured(rating: Rating, cells: Mapping[str, Cell]) -> Rating:
    """Return the rating where the index itself was measured: what was measured; without thinking, it is a floor."""
    not_thinking = cells[INDEX_NOT_THINKING].value if INDEX_NOT_THINKING in cells else 0.0
    if INDEX in cells:
        value = max(cells[INDEX].value, not_thinking)
        return Rating(value, value - INDEX_ERROR, value + INDEX_ERROR, rating.grade)
    low, points = max(rating.low, not_thinking), max(rating.points, not_thinking)
    return Rating(points, low, max(rating.high, points), rating.grade)


@dataclass(frozen=True, slots=True)
class Effort:
    """What was measured of a model that can think more or less."""

    best: str
    """The effort of its best measurement; empty where the measurement names none."""
    least: str = ""
    """The least effort that was measured, where it is another."""
    least_points: float = 0.0
    """The index with the least effort."""


def efforts(rows: Sequence[Mapping[str, Any]]) -> dict[str, Effort]:
    """Return the best and the least effort of every model whose index was measured and names one."""
    variants: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for row in rows:
        if f"{row['benchmark']} [AA]" == INDEX and not row.get("estimated"):
            variants[row["model"]].append((float(row["value"]), effort_of(row["variant"])))
    found = {}
    for model, several in variants.items():
        best_points, best = max(several)
        less = [(_EFFORTS.index(effort), points, effort) for points, effort in several if effort in _EFFORTS]
        less = [each for each in less if best in _EFFORTS and each[0] < _EFFORTS.index(best)]
        _, points, least = min(less, default=(0, best_points, ""))
        if best in _EFFORTS:
            found[model] = Effort(best, least, points if least else 0.0)
    return found


def effort_of(variant: str) -> str:
    """Return the effort that a variant's name ends in: "Gemma 4 31B (Reasoning)" is "thinking"; empty without one."""
    named = variant.rpartition("(")[2].removesuffix(")").lower() if variant.endswith(")") else ""
    return {"reasoning": "thinking", "non-reasoning": "not thinking"}.get(named, named)


def share_left_without_thinking(found: Sequence[Cell]) -> tuple[float, int]:
    """Return the median share of the index that a model keeps when it doesn't think, and of how many models."""
    index = {c.model: c.value for c in found if c.column in (INDEX, INDEX_ESTIMATED)}
    shares = [c.value / index[c.model] for c in found if c.column == INDEX_NOT_THINKING and c.model in index]
    return float(np.median(shares)), len(shares)
