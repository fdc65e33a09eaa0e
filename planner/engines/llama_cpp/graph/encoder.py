"""Encoders in llama.cpp's graphs: every token sees all others of the batch, nothing is kept, the result is pooled.

src/models/bert.cpp (BERT, RoBERTa, nomic-bert, jina-bert-v2), modern-bert.cpp, gemma-embedding.cpp, and
build_attn_inp_no_cache and build_pooling in src/llama-graph.cpp, llama.cpp b11434.
"""

from __future__ import annotations

from collections.abc import Sequence

from planner.engines.llama_cpp.graph.attention import attend, project
from planner.engines.llama_cpp.graph.builder import Builder, Layer
from planner.engines.llama_cpp.graph.feed_forward import feed_forward
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F16,
    F32,
    Tensor,
    cont,
    mul_mat,
    same,
    transpose,
)
from planner.fast_dataclass import replace
from planner.models.cache import FullAttention, SlidingWindow


def build_encoder(b: Builder, layers: Sequence[Layer], table: Tensor, head: Layer) -> None:
    """Fill the builder's graph up to the pooled result; `head`: the tensors outside the layers, where the output is."""
    cur = b.embeddings(table)
    b.graph.bounds.append(len(b.graph.nodes))
    for layer in layers:
        cur = _layer(b, layer, cur)
        b.graph.bounds.append(len(b.graph.nodes))
    if "output_norm.weight" in b.outside:
        cur = b.norm(cur, head, "output_norm")
    cur.output = True  # t_embd
    b.graph.expand(cur)
    if b.settings.embeddings:
        _pool(b, head, cur)


def _layer(b: Builder, layer: Layer, inp: Tensor) -> Tensor:
    """Norms after attention and feed-forward, as in BERT, before them, as in ModernBERT, or both (Gemma)."""
    cur = b.norm(inp, layer, "attn_norm") if "attn_norm.weight" in layer else inp
    cur = _attention(b, layer, cur)
    if layer.last:
        cur, inp = b.select(cur, inp)
    if "post_attention_norm.weight" in layer:
        cur = b.norm(cur, layer, "post_attention_norm")
    joined = same("add", cur, inp)
    if "attn_output_norm.weight" not in layer:
        fed = feed_forward(b, layer, b.norm(joined, layer, "ffn_norm"))
        if "post_ffw_norm.weight" in layer:
            fed = b.norm(fed, layer, "post_ffw_norm")
        return same("add", fed, joined)
    joined = b.norm(joined, layer, "attn_output_norm")
    if "attn_norm_2.weight" in layer:
        joined = b.norm(same("add", joined, inp), layer, "attn_norm_2")
    return b.norm(same("add", feed_forward(b, layer, joined), joined), layer, "layer_output_norm")


def _attention(b: Builder, layer: Layer, cur: Tensor) -> Tensor:
    """build_attn without a cache: the batch's own keys and values."""
    (spec,) = layer.caches
    assert isinstance(spec, FullAttention | SlidingWindow)
    q, k, v = project(b, layer, replace(spec, owns_cache=True), cur)
    assert k is not None
    assert v is not None
    q, k = b.rope(q, layer), b.rope(k, layer)
    for tensor in (q, k, v):
        b.graph.expand(tensor)
    return b.linear(layer, "attn_output", attend(b, layer, q, (k, v), _mask(b, spec)))


def _mask(b: Builder, spec: FullAttention | SlidingWindow) -> Tensor:
    """One for all layers, and one more for those with a window."""
    n, wide = b.batch.n_tokens, not b.flash or b.context.build.wide_mask
    name = "mask_swa" if isinstance(spec, SlidingWindow) else "mask"

    def made() -> Tensor:
        mask = b.input(name, F32 if wide else F16, n, n)
        return Tensor("cpy", F16, mask.ne, (mask,)) if wide and b.flash else mask

    return b.once(name, made)


def _pool(b: Builder, head: Layer, cur: Tensor) -> None:
    """build_pooling by the mean, which takes the most, and a classifier's head where there is one.

    What the file says (the first token's row, the mean) changes nothing: the peak lies in the layers before.
    """
    means = b.input("mean", F32, b.batch.n_tokens, b.batch.n_seqs)
    cur = mul_mat(cont(transpose(cur)), means)
    if "cls.weight" in b.outside:
        cur = same("unary", b.linear(head, "cls", cur))
    if "cls.output.weight" in b.outside:
        cur = b.linear(head, "cls.output", cur)
    cur.output = True
    b.graph.expand(cur)
