"""Families that came late in 2026: Inkling, Muse Spark, LFM3, K2-Horizon, Qwen4-Exp, Beam.

llama.cpp b11434 runs only Qwen4-Exp of these (src/models/qwen4exp.cpp); the others' tensors are those of
their classes in transformers 5.24.0 (models/*/modeling_*.py), or of vLLM 0.33.0 for K2-Horizon, under GGUF's
names.
"""

from __future__ import annotations

from dataclasses import replace

from planner.errors import UnsupportedError
from planner.models.architecture import FeedForward, Rope
from planner.models.cache import CacheSpec, FullAttention, Indexer, RecurrentState, SlidingWindow
from planner.models.config.families.decoder import Style, build
from planner.models.config.families.decoder_keys import windows, windows_listed
from planner.models.config.families.gated_delta import delta_net_tensors, read_delta_net
from planner.models.config.families.parts import (
    Dims,
    Draft,
    Layer,
    Tensors,
    dense,
    experts,
    grouped,
    linear_layers,
    norm,
    outside,
    qk_norms,
    qkv,
    read_dense,
    read_dims,
    read_experts,
    sparse_layers,
    tensor,
)
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def build_k2_horizon(c: Reader) -> Draft:
    """Build K2-Horizon, dense or with experts in the feed-forward; its mixture of values has no rules."""
    if c.integer("mova_num_experts", default=0, low=0):
        raise UnsupportedError(
            f"{c.where}: K2-Horizon with experts of values: the planner has no rules for it"
        )
    qk_norm = c.flag("query_key_norm", default=False)
    moe = c.integer("num_experts", default=0, low=0) > 0
    return build(
        c,
        Style(
            arch=None,
            qk_norm="head" if qk_norm else "",
            moe=moe,
            router_bias=moe and c.flag("moe_gate_bias", default=False),
        ),
    )


def build_beam(c: Reader) -> Draft:
    """Build Beam as a decoder of the usual make with sliding windows and experts: a stated guess."""
    note = "Beam's list of tensors is not published: taken for a decoder of the usual make"
    return build(c, Style(arch=None, moe=True, windows=windows(6), exact=False, notes=(note,)))


def _window_or_full(d: Dims, slides: bool, window: int) -> CacheSpec:
    if slides:
        return SlidingWindow(d.heads, d.kv_heads, d.head_dim, d.head_dim, window)
    return FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim)


def build_muse_spark(c: Reader) -> Draft:
    """Build Muse Spark (text): experts in a narrower space, gates on attention and residuals."""
    d = read_dims(c)
    keys = Reader({"sliding_window": 2048, **c.data}, c.where)
    window, slides = windows_listed(keys, d.layers, period=4)
    if not c.has("layer_types"):  # every fourth is full, counted from the last
        slides = [(d.layers - 1 - il) % 4 != 0 for il in range(d.layers)]
    inner = c.integer("moe_hidden_size")
    moe = replace(read_experts(c), latent=inner)
    kinds = sparse_layers(c, d.layers)

    def layer(kind: tuple[bool, bool]) -> Layer:
        slide, sparse = kind
        tensors = [
            *norm("attn_norm", d.hidden),
            *qkv(d),
            tensor("attn_gate.weight", d.hidden, d.q),
            tensor("attn_output.weight", d.q, d.hidden),
            *norm("post_attention_norm", d.hidden),
            *norm("ffn_norm", d.hidden),
            *norm("post_ffw_norm", d.hidden),
            tensor("attn_residual_gate.weight", d.hidden),
            tensor("ffn_residual_gate.weight", d.hidden),
        ]
        block: FeedForward = moe
        if sparse:
            tensors.append(tensor("ffn_latent_down.weight", d.hidden, inner))
            tensors += [*norm("ffn_latent_norm", inner), *norm("ffn_latent_post_norm", inner)]
            tensors.append(tensor("ffn_latent_up.weight", inner, d.hidden))
            tensors += experts(d.hidden, moe)
        else:
            block = plain = read_dense(c)
            tensors += dense(d.hidden, plain.intermediate)
        return Layer((_window_or_full(d, slide, window),), block, tensors)

    tied = c.flag("tie_word_embeddings", default=False)
    groups = grouped(list(zip(slides, kinds, strict=True)), layer)
    note = "tensors as in transformers' class: no checkpoint was there to check them against"
    return Draft(None, d, groups, outside(d, tied), tied, read_rope(c, d), exact=False, notes=(note,))


