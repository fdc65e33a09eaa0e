"""Building blocks of every family: tensors of attention, feed-forward, experts; the grouping of layers.

Names, shapes (ggml's order) and the order of creation are those of llama.cpp b11434: create_tensor in
src/models/*.cpp, names from src/llama-arch.cpp LLM_TENSOR_NAMES.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import TypeVar

from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.models.architecture import DenseFeedForward, FeedForward, LayerGroup, MixtureOfExperts, Rope
from planner.models.cache import CacheSpec, FullAttention, SlidingWindow
from planner.models.config.dims import Dims
from planner.models.config.reader import Reader
from planner.models.gguf.tensor_roles import role_of
from planner.models.tensors import TensorInfo

Tensors = list[TensorInfo]
Key = TypeVar("Key", bound=Hashable)
_role = cache(role_of)


def tensor(name: str, *shape: int) -> TensorInfo:
    """Return one tensor; its role follows from its name."""
    return TensorInfo(name, shape, _role(name))


def linear(name: str, n_in: int, n_out: int, bias: bool = False) -> Tensors:
    """Return a matrix with its bias where it has one."""
    weight = tensor(f"{name}.weight", n_in, n_out)
    return [weight, tensor(f"{name}.bias", n_out)] if bias else [weight]


def norm(name: str, size: int, bias: bool = False) -> Tensors:
    """Return a norm's weight, with a bias for LayerNorm."""
    weight = tensor(f"{name}.weight", size)
    return [weight, tensor(f"{name}.bias", size)] if bias else [weight]


