"""Where a graph's tensors go in each backend's compute buffer, and how large it gets.

The allocator of ggml/src/ggml-alloc.c (ggml_dyn_tallocr, ggml_gallocr), llama.cpp b11434, followed step by
step: best fit, in-place reuse of a parent, nothing freed before its last use. Sizes as
ggml_backend_cuda_buffer_type_get_alloc_size in ggml/src/ggml-cuda/ggml-cuda.cu has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from planner.engines.llama_cpp.graph.ggml.metal_extra import extra as metal_extra
from planner.engines.llama_cpp.graph.ggml.tensor import F16, F32, INPLACE, Tensor
from planner.engines.llama_cpp.tensor_types import type_traits
from planner.fast_dataclass import dataclass
from planner.quant.formats import CPU_ALIGNMENT, CUDA_ALIGNMENT, CUDA_ROW_PADDING

_ENDLESS: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class BufferType:
    """What a backend's buffers do to sizes."""

    alignment: int
    row_padding: bool = False  # CUDA: quantised rows filled up to 512 elements
    flash_extra: bool = False  # CUDA: flash attention keeps an F16 copy of other cache types
    metal: bool = False  # Metal: room for what an operation needs in passing
    metal_copies: bool = False  # … also an F16 copy of a layer's whole cache


CUDA_BUFFER: Final = BufferType(CUDA_ALIGNMENT, row_padding=True, flash_extra=True)
CPU_BUFFER: Final = BufferType(CPU_ALIGNMENT)


def alloc_size(tensor: Tensor, buffer: BufferType) -> int:
    """Bytes that a backend's buffer type allocates for a tensor, unaligned."""
    size = tensor.nbytes
    if buffer.metal:
        return size + metal_extra(tensor, copies=buffer.metal_copies)
    if buffer.flash_extra and tensor.op == "flash_attn":
        return size + _flash_extra(tensor, size)
    if buffer.row_padding and tensor.kind.block > 1:
        rest = tensor.ne[0] % CUDA_ROW_PADDING
        if rest:
            size += tensor.kind.row_bytes(CUDA_ROW_PADDING - rest)
    return size


