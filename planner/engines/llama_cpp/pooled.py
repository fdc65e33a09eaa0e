"""llama-server for models that make embeddings or judge passages.

common/arg.cpp (--embeddings, --reranking) and can_split in tools/server/server-context.cpp, llama.cpp b11434: without a
cache what is embedded is read at once, in one micro-batch; a decoder reads in parts.
"""

from __future__ import annotations

from planner.engines.facts import Serving
from planner.engines.llama_cpp.architectures import traits
from planner.models.model import Model
from planner.models.role import Role


def serving(role: Role, model: Model, context: int) -> Serving:
    """Return the settings, with a micro-batch of so many tokens where nothing is read in parts."""
    settings: dict[str, int | bool] = {"embeddings": True}
    if traits(model.architecture).encoder:
        settings |= {"n_batch": context, "n_ubatch": context}
    return Serving(settings, ("--reranking",) if role is Role.RERANKER else ())