def build_lfm3(c: Reader) -> Draft:
    """Build LFM3: short convolutions, windows and full attention in turn, sandwich norms."""
    d = read_dims(c)
    kinds = c.texts("layer_types") or [
        "full_attention" if il % 4 == 2 else "sliding_attention" if il % 4 == 0 and il else "conv"
        for il in range(d.layers)
    ]
    c.per_layer("layer_types", d.layers, kinds)
    kernel = c.integer("conv_L_cache", default=7, high=64)
    window = c.integer("sliding_window", default=256, high=1 << 31)
    state = RecurrentState(kind="short_conv", conv_kernel=kernel, conv_channels=d.hidden, state_elements=0)
    block = read_dense(c)
    sandwich = c.flag("use_sandwich_norm", default=True)
    gate = c.flag("use_attention_gate", default=True)

    def layer(kind: str) -> Layer:
        tensors = [
            *norm("attn_norm", d.hidden),
            *norm("ffn_norm", d.hidden),
            *dense(d.hidden, block.intermediate),
        ]
        if sandwich:
            tensors += [*norm("post_attention_norm", d.hidden), *norm("post_ffw_norm", d.hidden)]
        if kind == "conv":
            tensors += [
                tensor("shortconv.conv.weight", kernel, d.hidden),
                tensor("shortconv.in_proj.weight", d.hidden, 3 * d.hidden),
                tensor("shortconv.out_proj.weight", d.hidden, d.hidden),
            ]
            return Layer((state,), block, tensors)
        tensors += [*qkv(d), tensor("attn_output.weight", d.q, d.hidden), *qk_norms(d.head_dim, d.head_dim)]
        tensors += [tensor("attn_gate.weight", d.hidden, d.heads)] if gate else []
        return Layer((_window_or_full(d, "sliding" in kind, window),), block, tensors)

    tied = c.flag("tie_word_embeddings", default=True)
    return Draft(None, d, grouped(kinds[: d.layers], layer), outside(d, tied), tied, read_rope(c, d))


def build_inkling(c: Reader) -> Draft:
    """Build Inkling (text): windows with heads of their own, relative positions, four short convolutions."""
    size = c.integer("dense_intermediate_size", default=0, low=0)
    if size:  # such files call an expert's width intermediate_size
        keys = {"moe_intermediate_size": c.integer("intermediate_size"), "intermediate_size": size}
        c = Reader({**c.data, **keys}, c.where)
    d = read_dims(c)
    window = c.integer("sliding_window_size", default=512, high=1 << 31)
    listed = c.integers("local_layer_ids", high=1024)
    kinds = c.texts("layer_types")
    if kinds:
        c.per_layer("layer_types", d.layers, kinds)
    local = set(listed) if listed is not None else {il for il in range(d.layers) if (il + 1) % 6}
    slides = ["sliding" in k for k in kinds[: d.layers]] if kinds else [il in local for il in range(d.layers)]
    sliding = replace(
        d,
        heads=c.integer("swa_num_attention_heads", default=d.heads, high=1 << 14),
        kv_heads=c.integer("swa_num_key_value_heads", default=d.kv_heads, high=1 << 14),
        head_dim=c.integer("swa_head_dim", default=d.head_dim, high=1 << 14),
    )
    kernel = c.integer("conv_kernel_size", "sconv_kernel_size", default=4, high=64)
    rank, extent = c.integer("d_rel", default=16), c.integer("rel_extent", default=1024)
    first_dense = c.integer("dense_mlp_idx", default=0, low=0)
    sparse = (
        sparse_layers(c, d.layers)
        if c.has("mlp_layer_types")
        else [il >= first_dense for il in range(d.layers)]
    )

    def layer(kind: tuple[bool, bool]) -> Layer:
        slide, has_experts = kind
        a = sliding if slide else d
        channels = 2 * a.kv + 2 * d.hidden
        state = RecurrentState(
            kind="short_conv", conv_kernel=kernel, conv_channels=channels, state_elements=0
        )
        tensors = [
            *norm("attn_norm", d.hidden),
            *qkv(a),
            tensor("attn_rel.weight", d.hidden, a.heads * rank),
            tensor("attn_rel_proj.weight", window if slide else extent, rank),
            tensor("attn_output.weight", a.q, d.hidden),
            *qk_norms(a.head_dim, a.head_dim),
            tensor("shortconv.conv.weight", kernel, channels),
            *norm("ffn_norm", d.hidden),
        ]
        block: FeedForward
        if has_experts:
            block = moe = read_experts(c)
            tensors += [t for t in experts(d.hidden, moe) if t.name != "ffn_gate_inp.weight"]
            tensors.append(tensor("ffn_gate_inp.weight", d.hidden, moe.n_expert + moe.n_shared))
            tensors.append(tensor("exp_probs_b.bias", moe.n_expert))
        else:
            block = plain = read_dense(c)
            tensors += dense(d.hidden, plain.intermediate)
        return Layer((_window_or_full(a, slide, window), state), block, tensors)

    tied = c.flag("tie_word_embeddings", default=False)
    around = outside(d, tied, extra=norm("token_embd_norm", d.hidden))
    groups = grouped(list(zip(slides, sparse, strict=True)), layer)
    return Draft(None, d, groups, around, tied, None)


