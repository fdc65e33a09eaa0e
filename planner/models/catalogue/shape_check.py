"""Checks a card's shape: its parameters, counted from the configuration, against the published count."""

from __future__ import annotations

from typing import Final

from planner.errors import PlannerError
from planner.fast_dataclass import dataclass
from planner.models.catalogue.card import ModelCard

TOLERANCE: Final = 0.005  # of the published count


@dataclass(frozen=True, slots=True)
class ShapeCheck:
    """What came of checking one card; counts in elements."""

    id: str
    """Hugging Face id."""
    text: int = 0
    """Parameters of the language model; 0 where there is no shape."""
    mtp: int = 0
    """Parameters of the multi-token-prediction layers beside it."""
    vision: int = 0
    """Parameters of the vision tower."""
    active: int = 0
    """Parameters that one token uses."""
    published: int = 0
    """Parameters as they are published; 0 where nothing is."""
    error: float = 1.0
    """Relative, after what is counted beside the language model and what the card explains."""
    counted: str = ""
    """What the published count turned out to hold."""
    read: bool = False
    """True where every dimension was read somewhere, none assumed."""
    exact: bool = False
    """True where the engine's rules for all of it are known, too."""
    reason: str = ""
    """Why it could not be checked, or the card's explanation."""

    @property
    def difference(self) -> float | None:
        """The relative error of a count that could be compared; None where there is none."""
        return self.error if self.published and self.text else None

    @property
    def complete(self) -> bool:
        """True where there is a shape, every dimension of which was read somewhere."""
        return self.text > 0 and self.read

    @property
    def verified(self) -> bool:
        """True where the shape is complete and its count is the published one."""
        return self.complete and self.error <= TOLERANCE


def check_shape(card: ModelCard) -> ShapeCheck:
    """Count a card's parameters and compare them with the published count; never raises."""
    published = card.parameters.total
    if not card.config:
        return ShapeCheck(card.id, published=published, reason=card.architecture.source)
    from planner.models.config.architecture import architecture_from_config

    try:
        arch = architecture_from_config(card.config, name=card.id)
    except PlannerError as error:
        return ShapeCheck(card.id, published=published, reason=str(error).removeprefix(f"{card.id}: "))
    text = arch.parameters()
    mtp = arch.parameters(mtp=True) - text
    vision = arch.vision.parameters if arch.vision else 0
    read = card.architecture.exact
    reason = card.parameters.note
    if not read:
        reason = f"some dimension is assumed: {card.architecture.source}"
    elif not arch.exact and arch.notes:
        reason = arch.notes[0]
    difference, counted = 1.0, ""
    if published:
        # A published count may or may not hold the draft layers, the vision tower, and the output head that
        # a tied checkpoint stores twice.
        twice = arch.vocab_size * arch.hidden_size if arch.tied_embeddings else 0
        choices = {"language model": text}
        if mtp:
            choices["with MTP layers"] = text + mtp
        if vision:
            choices["with vision"] = text + vision
            if mtp:
                choices["with MTP layers and vision"] = text + mtp + vision
        if twice:
            choices["with the tied output head stored twice"] = text + twice
        explained = card.parameters.accepted_difference
        if explained:
            choices[card.parameters.note] = text + explained
        counted, value = min(choices.items(), key=lambda item: abs(item[1] - published))
        difference = abs(value - published) / published
    return ShapeCheck(
        card.id,
        text=text,
        mtp=mtp,
        vision=vision,
        active=arch.active_parameters(),
        published=published,
        error=difference,
        counted=counted,
        read=read,
        exact=read and arch.exact,
        reason=reason or ("no published count was found" if not published else ""),
    )
