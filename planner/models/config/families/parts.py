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
from planner.models.architecture import (
    DenseFeedForward,
    FeedForward,
    LayerGroup,
    MixtureOfExperts,
    Rope,
)
from planner.models.cache import CacheSpec
from planner.models.config.reader import MAX_LAYERS, Reader
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
class Dims:
    """What every decoder states."""

    hidden: int
    layers: int
    vocab: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    v_dim: int = 0  # of one V head, where it is not head_dim

    @property
    def q(self) -> int:
        """Elements of a token's Q row."""
        return self.heads * self.head_dim

    @property
    def kv(self) -> int:
        """Elements of a token's K row."""
        return self.kv_heads * self.head_dim

    @property
    def v(self) -> int:
        """Elements of a token's V row."""
        return self.kv_heads * (self.v_dim or self.head_dim)

    @property
    def out(self) -> int:
        """Elements of the attention's output before its projection."""
        return self.heads * (self.v_dim or self.head_dim)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, before identical ones are grouped."""

    caches: tuple[CacheSpec, ...]
    feed_forward: FeedForward
    tensors: Tensors


@dataclass(frozen=True, slots=True)
class Draft:
    """What a family makes of a configuration; hf_config.py adds what all configurations state alike."""

    gguf_arch: str | None
    dims: Dims
    groups: tuple[LayerGroup, ...]
    outside: Tensors
    tied: bool
    rope: Rope | None
    exact: bool = True
    notes: tuple[str, ...] = ()


def read_dims(c: Reader, *, head_dim: int | None = None, context: int | None = None) -> Dims:
    """Read a decoder's dimensions under any of the names that model families use for them."""
    hidden = c.integer("hidden_size", "n_embd", "d_model")
    heads = c.integer("num_attention_heads", "n_head", "num_heads", "n_heads", high=1 << 14)
    if head_dim is None and not c.has("head_dim") and not c.has("kv_channels") and hidden % heads:
        raise InputError(f"{c.where}: hidden_size {hidden} is not a multiple of {heads} heads")
    return Dims(
        hidden=hidden,
        layers=c.integer("num_hidden_layers", "n_layer", "num_layers", "n_layers", high=MAX_LAYERS),
        vocab=c.integer("vocab_size", "padded_vocab_size"),
        heads=heads,
        kv_heads=c.integer(
            "num_key_value_heads",
            "num_kv_heads",
            "n_head_kv",
            "num_attention_groups",
            default=heads,
            high=1 << 14,
        ),
        head_dim=head_dim or c.integer("head_dim", "kv_channels", default=hidden // heads, high=1 << 14),
        context=context
        or c.integer(
            "max_position_embeddings",
            "max_seq_len",
            "max_sequence_length",
            "seq_length",
            "n_positions",
            "n_ctx",
            "model_max_length",  # Kimi Linear states nothing else; read last by llama.cpp's converter too
            default=4096,
            high=1 << 31,
        ),
    )


def grouped(
    keys: Sequence[Key],
    build: Callable[[Key], Layer],
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
