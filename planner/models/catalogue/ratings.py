"""What seeds/ratings.json says of every model: a score for each use case, its interval, and what it rests on.

The file is written by `python -m benchmarks.scores.fit`, a factor model over published benchmarks; docs/scores.md
says how well it predicts. All points are those of one index, Artificial Analysis' of October 2026 (v4.3.2).

Read when the catalogue's index is built, not when a question is answered.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from planner.errors import InputError
from planner.models.catalogue.card import ModelCard

RATINGS_NAME: Final = "ratings.json"
LONG_CONTEXT: Final = 131_072


def read_ratings(folder: Path) -> dict[str, Any]:
    """Return the ratings by model. Raises InputError where they cannot be read."""
    path = folder / RATINGS_NAME
    try:
        models: dict[str, Any] = json.loads(path.read_bytes())["models"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path.name}: {error}; write it with python -m benchmarks.scores.fit") from None
    return models


def rating_of(card: ModelCard, ratings: dict[str, Any]) -> dict[str, Any]:
    """Return what the index carries of a card's rating.

    "scores": by use case [points, low, high, grade], or the reason why the model has none there; "rests_on": how many
    scores of others, of its vendor; "effort", where the index names one. Raises InputError for a model without rating.
    """
    if card.kind != "chat":
        return {"scores": dict.fromkeys(USE_CASES, f"{card.kind} model: it doesn't chat"), "rests_on": [0, 0]}
    if card.id not in ratings:
        raise InputError(f"{card.id} has no rating: python -m benchmarks.scores.fit writes them")
    rating: dict[str, Any] = dict(ratings[card.id])
    rating["scores"] = {use: _cannot(card, use) or rating["scores"].get(use) for use in USE_CASES}
    return rating


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


def _cannot(card: ModelCard, use: str) -> str:
    """Say why a model is out of the question for a use; empty where it isn't."""
    if use == "vision" and not card.capabilities.vision:
        return "no vision"
    if use == "multilingual" and card.capabilities.languages == ("en",):
        return "English only"
    if use == "long_context" and max(card.context.native, card.context.extended) < LONG_CONTEXT:
        return "context below 128k"
    return ""
