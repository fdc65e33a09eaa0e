"""Vision towers and their projectors from vision_config."""

from __future__ import annotations

from planner.models.architecture import Vision
from planner.models.hf_reader import Reader


def read_vision(top: Reader, hidden: int) -> Vision | None:
    """Return the vision tower, None for a text model."""
    del hidden
    return None if top.section("vision_config") is None else Vision(parameters=0)