def _flash_extra(tensor: Tensor, size: int) -> int:
    """F16 copies of K and V behind the result (ggml_cuda_flash_attn_ext_get_alloc_size in fattn.cu)."""
    query, k, v = tensor.src[:3]
    if k.kind is F16 and v.kind is F16:
        return 0
    copied_k, copied_v = k.kind is not F16, v.kind is not F16
    if _vector_kernel(query, k, v):
        fallback = not (
            (k.kind is v.kind or {k.kind.name, v.kind.name} <= {"F16", "F32"})
            and type_traits(k.kind.name).flash_vector
        )
        copied_k, copied_v = k.kind is F32 or fallback, v.kind is F32 or fallback
        copied_k, copied_v = copied_k and k.kind is not F16, copied_v and v.kind is not F16
    end = size
    if copied_k:
        end = -(-end // 128) * 128 + 2 * k.elements
    latent = v.root is not None and v.root is k.root and v.offset == k.offset
    if copied_v and not latent:
        end = -(-end // 128) * 128 + 2 * v.elements
    return end - size


def _vector_kernel(query: Tensor, k: Tensor, v: Tensor) -> bool:
    """True where one or two tokens are computed by the kernel that reads quantised caches as they are."""
    width, tokens = query.ne[0], query.ne[1]
    if width > 256 or width % 64 or width == 192 or k.ne[1] % 256:
        return False
    if k.kind.block > 1 or v.kind.block > 1:
        return tokens <= 2
    return False  # F32 and BF16 caches: an F16 copy is counted, a few tokens' batches may do without


class Pool:
    """One backend's growing buffer: free blocks in address order, the last one endless."""

    __slots__ = ("align", "blocks", "peak")

    def __init__(self, align: int) -> None:
        self.align = align
        self.blocks: list[list[int]] = [[0, _ENDLESS]]
        self.peak = 0

    def alloc(self, size: int) -> int:
        """Return the offset of a new allocation: the smallest block that holds it, else the end."""
        size = -(-size // self.align) * self.align
        blocks = self.blocks
        best, best_size = len(blocks) - 1, _ENDLESS
        for i in range(len(blocks) - 1):
            if size <= blocks[i][1] <= best_size:
                best, best_size = i, blocks[i][1]
        block = blocks[best]
        offset = block[0]
        block[0] += size
        block[1] -= size
        if block[1] == 0:
            del blocks[best]
        if offset + size > self.peak:
            self.peak = offset + size
        return offset

    def free(self, offset: int, size: int) -> None:
        """Return an allocation, joined with the first free block that it touches and that one's neighbour.

        Nothing is left out for an empty tensor (a batch without other sequences' states): where it touches no
        free block it leaves an empty one, and blocks freed around that are never joined again.
        """
        size = -(-size // self.align) * self.align
        blocks = self.blocks
        end = offset + size
        for at, block in enumerate(blocks):
            if block[0] + block[1] == offset:
                block[1] += size
                if at + 1 < len(blocks) and end == blocks[at + 1][0]:
                    block[1] += blocks[at + 1][1]
                    del blocks[at + 1]
                return
            if end == block[0]:
                block[0] = offset
                block[1] += size
                if at and blocks[at - 1][0] + blocks[at - 1][1] == offset:
                    blocks[at - 1][1] += block[1]
                    del blocks[at]
                return
        at = 0
        while at < len(blocks) and blocks[at][0] < offset:
            at += 1
        blocks.insert(at, [offset, size])


@dataclass(frozen=True, slots=True)
class Repeat:
    """A stretch of layers that stands for `times` more of it: the one before it is just like it."""

    start: int  # first layer of the stretch, as counted in the graph
    length: int
    times: int


class NotRepeatable(Exception):
    """What a stretch of layers leaves behind isn't all gone after the next one: build every layer."""


_ALLOC, _FREE, _TAKE = range(3)
Event = tuple[int, int, int, int]  # kind, tensor, then pool and size, or parent and what is kept of it


class Allocator:
    """ggml_gallocr over the scheduler's order of nodes.

    What is allocated and freed when doesn't depend on where: it is recorded first, section by section (what
    comes before the layers, each layer, what comes after), then played with repeated layers repeated.
    """

    __slots__ = ("_events", "_first", "_next", "buffers", "pools", "sections")

    def __init__(self, buffers: Sequence[BufferType]) -> None:
        self.buffers = tuple(buffers)
        self.pools = [Pool(b.alignment) for b in buffers]
        self.sections: list[list[Event]] = []
        self._first: list[int] = []  # number of each section's first tensor
        self._events: list[Event] = []
        self._next = 0

    def run(
        self,
        leaves: list[tuple[Tensor, int]],
        sections: list[list[tuple[Tensor, int]]],
        repeats: Sequence[Repeat] = (),
    ) -> list[int]:
        """Return the peak of every backend's buffer, in bytes."""
        self._record(leaves, sections)
        place: dict[int, tuple[int, int, int]] = {}
        ends = {r.start + r.length: r for r in repeats}
        for at, events in enumerate(self.sections):
            self._play(events, place)
            repeat = ends.get(at)  # layer i is section i + 1
            if repeat is not None:
                self._play_again(repeat, place)
        return [p.peak for p in self.pools]

    # recording

    def _record(self, leaves: list[tuple[Tensor, int]], sections: list[list[tuple[Tensor, int]]]) -> None:
        self._events = []
        self.sections = [self._events]
        self._first = [0]
        for leaf, at in leaves:
            self._allocate(leaf, at)
        for nodes in sections:
            for node, at in nodes:
                if node.root is not None and node.op != "none":
                    node.root.views += 1
                if node.input:
                    self._allocate(node, at)
                for src in node.src:
                    src.children += 1
                    if src.input:
                        self._allocate(src, at)
        for number, nodes in enumerate(sections):
            if number:
                self._events = []
                self.sections.append(self._events)
                self._first.append(self._next)
            for node, at in nodes:
                self._compute(node, at)
        self._first.append(self._next)

    def _compute(self, node: Tensor, at: int) -> None:
        for src in node.src:
            if not src.lives:
                self._allocate(src, at)
        self._allocate(node, at)
        for src in node.src:
            src.children -= 1
            if src.children == 0 and src.views == 0:
                root = src.root
                if root is None:
                    if src.lives:
                        self._free(src)
                else:
                    root.views -= 1
                    if root.views == 0 and root.children == 0 and root.lives:
                        self._free(root)

    def _allocate(self, node: Tensor, at: int) -> None:
        if node.lives or node.home is not None or node.root is not None:
            return
        node.lives = True
        node.place = self._next
        self._next += 1
        size = alloc_size(node, self.buffers[at])
        if node.op in INPLACE:
            for parent in node.src:
                if (
                    parent.lives
                    and not parent.output
                    and parent.children == 1
                    and parent.views == 0
                    and node.same_layout(parent)
                ):
                    parent.lives = False
                    self._events.append((_TAKE, node.place, parent.place, size))
                    return
        self._events.append((_ALLOC, node.place, at, size))

    def _free(self, node: Tensor) -> None:
        if not node.output:
            self._events.append((_FREE, node.place, 0, 0))
            node.lives = False

    # playing

    def _play(self, events: list[Event], place: dict[int, tuple[int, int, int]]) -> None:
        pools = self.pools
        for kind, tensor, other, size in events:
            if kind == _ALLOC:
                place[tensor] = (other, pools[other].alloc(size), size)
            elif kind == _FREE:
                at, offset, had = place.pop(tensor)
                pools[at].free(offset, had)
            else:
                at, offset, had = place.pop(other)
                place[tensor] = (at, offset, size)
                align = pools[at].align
                kept, before = -(-size // align) * align, -(-had // align) * align
                if before > kept:
                    pools[at].free(offset + kept, before - kept)

    def _play_again(self, repeat: Repeat, place: dict[int, tuple[int, int, int]]) -> None:
        """Play a stretch of layers again; what it left then is what the one before it has left now."""
        begin, end = repeat.start + 1, repeat.start + 1 + repeat.length
        now, later = self._first[begin], self._first[end]
        count = later - now
        if not self._repeatable(begin, end, repeat.length):
            raise NotRepeatable
        seen: dict[tuple[object, ...], int] = {}
        left = repeat.times
        while left > 0:
            for tensor in range(now, later):
                found = place.pop(tensor, None)
                if found is not None:
                    place[tensor - count] = found
            for events in self.sections[begin:end]:
                self._play(events, place)
            left -= 1
            state = (
                tuple(tuple(b) for p in self.pools for b in p.blocks),
                tuple(place.get(tensor) for tensor in range(now, later)),
            )
            before = seen.get(state)
            if before is not None:  # from here on it goes round
                left %= before - left
                seen.clear()
            else:
                seen[state] = left

    def _repeatable(self, begin: int, end: int, length: int) -> bool:
        """True where the stretch ends what the one before it left, as the one after it ends its own."""
        earlier, now, later = self._first[begin - length], self._first[begin], self._first[end]
        taken = self._ended(begin, end)
        left = self._ended(end, end + length)
        return (
            all(t >= earlier for t in taken)
            and not any(earlier <= t < now for t in left)
            and {now - t for t in taken if t < now} == {later - t for t in left if now <= t < later}
        )

    def _ended(self, begin: int, end: int) -> list[int]:
        """Tensors that are freed or taken over in some sections."""
        return [
            tensor if kind == _FREE else other
            for events in self.sections[begin:end]
            for kind, tensor, other, _ in events
            if kind != _ALLOC
        ]
