"""What is known of a model before any benchmark: its size, its date, whether it thinks, who made it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.scores.cells import catalogue_cards
from planner.models.catalogue.card import ModelCard
from planner.models.catalogue.shape_check import check_shape

_FIRST_YEAR: Final = 2024
_UNKNOWN_SIZE: Final = 3e10  # about the middle of the catalogue


@dataclass(frozen=True, slots=True)
class Known:
    """The models, and what is known of each without a benchmark."""

    ids: tuple[str, ...]
    features: NDArray[np.float64]
    """One row a model: 1, log10 of all and of the active parameters, its square, years, thinks or not."""
    vendor: NDArray[np.intp]
    """Position of its vendor."""
    vendors: int

    @property
    def position(self) -> dict[str, int]:
        """The row of each model."""
        return {ident: k for k, ident in enumerate(self.ids)}


def known(cards: Sequence[ModelCard]) -> Known:
    """Return the features of every chat model."""
    chat = [card for card in cards if card.kind == "chat"]
    vendors = sorted({card.vendor for card in chat})
    rows = [_features(card) for card in chat]
    return Known(
        tuple(card.id for card in chat),
        np.array(rows),
        np.array([vendors.index(card.vendor) for card in chat]),
        len(vendors),
    )


def _features(card: ModelCard) -> list[float]:
    total, active = sizes(card)
    large, busy = math.log10(total) - 10.5, math.log10(active) - 10.0
    year, month = (int(part) for part in f"{card.released or '2024-06'}-06"[:7].split("-"))
    years = year - _FIRST_YEAR + (month - 1) / 12 - 1.5
    return [1.0, large, busy, busy**2, years, float(card.capabilities.reasoning)]


@cache
def _counted(ident: str) -> tuple[int, int]:
    card = next(c for c in catalogue_cards() if c.id == ident)
    shape = check_shape(card)
    return shape.text, shape.active


def sizes(card: ModelCard) -> tuple[float, float]:
    """Return all parameters and the active ones: by the shape, else as published, else by its nominal size."""
    text, active = _counted(card.id)
    total = float(text or card.parameters.total or card.parameters.named) or _UNKNOWN_SIZE
    busy = float(card.parameters.active or active) or total
    return max(total, 1e7), min(max(busy, 1e7), total)