@dataclass(frozen=True, slots=True)
class LayerBlueprint:
    """One layer, before identical ones are grouped."""

    caches: tuple[CacheSpec, ...]
    feed_forward: FeedForward
    tensors: Tensors


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a family makes of a configuration; config/architecture.py adds what all configurations state alike."""

    gguf_arch: str | None
    dims: Dims
    groups: tuple[LayerGroup, ...]
    outside: Tensors
    tied: bool
    rope: Rope | None
    exact: bool = True
    notes: tuple[str, ...] = ()


Builder = Callable[[Reader], Blueprint]  # what every family has for each of its model types


def grouped(
    keys: Sequence[Key],
    build: Callable[[Key], LayerBlueprint],
    *,
    first: int = 0,
    mtp: bool = False,
    in_gguf: bool = True,
) -> tuple[LayerGroup, ...]:
    """Group layers by what distinguishes them, in the order of their first layer.

    `keys` has one entry a layer; `build` is called once for each distinct one.
    """
    members: dict[Key, list[int]] = {}
    for il, key in enumerate(keys, first):
        members.setdefault(key, []).append(il)
    groups = []
    for key, layers in members.items():
        layer = build(key)
        groups.append(
            LayerGroup(tuple(layers), layer.caches, layer.feed_forward, tuple(layer.tensors), mtp, in_gguf)
        )
    return tuple(groups)


def repeated(d: Dims, layer: LayerBlueprint) -> tuple[LayerGroup, ...]:
    """Return the one group of a model whose layers are all alike."""
    return grouped([0] * d.layers, lambda _: layer)


def outside(d: Dims, tied: bool, *, norm_bias: bool = False, extra: Tensors | None = None) -> Tensors:
    """Return the tensors outside the layers: embedding, output norm, head."""
    head = [] if tied else [tensor("output.weight", d.hidden, d.vocab)]
    return [
        tensor("token_embd.weight", d.hidden, d.vocab),
        *norm("output_norm", d.hidden, norm_bias),
        *head,
        *(extra or []),
    ]


def qkv(d: Dims, *, bias: bool = False, fused: bool = False, q: int | None = None) -> Tensors:
    """Return the projections of Q, K and V (`q`: a wider Q row, as where it holds an output gate)."""
    q = q or d.q
    if fused:
        return linear("attn_qkv", d.hidden, q + d.kv + d.v, bias)
    weights = [
        tensor("attn_q.weight", d.hidden, q),
        tensor("attn_k.weight", d.hidden, d.kv),
        tensor("attn_v.weight", d.hidden, d.v),
    ]
    if bias:
        weights += [tensor("attn_q.bias", q), tensor("attn_k.bias", d.kv), tensor("attn_v.bias", d.v)]
    return weights


def full_attention(d: Dims) -> FullAttention:
    """Return the cache of a layer that attends to the whole context."""
    return FullAttention(d.heads, d.kv_heads, d.head_dim, d.head_dim)


def window_or_full(d: Dims, slides: bool, window: int) -> FullAttention | SlidingWindow:
    """Return the cache of a layer that slides over a window, or of one that attends to the whole context."""
    if slides:
        return SlidingWindow(d.heads, d.kv_heads, d.head_dim, d.head_dim, window)
    return full_attention(d)


def qk_norms(q: int, k: int, bias: bool = False) -> Tensors:
    """Return the norms over Q and K: of one head's size, or of the whole row's."""
    return [*norm("attn_q_norm", q, bias), *norm("attn_k_norm", k, bias)]


def dense(hidden: int, size: int, *, gated: bool = True, fused: bool = False, bias: bool = False) -> Tensors:
    """Return a dense feed-forward; `fused`: gate and up are one matrix, called ffn_up."""
    gate = linear("ffn_gate", hidden, size, bias) if gated and not fused else []
    return [
        *gate,
        *linear("ffn_down", size, hidden, bias),
        *linear("ffn_up", hidden, 2 * size if fused else size, bias),
    ]


def experts(hidden: int, moe: MixtureOfExperts, *, router_bias: bool = False, bias: bool = False) -> Tensors:
    """Return router, routed experts and shared experts. `router_bias`: the selection bias of DeepSeek V3
    (exp_probs_b); `bias`: every projection has one (gpt-oss)."""
    n, size, width = moe.n_expert, moe.intermediate, moe.latent or hidden
    tensors = linear("ffn_gate_inp", hidden, n, bias)
    if router_bias:
        tensors.append(tensor("exp_probs_b.bias", n))
    if moe.gated:
        tensors.append(tensor("ffn_gate_exps.weight", width, size, n))
    tensors.append(tensor("ffn_down_exps.weight", size, width, n))
    tensors.append(tensor("ffn_up_exps.weight", width, size, n))
    if bias:
        tensors.append(tensor("ffn_gate_exps.bias", size, n))
        tensors.append(tensor("ffn_down_exps.bias", width, n))
        tensors.append(tensor("ffn_up_exps.bias", size, n))
    if moe.shared_intermediate:
        shared = moe.shared_intermediate
        if moe.gated:
            tensors.append(tensor("ffn_gate_shexp.weight", hidden, shared))
        tensors.append(tensor("ffn_down_shexp.weight", shared, hidden))
        tensors.append(tensor("ffn_up_shexp.weight", hidden, shared))
    return tensors


def read_dense(c: Reader, *keys: str, gated: bool = True) -> DenseFeedForward:
    """Read a dense feed-forward's size."""
    return DenseFeedForward(c.integer(*(keys or ("intermediate_size",)), "ffn_hidden_size"), gated)


def read_experts(c: Reader, *sizes: str, gated: bool = True) -> MixtureOfExperts:
    """Read a mixture of experts under any of the names that model families use for its parts."""
    n_expert = c.integer(
        "n_routed_experts", "num_experts", "num_local_experts", "moe_num_experts", "n_expert", high=1 << 14
    )
    used = c.integer(
        "num_experts_per_tok",
        "num_experts_per_token",
        "experts_per_token",
        "top_k_experts",
        "moe_topk",
        "moe_top_k",
        "moe_k",
        "num_selected_experts",
        high=1 << 14,
    )
    if used > n_expert:
        raise InputError(f"{c.where}: {used} experts used a token of only {n_expert}")
    size = c.integer(*(sizes or ("moe_intermediate_size", "expert_ffn_hidden_size")), "intermediate_size")
    n_shared = c.integer(
        "n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert",
        default=0, low=0, high=1024,
    )  # fmt: skip
    shared = c.integer(
        "shared_expert_intermediate_size",
        "moe_shared_expert_intermediate_size",
        "shared_intermediate_size",
        "share_expert_dim",
        default=n_shared * size,
        low=0,
    )
    return MixtureOfExperts(
        n_expert=n_expert,
        n_expert_used=used,
        intermediate=size,
        gated=gated,
        n_shared=n_shared or (1 if shared else 0),
        shared_intermediate=shared,
    )


