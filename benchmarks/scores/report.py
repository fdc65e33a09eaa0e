"""Write the tables of docs/scores.md: ``python -m benchmarks.scores.report [--check]``.

The ranking is read from seeds/ratings.json; the cross-validation is run anew (half a minute), and not with --check.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, Final

from benchmarks.scores.cells import catalogue_cards
from benchmarks.scores.fit import PATH
from planner.models.catalogue.ratings import rating_of, read_ratings

PAGE: Final = Path(__file__).parents[2] / "docs" / "scores.md"
USE_CASES: Final = ("general", "coding", "reasoning", "multilingual", "agents", "vision")
BEST: Final = 40


def ranking(use: str) -> list[str]:
    """Return the lines of a use case's table: the best, and who is not rated but might stand among them."""
    ratings = read_ratings(PATH.parent)
    rated: list[tuple[str, list[Any], dict[str, Any]]] = []
    for card in catalogue_cards():
        rating = rating_of(card, ratings)
        score = rating["scores"][use]
        if isinstance(score, list):
            rated.append((card.name, score, rating))
    rated.sort(key=lambda each: -rank_points(use, each[1], each[2]))
    known = [each for each in rated if each[1][3] != "D"][:BEST]
    lines = [
        "| | model | points | 80 % | grade | scores of others + its vendor's |",
        "|---|---|---|---|---|---|",
    ]
    for place, (name, (points, low, high, grade), rating) in enumerate(known, 1):
        others, vendors = rating["rests_on"]
        lines.append(
            f"| {place} | {name} | {points:.1f} | {low:.1f}–{high:.1f} | {grade} | {others} + {vendors} |"
        )
    least = rank_points(use, known[-1][1], known[-1][2])
    unknown = [
        f"{name} ({low:.0f}–{high:.0f})"
        for name, (_, low, high, grade), rating in rated
        if grade == "D" and high >= least
    ]
    return [*lines, "", f"Not rated, for want of any published score: {', '.join(unknown) or 'none'}."]


def rank_points(use: str, score: list[Any], rating: dict[str, Any]) -> float:
    """Return what ranks: what was measured, else the low end of the estimate."""
    return float(score[0] if use == "general" and rating.get("measured") else score[1])


def fill(text: str, part: str, lines: list[str]) -> str:
    """Return the page with a part between its marks replaced."""
    pattern = rf"(<!-- {re.escape(part)} -->\n).*?(<!-- /{re.escape(part)} -->)"
    new, count = re.subn(pattern, lambda m: m[1] + "\n".join(lines) + "\n" + m[2], text, flags=re.DOTALL)
    if not count:
        raise SystemExit(f"{PAGE.name} has no part {part}")
    return new


def with_rankings(text: str) -> str:
    """Return the page with the rankings of today's ratings."""
    for use in USE_CASES:
        text = fill(text, use, ranking(use))
    return text


def main() -> int:
    """Write the page, or check its rankings."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only say whether the rankings are up to date")
    text = PAGE.read_text(encoding="utf-8")
    if parser.parse_args().check:
        return 0 if with_rankings(text) == text else 1
    from benchmarks.scores.cross_validation import results, table

    lines = [line for title, errors in results().items() for line in (f"**{title}**", "", *table(errors), "")]
    PAGE.write_text(fill(with_rankings(text), "cross-validation", lines[:-1]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
