"""MIG: a profile of one slice of a card, from what the card's own profile says of its slices."""

from __future__ import annotations

import re
from typing import Final

from planner.fast_dataclass import replace
from planner.hardware.profiles.profile import Profile, Slice

SLICE: Final = "slice"  # the class of what is part of a card: nobody buys one alone
# "NVIDIA H200 MIG 1g.18gb", "MIG 1g.18gb", "1g.18gb": how drivers, PyTorch and people write a slice.
_SLICE: Final = re.compile(r"(?:\bmig[\s-]*)?\b(\d)g\.?(\d{1,3})gb\b(?:\s*mig\b)?", re.IGNORECASE)


def slice_id(card: str, name: str) -> str:
    """Return the id of a slice's profile: ``h100-sxm-mig-1g.10gb``."""
    return f"{card}-mig-{name}"


def slice_in(name: str) -> tuple[str, str] | None:
    """Return the slice that a name holds and what is left of the name; None where it holds none."""
    match = _SLICE.search(name)
    if match is None:
        return None
    return f"{match.group(1)}g.{match.group(2)}gb", (name[: match.start()] + name[match.end() :]).strip(
        " ,-()"
    )


def slice_named(card: Profile, name: str) -> Slice | None:
    """Return the slice of a card that a name holds; None where the card isn't cut like that."""
    found = slice_in(name)
    return None if found is None else next((s for s in card.slices if s.name == found[0]), None)


def cut(card: Profile, part: Slice) -> Profile:
    """Return the profile of one slice of a card: its memory, its share of bandwidth and rates, no link to others.

    A slice's bandwidth follows its memory slices (eighths of the card, quarters of an A30 or RTX PRO 6000), its
    rates the multiprocessors; there is no NVLink and no peer access between slices (NVIDIA MIG user guide).
    """
    return replace(
        card,
        id=slice_id(card.id, part.name),
        name=f"{card.name} MIG {part.name}",
        device_class=SLICE,
        driver_names=tuple(f"{name} MIG {part.name}" for name in card.driver_names),
        aliases=(),
        pci_ids=(),
        memory_total=part.memory_total,
        memory_verified=part.verified,
        memory_reserve=0,
        bandwidth=None if card.bandwidth is None else card.bandwidth * part.memory_share,
        rates=card.rates.scaled(part.compute_share),
        nvlink_bandwidth=None,
        tdp_w=None,
        idle_w=None,
        prices=(),
        slices=(),
        mig=True,
        assumes=(
            *card.assumes,
            f"one process can use one slice; {card.name} is cut into {part.count} of them",
        ),
        sources={**card.sources, "memory": part.source},
    )
