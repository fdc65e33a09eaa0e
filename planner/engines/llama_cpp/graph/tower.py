"""The graph of a vision tower and its compute buffers.

clip_graph::build_vit, build_attn and build_ffn in tools/mtmd/clip.cpp and the graphs of tools/mtmd/models
(qwen3vl.cpp, siglip.cpp, pixtral.cpp …), llama.cpp b11549. Heads differ by projector; here they are two products
around an activation, which every one has and which is never the largest part without further layers' outputs.
"""

from __future__ import annotations

from typing import Final

from planner.engines.llama_cpp.graph.buffers import ComputeBuffers
from planner.engines.llama_cpp.graph.ggml.allocator import CPU_BUFFER, CUDA_BUFFER
from planner.engines.llama_cpp.graph.ggml.scheduler import Scheduler
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F16,
    F32,
    I32,
    Graph,
    Tensor,
    cast,
    concat,
    cont,
    graph_input,
    leaf,
    mul_mat,
    permute,
    reshape,
    same,
    transpose,
    view,
)
from planner.fast_dataclass import dataclass
from planner.quant.formats import QuantFormat

_CHANNELS: Final = 3


@dataclass(frozen=True, slots=True)
class TowerShape:
    """One tower and how many patches it reads."""

    patches: int
    patch: int  # side, pixels
    layers: int
    hidden: int
    heads: int
    intermediate: int
    merged: int  # tokens that the projector makes
    out: int  # of the text model
    deep: int  # layers whose outputs are projected too
    fused: bool
    gated: bool
    ropes: int
    masked: bool
    paired: bool  # the first convolution is one of two frames', and places are resized to the picture
    flash: bool


def tower_buffers(shape: TowerShape, *, on_device: bool) -> ComputeBuffers:
    """Return the compute buffers of a tower on one device (or none: on the host)."""
    graph = _Tower(shape).build()
    buffers = (CUDA_BUFFER, CPU_BUFFER) if on_device else (CPU_BUFFER,)
    scheduler = Scheduler(buffers, cuda=False, pipelined=False, op_offload=True, optimise=None)
    *devices, host = scheduler.measure(graph)
    return ComputeBuffers(tuple(devices), host)


