"""The Ollama library: which tag holds a model in a quantisation."""

from __future__ import annotations

from planner.models.model import Model
from planner.models.published import plain_quant


def library_tag(model: Model, quant: str) -> str | None:
    """Return the tag that `ollama run` takes for a catalogue's model; None where a file is named or none is known."""
    if model.entry is None or model.repository is not None or model.path is not None:
        return None
    wanted = plain_quant(quant)
    return next((t.tag for t in model.entry.ollama if plain_quant(t.quant) == wanted), None)