def _streams(hidden: int, count: int, rank: int, part: str) -> Tensors:
    wide = count * hidden
    return [
        tensor(f"hc_{part}_norm.weight", hidden, count),
        tensor(f"hc_{part}_down.weight", wide, rank),
        tensor(f"hc_{part}_up.weight", rank, wide),
        tensor(f"hc_{part}_inject.weight", wide, count),
    ]


def build_qwen4_exp(c: Reader) -> Draft:
    """Build Qwen4-Exp (text): Qwen3.5's layers between hyper-connections, n-gram embeddings at one layer."""
    d = read_dims(c)
    state, moe = read_delta_net(c), read_experts(c)
    count, rank = c.integer("hc_count", default=4, high=64), c.integer("hc_lowrank", default=320)
    heads = c.integer("indexer_n_heads", default=0, low=0)
    size = c.integer("indexer_head_dim", default=0, low=0)
    budget = c.integer("indexer_budget", default=2048)
    indexer = Indexer(heads, size, budget, rows=2) if heads and size else None
    wide = count * d.hidden
    ngram = {il - 1 for il in c.integers("ple_layer_ids", low=1, high=1024) or ()}

    def layer(kind: tuple[bool, bool]) -> Layer:
        recurrent, hashed = kind
        tensors = _streams(d.hidden, count, rank, "attn") + _streams(d.hidden, count, rank, "ffn")
        cache: CacheSpec = state
        if recurrent:
            tensors += delta_net_tensors(d.hidden, state, joint=False)
        else:
            cache = FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim, indexer=indexer)
            tensors += [*qkv(d, q=2 * d.q), tensor("attn_output.weight", d.q, d.hidden)]
            tensors += qk_norms(d.head_dim, d.head_dim)
            if heads and size:
                tensors.append(tensor("indexer.q_proj.weight", d.hidden, heads * size))
                tensors.append(tensor("indexer.k_proj.weight", d.hidden, size))
                tensors += [*norm("indexer.q_norm", size), *norm("indexer.k_norm", size)]
        if hashed:
            tensors.append(tensor("ple_key.weight", d.hidden, wide))
            tensors.append(tensor("ple_value.weight", d.hidden, d.hidden))
            tensors += [tensor(f"ple_norm_{x}.weight", d.hidden, count) for x in ("key", "query", "conv")]
            tensors.append(tensor("ple_conv1d.weight", c.integer("ple_conv_kernel_size", default=4), wide))
        tensors += experts(d.hidden, moe)
        if moe.shared_intermediate:
            tensors.append(tensor("ffn_gate_inp_shexp.weight", d.hidden))
        return Layer((cache,), moe, tensors)

    kinds = [(recurrent, il in ngram) for il, recurrent in enumerate(linear_layers(c, d.layers))]
    tied = c.flag("tie_word_embeddings", default=False)
    around = [t for t in outside(d, tied) if t.name != "output_norm.weight"]
    around.append(tensor("output_hc_norm.weight", d.hidden, count))
    around += [tensor("output_hc_down.weight", wide, rank), tensor("output_hc_up.weight", rank, wide)]
    notes: tuple[str, ...] = () if indexer else ("indexer_head_dim is not stated: its keys are not counted",)
    if ngram:
        tables = (c.integer("ngram_size", default=3, high=16) - 1) * c.integer("heads_per_ngram", default=8)
        width = c.integer("ple_embed_dim", default=d.hidden) // tables
        rows = tables * c.integer("ngram_vocab_size_base", default=20_000_000, high=1 << 31)
        around.append(tensor("per_layer_token_embd.weight", width, rows))
        notes += ("rows of the n-gram tables without their padding",)
    else:
        notes += ("ple_layer_ids is not stated: n-gram embeddings are not counted",)
    rope: Rope | None = read_rope(c, d)
    return Draft("qwen4exp", d, grouped(kinds, layer), around, tied, rope, exact=False, notes=notes)
