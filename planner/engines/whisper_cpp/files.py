"""The files that whisper.cpp's makers publish (models/download-ggml-model.sh at 233fe1fc, 2026-08-22)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from planner.models.model import Model

REPOSITORY: Final = "ggerganov/whisper.cpp"
# Hugging Face id -> (the file's name without beginning and end, the formats that are published, largest first)
FILES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "openai/whisper-tiny": ("tiny", ("F16", "Q8_0", "Q5_1")),
    "openai/whisper-base": ("base", ("F16", "Q8_0", "Q5_1")),
    "openai/whisper-small": ("small", ("F16", "Q8_0", "Q5_1")),
    "openai/whisper-medium": ("medium", ("F16", "Q8_0", "Q5_0")),
    "openai/whisper-large-v3": ("large-v3", ("F16", "Q5_0")),
    "openai/whisper-large-v3-turbo": ("large-v3-turbo", ("F16", "Q8_0", "Q5_0")),
}


def published(model: Model) -> tuple[str, ...]:
    """Return the formats of a model that are published; none for one that isn't."""
    return FILES.get(model.id, ("", ()))[1]


def file_name(model: Model, quant: str) -> str:
    """Return the file's name of a model that is published."""
    stem = FILES[model.id][0]
    return f"ggml-{stem}.bin" if quant == "F16" else f"ggml-{stem}-{quant.lower()}.bin"
