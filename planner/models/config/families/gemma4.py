"""Gemma 4: layers that share caches, per-layer embeddings, heads of two sizes.

llama.cpp b11434: src/models/gemma4.cpp; conversion/gemma.py.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import replace
from planner.models.architecture import DenseFeedForward, FeedForward, MixtureOfExperts, Rope
from planner.models.cache import CacheSpec, FullAttention, SlidingWindow
from planner.models.config.dims import Dims, read_dims
from planner.models.config.families.decoder_keys import windows_listed
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    Tensors,
    dense,
    grouped,
    norm,
    outside,
    qk_norms,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import table

# Gemma4TextConfig and Gemma3nTextConfig in transformers 5.24.0
_GEMMA4 = {"num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 262144}


def gemma_cache(d: Dims, window: int, slides: bool, owns: bool, v_from_k: bool) -> CacheSpec:
    """Return the cache of a layer that slides or not, that owns its cache or reuses another's."""
    if slides:
        return SlidingWindow(
            d.heads, d.kv_heads, d.head_dim, d.head_dim, window, owns_cache=owns, v_from_k=v_from_k
        )
    return FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim, owns_cache=owns, v_from_k=v_from_k)


def _full_dims(c: Reader, d: Dims, slides: list[bool], k_is_v: bool) -> Dims:
    """Return the dimensions of full layers: longer heads, and fewer where K serves as V."""
    head_dim = c.integer("global_head_dim", default=0, low=0, high=1 << 14)
    kv_heads = c.integer("num_global_key_value_heads", default=0, low=0, high=1 << 14) if k_is_v else 0
    overrides = c.section("per_layer_config")
    if overrides is not None:
        for il, slide in enumerate(slides):
            layer = None if slide else overrides.section(str(il))
            if layer is not None:
                head_dim = head_dim or layer.integer("head_dim", default=0, low=0, high=1 << 14)
                kv_heads = kv_heads or layer.integer("num_key_value_heads", default=0, low=0, high=1 << 14)
    return replace(d, head_dim=head_dim or 512, kv_heads=kv_heads or d.kv_heads)


def build_gemma4(c: Reader) -> Blueprint:
    """Build Gemma 4 (text): dense, with experts (26B-A4B) or with per-layer embeddings (E2B, E4B)."""
    c = c.with_defaults(_GEMMA4)
    d = read_dims(c)
    window, slides = windows_listed(c, d.layers, period=6)
    k_is_v = c.flag("attention_k_eq_v", default=False)
    full = _full_dims(c, d, slides, k_is_v)
    shared = c.integer("num_kv_shared_layers", default=0, low=0, high=1024)
    owners = d.layers - shared if 0 < shared < d.layers else d.layers
    size = c.integer("intermediate_size")
    wide = c.flag("use_double_wide_mlp", default=False)
    per_layer = c.integer("hidden_size_per_layer_input", default=0, low=0)
    moe = _mixture(c, size) if c.flag("enable_moe_block", default=False) else None

    def layer(kind: tuple[bool, bool]) -> LayerBlueprint:
        slide, owns = kind
        a = d if slide else full
        reuse = k_is_v and not slide
        tensors = [*norm("attn_norm", d.hidden), tensor("attn_q.weight", d.hidden, a.q)]
        tensors.append(tensor("attn_k.weight", d.hidden, a.kv))  # unused where the layer shares a cache
        tensors += [] if reuse else [tensor("attn_v.weight", d.hidden, a.kv)]
        tensors.append(tensor("attn_output.weight", a.q, d.hidden))
        tensors += qk_norms(a.head_dim, a.head_dim)
        tensors += norm("post_attention_norm", d.hidden)
        tensors.append(tensor("layer_output_scale.weight", 1))
        width = size * 2 if wide and not owns else size
        block: FeedForward = moe or DenseFeedForward(width)
        tensors += [*norm("ffn_norm", d.hidden), *dense(d.hidden, width), *norm("post_ffw_norm", d.hidden)]
        tensors += _expert_tensors(d.hidden, moe) if moe else []
        if per_layer:
            tensors.append(tensor("inp_gate.weight", d.hidden, per_layer))
            tensors.append(tensor("proj.weight", per_layer, d.hidden))
            tensors += norm("post_norm", d.hidden)
        return LayerBlueprint((gemma_cache(a, window, slide, owns, reuse),), block, tensors)

    tied = c.flag("tie_word_embeddings", default=True)
    kinds = [(slide, il < owners) for il, slide in enumerate(slides)]
    extra = per_layer_embeddings(d, per_layer) if per_layer else []
    extra.append(tensor("rope_freqs.weight", full.head_dim // 2))
    return Blueprint(
        "gemma4", d, grouped(kinds, layer), outside(d, tied, extra=extra), tied, _rope(c, d, full)
    )


def _rope(c: Reader, d: Dims, full: Dims) -> Rope:
    """Return the tables of full and sliding layers, whose heads differ (vLLM models/gemma4.py)."""
    parameters = c.section("rope_parameters", "rope_scaling")
    kinds = [parameters.section(k) if parameters else None for k in ("full_attention", "sliding_attention")]
    dim, rows = table(kinds[0], c, full.head_dim, d.context)
    return Rope(dim, rows, kinds=2, others=(table(kinds[1], c, d.head_dim, d.context),))


def _mixture(c: Reader, dense_size: int) -> MixtureOfExperts:
    n_expert = c.integer("num_experts", high=1 << 14)
    used = c.integer("top_k_experts", "num_experts_per_tok", high=n_expert)
    size = c.integer("moe_intermediate_size", "expert_intermediate_size")
    return MixtureOfExperts(n_expert, used, size, dense_intermediate=dense_size)


def _expert_tensors(hidden: int, moe: MixtureOfExperts) -> Tensors:
    n, size = moe.n_expert, moe.intermediate
    return [
        tensor("ffn_gate_inp.weight", hidden, n),
        tensor("ffn_gate_inp.scale", hidden),
        *norm("pre_ffw_norm_2", hidden),
        *norm("post_ffw_norm_1", hidden),
        *norm("post_ffw_norm_2", hidden),
        tensor("ffn_gate_up_exps.weight", hidden, 2 * size, n),
        tensor("ffn_down_exps.weight", size, hidden, n),
        tensor("ffn_down_exps.scale", n),
    ]


def per_layer_embeddings(d: Dims, size: int) -> Tensors:
    """Return the tensors that give every layer an embedding of `size` elements of its own."""
    return [
        tensor("per_layer_token_embd.weight", size * d.layers, d.vocab),
        tensor("per_layer_model_proj.weight", d.hidden, size * d.layers),
        *norm("per_layer_proj_norm", size),
    ]


FAMILIES: Final[dict[str, Builder]] = {
    "gemma4": build_gemma4,
    "gemma4_text": build_gemma4,
    "gemma4_unified": build_gemma4,
    "gemma4_unified_text": build_gemma4,
    "diffusion_gemma": build_gemma4,
}
