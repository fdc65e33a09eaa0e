"""A model that drafts for another: its shape, by which its weights and its cache are counted.

vLLM 0.33.0: config/speculative.py, model_executor/models/llama_eagle3.py. "…mtp" drafts with the model's own prediction
layers, n-grams and suffixes load nothing; every other way loads a model that has to be named.
"""

from __future__ import annotations

from typing import Final

from planner.engines.vllm.settings import VllmSettings
from planner.fast_dataclass import replace
from planner.models.architecture import Architecture, DenseFeedForward, LayerGroup
from planner.models.cache import FullAttention, SlidingWindow
from planner.models.catalogue.catalogue import lookup
from planner.models.tensors import Role, TensorInfo

DRAFTLESS: Final = frozenset({"ngram", "ngram_gpu", "suffix"})
_HEADS: Final = frozenset({"eagle", "eagle3"})
# Rows of an EAGLE-3 head's own output: its checkpoints choose from the 32,000 most frequent tokens (draft_vocab_size)
_HEAD_ROWS: Final = 32000
_IN_TARGET: Final = frozenset(
    {"dspark", "extract_hidden_states"}
)  # weights inside the model's own checkpoint, or none


def loads_a_model(settings: VllmSettings) -> bool:
    """True where the method loads a model beside the one that is served."""
    method = settings.speculative_method
    return method is not None and not settings.uses_mtp and method not in DRAFTLESS | _IN_TARGET


def unnamed(settings: VllmSettings) -> str | None:
    """Return vLLM's refusal of a method whose model isn't named (config/speculative.py __post_init__)."""
    if loads_a_model(settings) and settings.speculative_model is None:
        return (
            f"num_speculative_tokens was provided but without speculative model: '{settings.speculative_method}'"
            " needs one, named by --speculative-config.model"
        )
    return None


def shape_known(method: str, model: str) -> bool:
    """True where the shape of a model that drafts can be known: from the catalogue, or from the model it serves."""
    return method in _HEADS or lookup(model) is not None


def draft_of(arch: Architecture, settings: VllmSettings) -> Architecture | None:
    """Return the shape of what drafts; None where nothing is loaded, or its size isn't known."""
    if not loads_a_model(settings) or settings.speculative_model is None:
        return None
    entry = lookup(settings.speculative_model)
    if entry is not None:
        return entry.architecture()
    return _head(arch) if settings.speculative_method in _HEADS else None


def with_draft(arch: Architecture, draft: Architecture) -> Architecture:
    """Return `arch` with the draft's layers in place of its own prediction layers, for the cache."""
    own = tuple(g for g in arch.groups if not g.mtp)
    start = 1 + max((i for g in own for i in g.layers), default=-1)
    theirs = tuple(
        replace(g, layers=tuple(start + i for i in g.layers), mtp=True) for g in draft.groups if not g.mtp
    )
    return replace(arch, groups=own + theirs)


def _head(arch: Architecture) -> Architecture | None:
    """An EAGLE head of a dense model: one layer of the model's own dimensions that reads two hidden states at once,
    what joins three of the model's layers, and a head for the frequent tokens; the embedding is the model's.
    """
    attention = next(
        (c for g in arch.groups for c in g.caches if isinstance(c, FullAttention | SlidingWindow)), None
    )
    dense = next((g.feed_forward for g in arch.groups if isinstance(g.feed_forward, DenseFeedForward)), None)
    if attention is None or dense is None:
        return None
    hidden, q = arch.hidden_size, attention.n_head * attention.head_dim_k
    k, v = attention.n_head_kv * attention.head_dim_k, attention.n_head_kv * attention.head_dim_v
    matrices = (
        ("attn_q", Role.ATTN_Q, 2 * hidden, q),
        ("attn_k", Role.ATTN_K, 2 * hidden, k),
        ("attn_v", Role.ATTN_V, 2 * hidden, v),
        ("attn_output", Role.ATTN_OUT, q, hidden),
        ("ffn_gate", Role.FFN_GATE, hidden, dense.intermediate),
        ("ffn_up", Role.FFN_UP, hidden, dense.intermediate),
        ("ffn_down", Role.FFN_DOWN, dense.intermediate, hidden),
        ("fc", Role.OTHER, 3 * hidden, hidden),
    )
    tensors = tuple(TensorInfo(f"{name}.weight", (n_in, n_out), role) for name, role, n_in, n_out in matrices)
    cache = FullAttention(attention.n_head, attention.n_head_kv, attention.head_dim_k, attention.head_dim_v)
    layer = LayerGroup((0,), (cache,), DenseFeedForward(dense.intermediate, gated=True), tensors)
    output = TensorInfo("output.weight", (hidden, min(_HEAD_ROWS, arch.vocab_size)), Role.OUTPUT)
    return replace(
        arch,
        groups=(layer,),
        tensors=(output,),
        tied_embeddings=False,
        vision=None,
        quantization=None,
        published=None,
    )
