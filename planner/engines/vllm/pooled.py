"""vLLM for models that make embeddings or judge passages: `--runner pooling` (docs/models/pooling_models.md, 0.33.0).

A checkpoint of sentence-transformers that names a class of text generation is taken for one without it. Qwen3's
rerankers are that class too; the words by which their last layer becomes a classifier are those of the same page.
"""

from __future__ import annotations

from typing import Final

from planner.engines.facts import Serving
from planner.models.model import Model
from planner.models.role import Role

_CLASSIFIER: Final = (
    '{"architectures": ["Qwen3ForSequenceClassification"], "classifier_from_token": ["no", "yes"],'
    ' "is_original_qwen3_reranker": true}'
)


def serving(role: Role, model: Model) -> Serving:
    """Return the words of the command line; memory is that of the same class."""
    if role is Role.SPEECH:
        return Serving({})
    words: tuple[str, ...] = ("--runner", "pooling")
    if role is Role.RERANKER and model.architecture.hf_class == "Qwen3ForCausalLM":
        words = (*words, "--hf-overrides", _CLASSIFIER)
    return Serving({}, words)
