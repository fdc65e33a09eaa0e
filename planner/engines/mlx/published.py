"""Where a conversion for mlx-lm is published, as far as the catalogue knows; nothing is guessed from a name."""

from __future__ import annotations

from typing import Final

from planner.engines.mlx.formats import format_of, native_method
from planner.errors import InputError
from planner.models.architecture import Architecture
from planner.models.file_format import FileFormat
from planner.models.model import Model
from planner.quant.quantisations import key_of

_WHOLE: Final = ("BF16", "F16", "F32")
_LOADED: Final = ("mxfp4",)  # what mlx-lm loads from the vendor's own checkpoint (utils.py load_model)


def repository(model: Model, quant: str) -> str | None:
    """Return the repository to load a format from; None where none is known and it has to be converted."""
    if model.repository is not None and model.holds == FileFormat.MLX:
        return model.repository
    wanted = key_of(quant)
    if model.entry is not None:
        for file in model.entry.files:
            if file.format == FileFormat.MLX and wanted in {
                _plain(q, model.architecture) for q in file.quants
            }:
                return file.repo
    native = native_method(model.architecture)
    own = wanted in _WHOLE if not native else native in _LOADED and wanted == native.upper()
    return model.id if own else None


def _plain(quant: str, arch: Architecture) -> str:
    """A published name as format_of spells it; as it stands where nothing is known of it."""
    try:
        return key_of(format_of(quant, arch).name)
    except InputError:
        return key_of(quant)
