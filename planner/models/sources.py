"""Where the weights of a plan are fetched from: the repository of its GGUF file, or of its checkpoint."""

from __future__ import annotations

from typing import Final

from planner.models.model import Model
from planner.models.published import plain_quant, published_gguf
from planner.models.vendor_checkpoints import vendor_repository
from planner.plan import Plan

# Who publishes GGUF files of everything, best kept up first.
_PUBLISHERS: Final = ("ggml-org", "unsloth", "bartowski", "lmstudio-community")


def gguf_repository(model: Model, quant: str) -> str | None:
    """Return the repository to fetch a GGUF of this quantisation from; None where none lists it, or may hold it."""
    if model.repository is not None:
        return model.repository
    if model.entry is None:
        return None
    found = published_gguf(model, quant)
    if found is not None:
        return found.repository
    wanted = plain_quant(quant)
    open_ones = [f.repo for f in model.entry.files if f.format == "gguf" and not f.quants]

    def rank(repository: str) -> int:
        owner = repository.split("/", 1)[0]
        order = _PUBLISHERS if wanted.startswith("MXFP4") else ("unsloth", "bartowski", *_PUBLISHERS)
        return order.index(owner) if owner in order else len(order)

    return min(open_ones, key=rank, default=None)


def checkpoint_repository(plan: Plan, model: Model) -> str:
    """Return what the server loads: a folder, or the repository that holds this quantisation."""
    if model.path is not None:
        return model.path
    if plan.source and "/" in plan.source:
        return plan.source
    if model.repository is not None:
        return model.repository
    if model.entry is not None and not plan.settings.get("quantization"):
        vendor = vendor_repository(model.id, model.entry.files, plan.quant)
        if vendor is not None:
            return vendor
        own = model.architecture.quantization
        wanted = plan.quant.lower()
        for file in model.entry.files:
            if file.format == "safetensors" and wanted in (q.lower() for q in file.quants):
                return file.repo
        if own is None and wanted in ("bf16", "f16", "f32"):
            return model.id
    return model.id
