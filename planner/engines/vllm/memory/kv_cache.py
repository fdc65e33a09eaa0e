"""The KV cache: layers grouped as vLLM groups them, blocks, tokens, concurrency, longest context.

vLLM 0.33.0: vllm/v1/core/kv_cache_planning.py (_get_kv_cache_groups_uniform_page_size,
_project_kv_cache_groups_to_worker, get_kv_cache_configs, _auto_fit_max_model_len) and
vllm/v1/core/kv_cache_utils.py (get_max_concurrency_for_kv_cache_config).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import lcm

from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.layer_pages import paged_layers
from planner.engines.vllm.memory.page_kinds import (
    ChunkPage,
    FullPage,
    Lengths,
    Page,
    PagedLayers,
    StatePage,
    WindowPage,
    resized,
)
from planner.engines.vllm.memory.weights import stage_layers
from planner.engines.vllm.releases import CURRENT, Release
from planner.engines.vllm.settings import VllmSettings
from planner.fast_dataclass import dataclass, replace
from planner.models.architecture import Architecture
from planner.units import round_up


@dataclass(frozen=True, slots=True)
class KvGroup:
    """Layers that share one block table."""

    parts: tuple[PagedLayers, ...]  # several only where pages differ in size alone

    def blocks(self, at: Lengths) -> int:
        """Blocks that one request takes from the pool for this group."""
        return max(part.page.blocks(at) for part in self.parts)


@dataclass(frozen=True, slots=True)
class KvLayout:
    """How a model's cache lies in memory on each pipeline stage, and what a request takes of it."""

    groups: tuple[KvGroup, ...]
    bytes_per_block: tuple[int, ...]  # of each pipeline stage's rank
    in_flight: int
    dcp: int
    release: Release
    override: int | None = None  # --num-gpu-blocks-override

    @property
    def has_states(self) -> bool:
        """True where some layers keep a recurrent state instead of a row for each token."""
        return any(isinstance(part.page, StatePage) for group in self.groups for part in group.parts)

    def blocks_per_request(self, length: int) -> int:
        """Blocks that one request of `length` tokens takes."""
        at = Lengths(length, self.in_flight, self.dcp)
        return sum(group.blocks(at) for group in self.groups)

    def num_blocks(self, available: Sequence[int]) -> int:
        """Blocks of the smallest stage, from the bytes that each stage has for its cache."""
        if not self.groups:
            return 1
        if self.override is not None:
            return self.override
        pairs = zip(available, self.bytes_per_block, strict=True)
        return min(max(0, have) // block for have, block in pairs if block)

    def fits(self, available: Sequence[int], length: int) -> bool:
        """True where one request of `length` tokens fits, with the block that vLLM holds back."""
        return not self.groups or self.blocks_per_request(length) <= self.num_blocks(available) - 1

    def concurrency(self, blocks: int, length: int) -> float:
        """Requests of `length` tokens that the blocks hold."""
        return blocks / self.blocks_per_request(length) if self.groups else float("inf")

    def tokens(self, blocks: int, length: int) -> int:
        """The figure that the log calls "GPU KV cache size"."""
        if not self.groups:
            return 0
        if self.release.tokens_from_concurrency:
            return int(self.concurrency(blocks, length) * length)
        block = max(part.page.block for group in self.groups for part in group.parts)
        return blocks // len(self.groups) * block * self.dcp

    def longest(self, available: Sequence[int], limit: int, users: int = 1) -> int:
        """Longest request, at most `limit` tokens, of which `users` fit at once; 0 where none does."""
        blocks = self.num_blocks(available) - 1
        if not self.groups:
            return limit
        low, high = 0, limit
        while low < high:
            middle = (low + high + 1) // 2
            if self.blocks_per_request(middle) * users <= blocks:
                low = middle
            else:
                high = middle - 1
        return low

    def request_bytes(self, length: int) -> int:
        """Bytes that one request of `length` tokens takes on the fullest rank."""
        return self.blocks_per_request(length) * max(self.bytes_per_block, default=0)


def kv_layout(
    arch: Architecture, settings: VllmSettings, gpu: GpuTraits, release: Release = CURRENT
) -> KvLayout:
    """Group the model's caches; `settings` must be resolved. Raises UnsupportedError without a rule."""
    paged = paged_layers(arch, settings, gpu, release)
    if settings.disable_hybrid_kv_cache_manager:
        paged = tuple(PagedLayers(_promoted(p.page), p.layers) for p in paged)
    groups = _grouped(paged)
    stages = stage_layers(arch.n_layer, settings.pipeline_parallel_size)
    last = len(stages) - 1
    per_block = tuple(
        _block_bytes(groups, held, stage == last, arch.n_layer) for stage, held in enumerate(stages)
    )
    batches = settings.in_flight_batches if release.in_flight_margin else 1
    return KvLayout(
        groups=groups,
        bytes_per_block=per_block,
        in_flight=batches * (settings.max_num_batched_tokens or 0),
        dcp=settings.decode_context_parallel_size,
        release=release,
        override=settings.num_gpu_blocks_override,
    )


def _block_bytes(groups: tuple[KvGroup, ...], held: range, last: bool, n_layer: int) -> int:
    """Bytes of a block on a stage: its widest group's, rounded up to where a packed block may begin."""
    widest = max((_stage_bytes(group, held, last, n_layer) for group in groups), default=0)
    strides = {part.stride for group in groups for part in group.parts if part.packed}
    return round_up(widest, lcm(*strides)) if strides else widest


def _stage_bytes(group: KvGroup, held: range, last: bool, n_layer: int) -> int:
    if len(held) == n_layer:
        return sum(part.page.page * len(part.layers) for part in group.parts)
    return sum(
        part.page.page * sum(1 for i in part.layers if i in held or (last and i >= n_layer))
        for part in group.parts
    )


def _promoted(page: Page) -> Page:
    """Without the hybrid manager local attention is kept like full attention."""
    if isinstance(page, (WindowPage, ChunkPage)):
        return FullPage(page.block, page.page)
    return page


def _kind(page: Page) -> object:
    """Layers of one kind may share a group even where their pages differ (UniformTypeKVCacheSpecs)."""
    match page:
        case FullPage():
            return ("full", page.block)
        case WindowPage():
            return ("window", page.block, page.window)
        case ChunkPage():
            return ("chunk", page.block, page.chunk)
        case StatePage():
            return ("state", page.block, page.page, page.per_request)


def _grouped(paged: tuple[PagedLayers, ...]) -> tuple[KvGroup, ...]:
    if not paged:
        return ()
    if len({_kind(p.page) for p in paged}) == 1:
        return (KvGroup(paged),)
    if any(p.packed for p in paged):
        return _packed(paged)
    largest = max(p.page.page for p in paged)
    buckets: dict[Page, list[int]] = defaultdict(list)
    for entry in paged:
        buckets[resized(entry.page, largest)].extend(entry.layers)
    counts = [len(b) for b in buckets.values()]
    size = max(counts) if max(counts) < 1.5 * min(counts) else min(counts)
    groups: list[KvGroup] = []
    for page, layers in buckets.items():
        layers.sort()
        parts = -(-len(layers) // size)
        groups.extend(KvGroup((PagedLayers(page, tuple(layers[i::parts])),)) for i in range(parts))
    return tuple(groups)


def _packed(paged: tuple[PagedLayers, ...]) -> tuple[KvGroup, ...]:
    """Group layers of different page sizes for block-outermost packing (_get_packed_kv_cache_groups).

    Kinds with as many layers of each page size repeat a pattern and are split into groups of as many
    repeats; others stay whole, but states are split until they fit the block that the others need.
    """
    buckets: dict[object, dict[int, list[PagedLayers]]] = {}
    for entry in paged:
        by_size = buckets.setdefault(_kind(entry.page), {})
        by_size.setdefault(entry.page.page, []).append(entry)
    shapes = [_Bucket(tuple(_merged(parts) for parts in by_size.values())) for by_size in buckets.values()]
    floor = max((b.most for b in shapes if b.balanced and len(b.sizes) > 1), default=0)
    repeats = _least_padding([b.most for b in shapes if b.balanced], floor) if floor else 0
    widest = max(b.widest(b.count if b.is_state(repeats) else b.parts(repeats)) for b in shapes)
    groups: list[KvGroup] = []
    for bucket in shapes:
        parts = bucket.parts(repeats)
        if bucket.is_state(repeats):
            together = max(widest // bucket.sizes[0].page.page, 1)
            parts = max(parts, -(-bucket.count // together))
        for i in range(parts):
            groups.append(KvGroup(tuple(replace(m, layers=m.layers[i::parts]) for m in bucket.sizes)))
    return tuple(groups)


def _merged(parts: list[PagedLayers]) -> PagedLayers:
    layers = tuple(sorted(i for p in parts for i in p.layers))
    return replace(parts[0], layers=layers, packed=True)


@dataclass(frozen=True, slots=True)
class _Bucket:
    """Layers of one kind of page, by the page's size."""

    sizes: tuple[PagedLayers, ...]

    @property
    def most(self) -> int:
        """Most layers of one size: how often a pattern of one layer a size repeats."""
        return max(len(m.layers) for m in self.sizes)

    @property
    def count(self) -> int:
        return sum(len(m.layers) for m in self.sizes)

    @property
    def balanced(self) -> bool:
        return len({len(m.layers) for m in self.sizes}) == 1

    def parts(self, repeats: int) -> int:
        """Groups that the pattern splits into."""
        return -(-self.most // repeats) if self.balanced and repeats else 1

    def widest(self, parts: int) -> int:
        """Bytes of a block in the largest of so many groups."""
        return sum(-(-len(m.layers) // parts) * m.page.page for m in self.sizes)

    def is_state(self, repeats: int) -> bool:
        """True for what may be split down to one state a group rather than widen a block."""
        page = self.sizes[0].page
        return isinstance(page, StatePage) or (not repeats and isinstance(page, WindowPage))


def _least_padding(counts: list[int], floor: int) -> int:
    """The group size from `floor` on that pads least, the larger of equals (_approximate_gcd)."""
    sizes = range(floor, max(floor, *counts) + 1)
    return min(sizes, key=lambda d: (sum(-count % d for count in counts), -d))
