"""ModelWork: what a model makes a machine do for one token, independent of any machine.

Bytes are read (or floating-point operations done) per token by kind: dense weights, routed experts, output
head, cache rows at a depth, recurrent state. Built once from an Architecture; everything after it is
arithmetic on a few dozen numbers.
"""

from __future__ import annotations

from functools import lru_cache
from math import log2

from planner.fast_dataclass import dataclass
from planner.models.architecture import Architecture, MixtureOfExperts
from planner.models.cache import (
    CompressedAttention,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.models.tensors import Role

_VECTORS = frozenset({Role.NORM, Role.BIAS, Role.ATTN_SINKS})
_LOOKUPS = frozenset({Role.TOKEN_EMBD, Role.POS_EMBD, Role.PER_LAYER_EMBD})


@dataclass(frozen=True, slots=True)
class WeightBits:
    """Mean stored bits a weight of the three parts that are read differently, and their kernels' class."""

    dense: float
    expert: float
    head: float
    kind: str = "q4"  # f16 | q8 | q6 | q5 | q4 | q3 | q2 | iq | fp8 | int4 | fp4
    expert_kind: str = ""  # where the experts are stored in another class; empty: as `kind`


@dataclass(frozen=True, slots=True)
class CacheWork:
    """Identical attention layers: what one token reads from the cache of one of them."""

    count: int
    elements: int  # cached elements a position (K and V together)
    flops: int  # operations of one query against one position (QK and PV)
    window: int | None = None  # positions at most; None: all
    ratio: int = 1  # tokens behind one cached entry (compressed attention)
    top_k: int | None = None  # sparse attention reads at most so many positions
    head: int = 128  # elements of a head: kernels are tuned for 64 and 128

    def positions(self, depth: float) -> float:
        """Cached positions that one token attends to when `depth` tokens are in the cache."""
        seen = depth / self.ratio if self.ratio > 1 else depth
        if self.window is not None:
            seen = min(seen, float(self.window))
        if self.top_k is not None:
            seen = min(seen, float(self.top_k))
        return seen


@dataclass(frozen=True, slots=True)
class ModelWork:
    """One model's work a token. Parameters are elements; state in bytes (float32 recurrent state)."""

    hidden: int
    n_layer: int
    n_moe: int
    n_recurrent: int
    n_attention: int
    n_expert: int
    n_used: int
    linear: int  # elements of the layers' matrices outside routed experts
    experts: int  # elements of all routed experts
    expert_matrix: int  # elements of one matrix of one expert
    head: int  # elements of the output head
    caches: tuple[CacheWork, ...]
    state: int  # bytes a sequence
    parameters: int  # all elements, for file sizes

    @property
    def active_experts(self) -> float:
        """Elements of the routed experts that one token uses."""
        return self.experts * self.n_used / self.n_expert if self.n_expert else 0.0

    @property
    def is_moe(self) -> bool:
        """True where tokens are routed to experts."""
        return self.experts > 0

    def experts_touched(self, tokens: float) -> float:
        """Share of all experts that a batch of `tokens` touches, routed independently."""
        if not self.n_expert:
            return 0.0
        return float(1.0 - (1.0 - self.n_used / self.n_expert) ** max(tokens, 1.0))

    def kv_elements(self, depth: float) -> float:
        """Cache elements that one token reads at `depth`."""
        return sum(c.count * c.elements * c.positions(depth) for c in self.caches)

    def head_size(self, depth: float) -> float:
        """log2 of the head's size over 128, weighted by the attention's operations at `depth`."""
        total = weighted = 0.0
        for c in self.caches:
            flops = c.count * c.flops * c.positions(depth)
            total += flops
            weighted += flops * log2(max(c.head, 16) / 128)
        return weighted / total if total else 0.0

    def attention_flops(self, depth: float) -> float:
        """Operations of one token's attention at `depth`."""
        return sum(c.count * c.flops * c.positions(depth) for c in self.caches)


def _cache_work(spec: object, count: int) -> CacheWork | None:
    if isinstance(spec, FullAttention | SlidingWindow):
        flops = 2 * spec.n_head * (spec.head_dim_k + spec.head_dim_v)
        window = spec.window if isinstance(spec, SlidingWindow) else None
        return CacheWork(count, spec.k_elements + spec.v_elements, flops, window, head=spec.head_dim_k)
    if isinstance(spec, LatentAttention):
        flops = 2 * spec.n_head * (2 * spec.kv_lora_rank + spec.qk_rope_head_dim)
        top_k = spec.indexer.top_k if spec.indexer else None
        return CacheWork(count, spec.k_elements, flops, top_k=top_k, head=spec.k_elements)
    if isinstance(spec, CompressedAttention):
        flops = 4 * spec.n_head * spec.head_dim
        if spec.ratio <= 0:
            return CacheWork(count, spec.head_dim, flops, window=spec.window)
        top_k = spec.indexer.top_k if spec.indexer else None
        return CacheWork(count, spec.head_dim, flops, ratio=spec.ratio, top_k=top_k)
    return None


@lru_cache(maxsize=512)
def model_work(arch: Architecture) -> ModelWork:
    """The work of one model: a few dozen numbers, cached, since a machine is asked about many quants."""
    linear = experts = matrix = state = n_moe = n_rec = n_att = 0
    n_expert = n_used = 0
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
            cache = _cache_work(spec, count)
            if cache is not None:
                caches.append(cache)
            if isinstance(spec, CompressedAttention) and spec.ratio > 0:
                caches.append(
                    CacheWork(count, spec.head_dim, 4 * spec.n_head * spec.head_dim, window=spec.window)
                )
    head_role = Role.TOKEN_EMBD if arch.tied_embeddings else Role.OUTPUT
    head = sum(t.elements for t in arch.tensors if t.role is head_role)
    return ModelWork(
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
    )