def feed_forward(
    c: Reader, d: Dims, sparse: bool, *sizes: str, router_bias: bool = False
) -> tuple[FeedForward, Tensors]:
    """Return a layer's feed-forward and its tensors, the norm before it included.

    `sizes`: the keys that may state an expert's width, if not the usual ones.
    """
    tensors = norm("ffn_norm", d.hidden)
    if not sparse:
        block = read_dense(c)
        return block, tensors + dense(d.hidden, block.intermediate)
    moe = read_experts(c, *sizes)
    return moe, tensors + experts(d.hidden, moe, router_bias=router_bias)


def short_convolution(hidden: int, kernel: int) -> Tensors:
    """Return the tensors of a layer that mixes tokens by a short convolution (LFM2)."""
    return [
        tensor("shortconv.conv.weight", kernel, hidden),
        tensor("shortconv.in_proj.weight", hidden, 3 * hidden),
        tensor("shortconv.out_proj.weight", hidden, hidden),
    ]


def projected_indexer(hidden: int, heads: int, size: int) -> Tensors:
    """Return the tensors of an indexer with projections and norms of its own (MiniMax-M3, Qwen4-Exp)."""
    return [
        tensor("indexer.q_proj.weight", hidden, heads * size),
        tensor("indexer.k_proj.weight", hidden, size),
        *norm("indexer.q_norm", size),
        *norm("indexer.k_norm", size),
    ]


def nextn(d: Dims, *, embed: bool, head: bool, head_norm: bool = True) -> Tensors:
    """Return what a multi-token-prediction layer has beyond a layer of the model."""
    tensors = [
        tensor("nextn.eh_proj.weight", 2 * d.hidden, d.hidden),
        tensor("nextn.enorm.weight", d.hidden),
        tensor("nextn.hnorm.weight", d.hidden),
    ]
    if embed:
        tensors.append(tensor("nextn.embed_tokens.weight", d.hidden, d.vocab))
    if head:
        tensors.append(tensor("nextn.shared_head_head.weight", d.hidden, d.vocab))
    if head_norm:
        tensors.append(tensor("nextn.shared_head_norm.weight", d.hidden))
    return tensors


def sparse_layers(c: Reader, n_layer: int) -> list[bool]:
    """Return which layers have routed experts, by whichever of the families' rules the file states."""
    if kinds := c.texts("mlp_layer_types"):
        c.per_layer("mlp_layer_types", n_layer, kinds)
        return [kind in ("sparse", "moe") for kind in kinds[:n_layer]]
    frequency = c.data.get("moe_layer_freq")
    first = c.integer("first_k_dense_replace", "num_dense_layers", "moe_layer_start_index", default=0, low=0)
    if isinstance(frequency, list):
        listed = c.integers("moe_layer_freq", high=1) or []
        c.per_layer("moe_layer_freq", n_layer, listed)
        return [bool(v) for v in listed[:n_layer]]
    every = c.integer("moe_layer_freq", "moe_layer_interval", "decoder_sparse_step", default=1)
    last = c.integer("moe_layer_end_index", default=n_layer - 1, low=-1)
    dense_only = set(c.integers("mlp_only_layers") or ())
    stepped = c.has("decoder_sparse_step") or c.has("moe_layer_interval")
    shift = 1 if stepped else 0
    return [
        first <= il <= (last if last >= 0 else n_layer - 1)
        and (il + shift) % every == 0
        and il not in dense_only
        for il in range(n_layer)
    ]


def linear_layers(c: Reader, n_layer: int) -> list[bool]:
    """Return which layers keep a state: as layer_types lists them, else all but one in an interval."""
    if kinds := c.texts("layer_types", "layers_block_type"):
        c.per_layer("layer_types", n_layer, kinds)
        return [k in ("linear_attention", "mamba", "mamba2", "recurrent") for k in kinds[:n_layer]]
    interval = c.integer("full_attention_interval", default=4, high=1024)
    return [(il + 1) % interval != 0 for il in range(n_layer)]
