"""Gemma 3 and EmbeddingGemma: sandwich norms, five sliding layers to a full one.

llama.cpp b11434: src/models/gemma3.cpp, gemma-embedding.cpp; conversion/gemma.py.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import replace
from planner.models.architecture import DenseFeedForward, Rope
from planner.models.config.dims import Dims, read_dims
from planner.models.config.families.decoder import rope_factors
from planner.models.config.families.decoder_keys import windows_listed
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    dense,
    grouped,
    norm,
    outside,
    qk_norms,
    qkv,
    tensor,
    window_or_full,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope

# Gemma3TextConfig in transformers 5.24.0: the first Gemma 3 files leave out what the class has as default.
_DEFAULTS = {
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131072,
    "sliding_window": 4096,
    "vocab_size": 262208,
}


def build_gemma3(c: Reader) -> Blueprint:
    """Build Gemma 3 (text)."""
    c = c.with_defaults(_DEFAULTS)
    d = read_dims(c)
    notes: tuple[str, ...] = ()
    if d.vocab == 262208:  # the embedding's last 64 rows stand for no token and are left out of a GGUF
        d = replace(d, vocab=262144)
        notes = ("the checkpoint's embedding has 262208 rows, a GGUF's 262144",)
    window, slides = windows_listed(c, d.layers, period=6)
    block = DenseFeedForward(c.integer("intermediate_size"))
    tied = c.flag("tie_word_embeddings", default=True)
    sees_all = c.flag("use_bidirectional_attention", default=False)  # EmbeddingGemma: nothing is kept

    def layer(slide: bool) -> LayerBlueprint:
        tensors = [
            *norm("attn_norm", d.hidden),
            *qkv(d),
            tensor("attn_output.weight", d.q, d.hidden),
            *norm("post_attention_norm", d.hidden),
            *qk_norms(d.head_dim, d.head_dim),
            *norm("ffn_norm", d.hidden),
            *dense(d.hidden, block.intermediate),
            *norm("post_ffw_norm", d.hidden),
        ]
        spec = window_or_full(d, slide, window)
        return LayerBlueprint((replace(spec, owns_cache=False) if sees_all else spec,), block, tensors)

    return Blueprint(
        "gemma-embedding" if sees_all else "gemma3",
        d,
        grouped(slides, layer),
        outside(d, tied, extra=rope_factors(c, d)),
        tied,
        _rope(c, d),
        notes=notes,
    )


def _rope(c: Reader, d: Dims) -> Rope | None:
    """Return the global table and the local one, which no scaling stretches (vLLM models/gemma3.py)."""
    rope = read_rope(c, d)
    if rope is None or rope.kinds > 1 or not c.has("rope_local_base_freq"):
        return rope
    return replace(rope, kinds=2, others=((d.head_dim, d.context),))


FAMILIES: Final[dict[str, Builder]] = {"gemma3": build_gemma3, "gemma3_text": build_gemma3}
