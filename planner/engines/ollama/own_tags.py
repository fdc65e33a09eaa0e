"""The Ollama library: which tag holds a model in a quantisation."""

from __future__ import annotations

from planner.models.model import Model
from planner.models.published import plain_quant
from planner.quant.mixes import is_mix


def library_tag(model: Model, quant: str) -> str | None:
    """Return the tag that `ollama run` takes for a catalogue's model; None where a file is named or none is known."""
    if model.entry is None or model.repository is not None or model.path is not None:
        return None
    wanted = plain_quant(quant)
    return next((t.tag for t in model.entry.ollama if plain_quant(t.quant) == wanted), None)


def tagged_quant(model: Model) -> str | None:
    """Return what the tag that was named holds, where a GGUF file; None where none was named, or it isn't known."""
    if model.entry is None or model.tag is None:
        return None
    quant = next((t.quant for t in model.entry.ollama if t.tag == model.tag), "")
    return quant if quant and is_mix(quant) else None
