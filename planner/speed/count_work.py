"""From an Architecture to its ModelWork."""

from __future__ import annotations

from functools import lru_cache

from planner.models.architecture import Architecture, MixtureOfExperts
from planner.models.cache import CompressedAttention, RecurrentState
from planner.models.tensors import Role
from planner.speed.cache_work import CacheWork, cache_work
from planner.speed.model_work import ModelWork

_VECTORS = frozenset({Role.NORM, Role.BIAS, Role.ATTN_SINKS})
_LOOKUPS = frozenset({Role.TOKEN_EMBD, Role.POS_EMBD, Role.PER_LAYER_EMBD})


@lru_cache(maxsize=512)
def model_work(arch: Architecture) -> ModelWork:
    """The work of one model: a few dozen numbers, cached, since a machine is asked about many quants."""
    linear = experts = matrix = state = n_moe = n_rec = n_att = 0
    n_expert = n_used = 0
    heads = 0
    caches: list[CacheWork] = []
    for group in arch.groups:
        if group.mtp:
            continue
        count = group.count
        for tensor in group.tensors:
            if tensor.is_expert:
                experts += count * tensor.elements
                if tensor.role is not Role.EXPERT_BIAS:
                    matrix = max(matrix, tensor.elements)
            elif tensor.role not in _VECTORS and tensor.role not in _LOOKUPS:
                linear += count * tensor.elements
        if isinstance(group.feed_forward, MixtureOfExperts):
            n_moe += count
            n_expert, n_used = group.feed_forward.n_expert, group.feed_forward.n_expert_used
        for spec in group.caches:
            if isinstance(spec, RecurrentState):
                n_rec += count
                state += 4 * count * (spec.state_elements + spec.conv_elements)
                continue
            n_att += count
            heads = heads or spec.n_head
            cache = cache_work(spec, count)
            if cache is not None:
                caches.append(cache)
            if isinstance(spec, CompressedAttention) and spec.ratio > 0:
                caches.append(
                    CacheWork(count, spec.head_dim, 4 * spec.n_head * spec.head_dim, window=spec.window)
                )
    head_role = Role.TOKEN_EMBD if arch.tied_embeddings else Role.OUTPUT
    head = sum(t.elements for t in arch.tensors if t.role is head_role)
    return ModelWork(
        predicts=any(g.mtp and g.in_gguf for g in arch.groups),
        hidden=arch.hidden_size,
        n_layer=arch.n_layer,
        n_moe=n_moe,
        n_recurrent=n_rec,
        n_attention=n_att,
        n_expert=n_expert,
        n_used=n_used,
        linear=linear,
        experts=experts,
        expert_matrix=matrix // n_expert if n_expert else 0,
        head=head or arch.hidden_size * arch.vocab_size,
        caches=tuple(caches),
        state=state,
        parameters=arch.parameters(),
        heads=heads,
    )
