"""Bytes of a model's weights as mlx-lm 0.32.2 holds them: its own classes, quantised as mlx_lm.convert does.

utils.py quantize_model: every layer that can be quantised (nn.Linear, nn.Embedding, SwitchLinear, MultiLinear) is,
where its rows are whole groups and the class's quant_predicate has no other wish. Norms, biases, convolutions and
bare arrays stay in 16 bits. Layers for predicting several tokens and vision towers are dropped by the classes'
sanitize.
"""

from __future__ import annotations

from typing import Final

from planner.engines.mlx.architectures import MlxTraits, Router
from planner.engines.mlx.formats import EIGHT, Format, Packing
from planner.fast_dataclass import replace
from planner.models.architecture import Architecture, LayerGroup
from planner.models.cache import FullAttention, LatentAttention, SlidingWindow
from planner.models.tensors import EXPERT_ROLES, Role, TensorInfo

PLAIN_BYTES: Final = 2  # of an element that isn't quantised
_NEVER: Final = frozenset({Role.NORM, Role.BIAS, Role.SSM_CONV, Role.ATTN_SINKS, Role.EXPERT_BIAS})
_ROUTERS: Final = frozenset({Role.ROUTER, Role.SHARED_ROUTER})
_KEYS_AND_VALUES: Final = frozenset({"attn_k.weight", "attn_v.weight", "attn_k_norm.weight"})


def weight_bytes(arch: Architecture, kind: Format, traits: MlxTraits) -> int:
    """Bytes of all weights that are loaded."""
    layers = sum(_group_bytes(arch, group, kind, traits) for group in arch.groups if not group.mtp)
    outside = sum(_tensor_bytes(_as_published(t, traits), kind, traits, better=True) for t in arch.tensors)
    each, once = traits.folded_norms
    bare = (each * arch.n_layer + once) * arch.hidden_size + traits.scalars * arch.n_layer
    return layers + outside + bare * PLAIN_BYTES


def _as_published(tensor: TensorInfo, traits: MlxTraits) -> TensorInfo:
    rows = traits.rows.get(tensor.name)
    return replace(tensor, shape=(tensor.row, rows)) if rows else tensor


def _group_bytes(arch: Architecture, group: LayerGroup, kind: Format, traits: MlxTraits) -> int:
    cache = group.caches[0] if group.caches else None
    left_out: frozenset[str] = frozenset()
    if isinstance(cache, LatentAttention) and traits.plain_latent:
        traits = replace(traits, plain=traits.plain | traits.plain_latent)
    if (
        isinstance(cache, (FullAttention, SlidingWindow))
        and not cache.owns_cache
        and not traits.shared_projects
    ):
        left_out = _KEYS_AND_VALUES
    tensors = [t for t in group.tensors if t.name not in left_out]
    if kind.high is None:
        return group.count * sum(_tensor_bytes(t, kind, traits) for t in tensors)
    better = sum(_gets_more(layer, arch.n_layer) for layer in group.layers)
    with_more, without = (
        sum(_tensor_bytes(t, kind, traits, better=more) for t in tensors) for more in (True, False)
    )
    return better * with_more + (group.count - better) * without


def _gets_more(layer: int, layers: int) -> bool:
    """True for the layers that a mixed recipe favours (convert.py mixed_quant_predicate)."""
    eighth = layers // 8
    return layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2


def _tensor_bytes(tensor: TensorInfo, kind: Format, traits: MlxTraits, *, better: bool = False) -> int:
    """Bytes of one tensor; `better`: in a layer that a mixed recipe favours."""
    if tensor.name.startswith("rope_") or tensor.name in traits.absent:  # rope_: llama.cpp's own table
        return 0
    packing = _packing(tensor, kind, traits, better)
    if packing is None:
        return tensor.elements * PLAIN_BYTES
    return tensor.elements // tensor.row * packing.row_bytes(tensor.row)


def _packing(tensor: TensorInfo, kind: Format, traits: MlxTraits, better: bool) -> Packing | None:
    role = tensor.role
    matrix = tensor.name.endswith(".weight") and (len(tensor.shape) > 1 or role is Role.SHARED_ROUTER)
    if not matrix or role in _NEVER:
        return None
    if role in EXPERT_ROLES and kind.experts is not None:
        return kind.experts
    if kind.layers is None or tensor.row % kind.layers.group_size:
        return None
    if role is Role.ROUTER and traits.router is Router.PLAIN:
        return None
    if kind.high is not None:  # a recipe takes the place of the class's own predicate
        return kind.high if role is Role.OUTPUT or (better and role in traits.favoured) else kind.layers
    if tensor.name in traits.plain:
        return None
    if (role in _ROUTERS and traits.router is Router.EIGHT) or tensor.name in traits.eight:
        return EIGHT
    return kind.layers
