"""Where a graph's tensors go in each backend's compute buffer, and how large it gets.

The allocator of ggml/src/ggml-alloc.c (ggml_dyn_tallocr, ggml_gallocr), llama.cpp b11434, followed step by
step: best fit, in-place reuse of a parent, nothing freed before its last use. Sizes as
ggml_backend_cuda_buffer_type_get_alloc_size in ggml/src/ggml-cuda/ggml-cuda.cu has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from planner.engines.llama_graph_tensor import F16, F32, INPLACE, Tensor
from planner.quant.formats import CPU_ALIGNMENT, CUDA_ALIGNMENT, CUDA_ROW_PADDING

_ENDLESS: Final = 1 << 62
_VECTOR_TYPES: Final = frozenset(
    {"F32", "F16", "BF16", "Q4_0", "Q8_0"}
)  # GGML_CUDA_FA_QUANTS: each with itself


@dataclass(frozen=True, slots=True)
class BufferType:
    """What a backend's buffers do to sizes."""

    alignment: int
    row_padding: bool = False  # CUDA: quantised rows filled up to 512 elements
    flash_extra: bool = False  # CUDA: flash attention keeps an F16 copy of other cache types


CUDA_BUFFER: Final = BufferType(CUDA_ALIGNMENT, row_padding=True, flash_extra=True)
CPU_BUFFER: Final = BufferType(CPU_ALIGNMENT)


def alloc_size(tensor: Tensor, buffer: BufferType) -> int:
    """Bytes that a backend's buffer type allocates for a tensor, unaligned."""
    size = tensor.nbytes
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
            and k.kind.name in _VECTOR_TYPES
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
        """Return an allocation, joined with the free blocks beside it."""
        size = -(-size // self.align) * self.align
        if size == 0:
            return
        blocks = self.blocks
        at = 0
        while at < len(blocks) and blocks[at][0] < offset:
            at += 1
        if at > 0 and blocks[at - 1][0] + blocks[at - 1][1] == offset:
            block = blocks[at - 1]
            block[1] += size
            if at < len(blocks) and block[0] + block[1] == blocks[at][0]:
                block[1] += blocks[at][1]
                del blocks[at]
        elif at < len(blocks) and offset + size == blocks[at][0]:
            blocks[at][0] = offset
            blocks[at][1] += size
        else:
            blocks.insert(at, [offset, size])


class Allocator:
    """ggml_gallocr over the scheduler's order of nodes."""

    __slots__ = ("buffers", "pools")

    def __init__(self, buffers: Sequence[BufferType]) -> None:
        self.buffers = tuple(buffers)
        self.pools = [Pool(b.alignment) for b in buffers]

    def run(self, leaves: list[tuple[Tensor, int]], nodes: list[tuple[Tensor, int]]) -> list[int]:
        """Return the peak of every backend's buffer, in bytes."""
        for leaf, at in leaves:
            self._allocate(leaf, at)
        for node, at in nodes:
            if node.root is not None and node.op != "none":
                node.root.views += 1
            if node.input:
                self._allocate(node, at)
            for src in node.src:
                src.children += 1
                if src.input:
                    self._allocate(src, at)
        for node, at in nodes:
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
        return [p.peak for p in self.pools]

    def _allocate(self, node: Tensor, at: int) -> None:
        if node.lives or node.home is not None or node.root is not None:
            return
        node.lives = True
        node.size = alloc_size(node, self.buffers[at])
        if node.op in INPLACE:
            for parent in node.src:
                if (
                    parent.lives
                    and not parent.output
                    and parent.children == 1
                    and parent.views == 0
                    and node.same_layout(parent)
                ):
                    self._take_over(node, parent)
                    return
        node.backend = at
        node.place = self.pools[at].alloc(node.size)

    def _take_over(self, node: Tensor, parent: Tensor) -> None:
        parent.lives = False
        node.backend, node.place = parent.backend, parent.place
        align = self.buffers[node.backend].alignment
        kept, had = -(-node.size // align) * align, -(-parent.size // align) * align
        if had > kept:
            self.pools[node.backend].free(node.place + kept, had - kept)

    def _free(self, node: Tensor) -> None:
        if node.output:
            return
        self.pools[node.backend].free(node.place, node.size)
        node.lives = False
