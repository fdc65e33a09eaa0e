"""CacheWork: what attention over a cache asks of a machine, by the kind of cache."""

from __future__ import annotations

from planner.fast_dataclass import dataclass
from planner.models.cache import CompressedAttention, FullAttention, LatentAttention, SlidingWindow


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
    kv_heads: int = 1  # heads of the cache, that tensor parallelism divides; a latent row is one

    def positions(self, depth: float) -> float:
        """Cached positions that one token attends to when `depth` tokens are in the cache."""
        seen = depth / self.ratio if self.ratio > 1 else depth
        if self.window is not None:
            seen = min(seen, float(self.window))
        if self.top_k is not None:
            seen = min(seen, float(self.top_k))
        return seen

    def copies(self, ranks: int) -> float:
        """How often `ranks` devices that share the layer hold the cache together: heads go to whole ranks.

        vllm/model_executor/layers/linear.py (0.33.0), QKVParallelLinear: num_kv_head_replicas.
        """
        return ranks / min(ranks, max(1, self.kv_heads))


def cache_work(spec: object, count: int) -> CacheWork | None:
    """What one token reads of `count` layers with this cache; None for a state of fixed size."""
    if isinstance(spec, FullAttention | SlidingWindow):
        flops = 2 * spec.n_head * (spec.head_dim_k + spec.head_dim_v)
        window = spec.window if isinstance(spec, SlidingWindow) else None
        stored = spec.k_elements + spec.v_elements
        return CacheWork(count, stored, flops, window, head=spec.head_dim_k, kv_heads=spec.n_head_kv)
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