class _Tower:
    """Builds the graph; every weight lies on the first backend."""

    def __init__(self, shape: TowerShape) -> None:
        self.shape = shape
        self.graph = Graph()
        places = (4 if shape.paired else 1) * shape.patches  # M-RoPE has four for each patch
        self.positions = [graph_input(I32, places) for _ in range(shape.ropes)]
        kind = F16 if shape.flash else F32
        self.mask = graph_input(kind, shape.patches, shape.patches) if shape.masked else None

    def build(self) -> Graph:
        s = self.shape
        cur = self._patches()
        deep: Tensor | None = None
        for layer in range(s.layers):
            cur = self._layer(cur, masked=self.mask is not None and layer < s.layers - 1)
            if layer >= s.layers - s.deep:
                feature = self._merge(self._norm(reshape(cur, s.hidden * s.patches // s.merged, s.merged)))
                deep = feature if deep is None else concat(deep, feature, 0)
        cur = self._norm(cur)
        cur = self._merge(reshape(cur, s.hidden * s.patches // s.merged, s.merged))
        if deep is not None:
            cur = concat(cur, deep, 0)
        self.graph.expand(cur)
        return self.graph

    def _weight(self, *ne: int, kind: QuantFormat = F16) -> Tensor:
        tensor = leaf(kind, *ne)
        tensor.home, tensor.weight = 0, True
        return tensor

    def _linear(self, cur: Tensor, out: int) -> Tensor:
        product = mul_mat(self._weight(cur.ne[0], out), cur)
        return same("add", product, self._weight(out, kind=F32))

    def _norm(self, cur: Tensor) -> Tensor:
        scaled = same("mul", same("norm", cur), self._weight(cur.ne[0], kind=F32))
        return same("add", scaled, self._weight(cur.ne[0], kind=F32))

    def _patches(self) -> Tensor:
        """build_inp: a convolution over the pixels; build_inp_with_temporal_merge: one for each of two frames."""
        s = self.shape
        pixels = graph_input(F32, s.patch * s.patches, s.patch, _CHANNELS)
        cur = self._convolution(pixels)
        if not s.paired:
            cur = cont(transpose(reshape(cur, s.patches, s.hidden)))
            return same("add", cur, self._weight(s.hidden, kind=F32))
        cur = self._in_blocks(same("add", cur, self._convolution(pixels)))
        cur = same("add", cur, self._weight(s.hidden, kind=F32))
        places = permute(self._weight(s.hidden, 1, 1, kind=F32), 2, 0, 1, 3)
        resized = Tensor("upscale", F32, (s.patches, 1, s.hidden, 1), (places,))
        learned = cont(permute(resized, 1, 2, 0, 3), s.hidden, s.patches)
        learned = cont(learned, 2 * s.hidden, s.patches // 2)
        learned = reshape(learned, 2 * s.hidden, s.patches // 4, 2)
        return same("add", cur, cont(permute(learned, 0, 2, 1, 3), s.hidden, s.patches))

    def _convolution(self, pixels: Tensor) -> Tensor:
        """ggml_conv_2d: (patches, 1, hidden)."""
        s = self.shape
        columns = Tensor("im2col", F16, (_CHANNELS * s.patch**2, s.patches, 1, 1), (pixels,))
        product = mul_mat(columns, self._weight(_CHANNELS * s.patch**2, s.hidden))
        return cont(permute(reshape(product, s.patches, 1, 1, s.hidden), 0, 1, 3, 2))

    def _in_blocks(self, cur: Tensor) -> Tensor:
        """Bring the patches of one token together: two copies."""
        s = self.shape
        rows = cont(permute(cur, 1, 2, 0, 3), 2 * s.hidden, s.patches // 2)
        rows = reshape(rows, 2 * s.hidden, s.patches // 4, 2)
        return cont(permute(rows, 0, 2, 1, 3), s.hidden, s.patches)

    def _layer(self, residual: Tensor, *, masked: bool) -> Tensor:
        cur = self._attention(self._norm(residual), masked=masked)
        residual = same("add", cur, residual)
        return same("add", residual, self._feed_forward(self._norm(residual)))

    def _attention(self, cur: Tensor, *, masked: bool) -> Tensor:
        s = self.shape
        head, n = s.hidden // s.heads, s.patches
        if s.fused:
            joined = self._linear(cur, 3 * s.hidden)
            row = joined.nb[1]
            q, k, v = (
                view(joined, (head, s.heads, n), (4 * head, row), 4 * s.hidden * part) for part in range(3)
            )
        else:
            q, k, v = (reshape(self._linear(cur, s.hidden), head, s.heads, n) for _ in range(3))
        for at in self.positions:
            q = Tensor("rope", F32, q.ne, (q, at))
        for at in self.positions:
            k = Tensor("rope", F32, k.ne, (k, at))
        for each in (q, k, v):
            self.graph.expand(each)
        mask = (self.mask,) if masked and self.mask is not None else ()
        q, k = permute(q, 0, 2, 1, 3), permute(k, 0, 2, 1, 3)
        if s.flash:
            v = cast(permute(v, 0, 2, 1, 3), F16)
            k = cast(k, F16)
            cur = Tensor("flash_attn", F32, (head, s.heads, n, 1), (q, k, v, *mask))
            cur = reshape(cur, s.hidden, n)
        else:
            v = cont(permute(v, 1, 2, 0, 3))
            weights = Tensor("soft_max", F32, (n, n, s.heads, 1), (mul_mat(k, q), *mask))
            cur = cont(permute(mul_mat(v, weights), 0, 2, 1, 3), s.hidden, n)
        return self._linear(cur, s.hidden)

    def _feed_forward(self, cur: Tensor) -> Tensor:
        s = self.shape
        up = self._linear(cur, s.intermediate)
        if not s.gated:
            return self._linear(same("unary", up), s.hidden)
        gate = self._linear(cur, s.intermediate)
        return self._linear(Tensor("glu", F32, up.ne, (gate, up)), s.hidden)

    def _merge(self, cur: Tensor) -> Tensor:
        wide = same("unary", self._linear(cur, cur.ne[0]))
        return self._linear(wide, self.shape.out)
