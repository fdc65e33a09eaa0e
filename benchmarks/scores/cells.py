"""The published scores as cells: one model on one benchmark, measured by one party, on a scale without ends.

The rows are those of benchmarks/data/scores.jsonl and of the cards. A column is a benchmark and who measured it: what
a vendor says of its own model has another spread than what a third party measured, and is told apart.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from planner.models.catalogue.card import CardBenchmark, ModelCard, read_cards
from planner.shipped_files import seeds_dir

DATA: Final = Path(__file__).parents[1] / "data" / "scores.jsonl"
MIN_MODELS: Final = 6  # a column of fewer tells nothing of how it relates to the others

INDEX: Final = "Artificial Analysis Intelligence Index v4.3.2 [AA]"
INDEX_ESTIMATED: Final = "Artificial Analysis Intelligence Index v4.3.2 [AA, estimated]"
INDEX_NOT_THINKING: Final = "Artificial Analysis Intelligence Index v4.3.2, not thinking [AA]"
_INDEX_NAME: Final = "Artificial Analysis Intelligence Index v4.3.2"
_OLDER_INDEX: Final = "Artificial Analysis Intelligence Index v4.3"
# Other spellings of a benchmark in the sources
_SPELLINGS: Final = {
    "hle": "Humanity's Last Exam",
    "livecodebench": "LiveCodeBench",
    "livecodebench_v6": "LiveCodeBench v6",
    "imo_answer_bench": "IMO-AnswerBench",
    "mmlu": "MMLU",
    "mmlu_redux": "MMLU-Redux",
    "ifeval": "IFEval",
    "mathvision": "MathVision",
    "mathvista_mini": "MathVista mini",
    "math_500": "MATH-500",
    "super_gpqa": "SuperGPQA",
    "bfcl_v4": "BFCL v4",
    "longbench_v2": "LongBench v2",
    "hmmt_feb_2025": "HMMT Feb 2025",
    "hmmt_nov_2025": "HMMT Nov 2025",
    "osworld_verified": "OSWorld-Verified",
    "aider_polyglot": "Aider polyglot",
    "humaneval": "HumanEval",
    "arena_hard": "Arena Hard",
}
# What guessing yields, per cent: the longest name that a benchmark begins with counts
_CHANCE: Final = {
    "GPQA": 25.0,
    "MMLU": 25.0,
    "MMLU-Pro": 10.0,
    "MMLU-ProX": 10.0,
    "SuperGPQA": 10.0,
    "MMMU": 25.0,
    "MMMU-Pro": 10.0,
    "MMMLU": 25.0,
    "INCLUDE": 25.0,
    "LongBench": 25.0,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One published score."""

    model: str
    """Hugging Face id of the card."""
    column: str
    """Benchmark and, in brackets, who measured."""
    value: float
    """As published: per cent, Elo, or points of an index."""
    variant: str = ""
    """What was measured, where it is named: the effort, mostly."""

    @property
    def z(self) -> float:
        """On the scale without ends (see `to_scale`)."""
        return to_scale(self.column, self.value)

    @property
    def independent(self) -> bool:
        """True where somebody else than the vendor measured."""
        return not self.column.endswith("[vendor]")


def unit_of(column: str) -> str:
    """Return the unit of a column: "%", "Elo" or "points" of an index."""
    if column.startswith(("Arena text", "Arena vision", "Arena WebDev", "LMArena")):
        return "Elo"
    return "points" if "Index" in column else "%"


def _chance(column: str) -> float:
    found = [name for name in _CHANCE if column.startswith(name)]
    return _CHANCE[max(found, key=len)] if found else 0.0


def to_scale(column: str, value: float) -> float:
    """Return a published value on a scale without ends.

    Per cent: the logit of the share above what guessing yields; Elo: a hundredth; an index: three times the logarithm,
    as its components are themselves shares that saturate.
    """
    unit = unit_of(column)
    if unit == "Elo":
        return value / 100.0
    if unit == "points":
        return 3.0 * math.log(max(value, 0.5) + 4.0)
    chance = _chance(column)
    share = min(max((value - chance) / (100.0 - chance), 0.01), 0.99)
    return math.log(share / (1.0 - share))


def from_scale(column: str, z: float) -> float:
    """Return the published value of a figure on the scale: the inverse of `to_scale`."""
    unit = unit_of(column)
    if unit == "Elo":
        return z * 100.0
    if unit == "points":
        return math.exp(z / 3.0) - 4.0
    chance = _chance(column)
    return chance + (100.0 - chance) / (1.0 + math.exp(-z))


@lru_cache(maxsize=1)
def catalogue_cards() -> tuple[ModelCard, ...]:
    """Return the cards of the catalogue."""
    return tuple(read_cards(seeds_dir()))


@lru_cache(maxsize=1)
def published_rows() -> tuple[Mapping[str, Any], ...]:
    """Return the rows of the data file."""
    return tuple(json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines())


def cells(*, of_rows: bool = True) -> list[Cell]:
    """Return every cell of a chat model in a column of at least MIN_MODELS models; without `of_rows`, of cards alone.

    Where a column has a model several times, in several efforts or from several sources, the best counts: the index
    and the arenas list models so, too.
    """
    chat = {card.id for card in catalogue_cards() if card.kind == "chat"}
    best: dict[tuple[str, str], Cell] = {}

    def put(cell: Cell) -> None:
        key = cell.model, cell.column
        if cell.model in chat and (key not in best or cell.value > best[key].value):
            best[key] = cell

    for card in catalogue_cards():
        for benchmark in card.benchmarks:
            column = card_column(benchmark)
            # The index of September is the one of October: where both are read, the newer counts.
            if not (of_rows and column.startswith(_OLDER_INDEX)):
                put(Cell(card.id, column, benchmark.value, benchmark.variant))
    for row in published_rows() if of_rows else ():
        if row["benchmark"].startswith("LiveBench average"):
            continue  # the mean of columns that are here themselves
        put(Cell(row["model"], _row_column(row), float(row["value"]), row["variant"]))
    counts = Counter(column for _, column in best)
    return [cell for _, cell in sorted(best.items()) if counts[cell.column] >= MIN_MODELS]


def card_column(benchmark: CardBenchmark) -> str:
    """Return the column of a card's benchmark."""
    if benchmark.by.startswith("Artificial Analysis"):
        who = "AA, estimated" if benchmark.estimated else "AA"
    elif benchmark.by == "vendor" or "self-reported" in benchmark.by:
        who = "vendor"
    else:
        who = benchmark.by
    return f"{benchmark.name} [{who}]"


def _row_column(row: Mapping[str, Any]) -> str:
    name = _SPELLINGS.get(row["benchmark"], row["benchmark"])
    name = name.split(", 2026")[0].split(", release")[0]
    if row["by"] == "Artificial Analysis":
        if name == _INDEX_NAME and row.get("estimated"):
            return INDEX_ESTIMATED
        if "Index" in name and "Non-reasoning" in row["variant"]:
            return f"{name}, not thinking [AA]"
        return f"{name} [AA]"
    return f"{name} [{row['by'] if row['independent'] else 'vendor'}]"
