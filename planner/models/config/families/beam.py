"""Beam, whose list of tensors nobody published: a stated guess."""

from __future__ import annotations

from typing import Final

from planner.models.config.families.decoder import DecoderStyle, build_decoder
from planner.models.config.families.decoder_keys import windows
from planner.models.config.families.parts import Blueprint, Builder
from planner.models.config.reader import Reader


def build_beam(c: Reader) -> Blueprint:
    """Build Beam as a decoder of the usual make with sliding windows and experts: a stated guess."""
    note = "Beam's list of tensors is not published: taken for a decoder of the usual make"
    return build_decoder(c, DecoderStyle(arch=None, moe=True, windows=windows(6), exact=False, notes=(note,)))


FAMILIES: Final[dict[str, Builder]] = {"beam": build_beam}
