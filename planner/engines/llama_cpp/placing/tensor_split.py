"""llama.cpp's -sm tensor: every layer's matrices and caches cut into a slice a device.

llama_meta_device_get_split_state in src/llama-model.cpp and ggml/src/ggml-backend-meta.cpp, llama.cpp b11434, which
calls it experimental. Attention is cut by whole groups of heads, feed-forwards by blocks of their inner size, the
output by rows; everything else lies on every device whole. Odd rests go to another device layer by layer. Compute
buffers are as large on every device as one device alone would need. What devices exchange in between (NCCL, or
buffers of their own) is not counted by the engine either.
"""

from __future__ import annotations

from functools import lru_cache
from math import lcm
from typing import Final, NamedTuple

from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.placing.kv_cache import CacheBytes
from planner.engines.llama_cpp.placing.loading import PlacedWeights, left_out, outside_homes
from planner.engines.llama_cpp.placing.placement import HOST, LayerPlacement, float32
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import WeightTable
from planner.engines.llama_cpp.settings import Context, LlamaCppSettings
from planner.engines.llama_cpp.traits import Rule
from planner.errors import RefusedError, UnsupportedError
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture, DenseFeedForward, LayerGroup
from planner.models.cache import CacheSpec, FullAttention, RecurrentState, SlidingWindow
from planner.quant.formats import QuantFormat, cuda_bytes, ggml_format, host_bytes

_ATTENTION, _RECURRENT = ("attn_output.weight", "ssm_out.weight"), ("ssm_out.weight",)
_FEED: Final = ("ffn_down.weight", "ffn_down_exps.weight")
# tensor -> dimension that is cut, and the tensor whose block size decides where (the first that the layer has)
_CUT: Final[dict[str, tuple[int, tuple[str, ...]]]] = {
    **{f"attn_{part}.weight": (1, _ATTENTION) for part in ("q", "k", "v", "qkv", "gate")},
    **{f"attn_{part}.bias": (0, _ATTENTION) for part in ("q", "k", "v", "qkv")},
    "attn_sinks.weight": (0, _ATTENTION),
    "attn_output.weight": (0, _ATTENTION),
    "ssm_dt.bias": (0, _RECURRENT),
    "ssm_a": (0, _RECURRENT),
    **{f"ssm_{part}.weight": (1, _RECURRENT) for part in ("alpha", "beta", "ba", "conv1d")},
    "ssm_out.weight": (0, _RECURRENT),
    **{
        f"ffn_{part}{kind}.weight": (1, _FEED) for part in ("up", "gate", "gate_up") for kind in ("", "_exps")
    },
    **{f"ffn_{part}{kind}.bias": (0, _FEED) for part in ("up", "gate") for kind in ("", "_exps")},
    "ffn_down.weight": (0, _FEED),
    "ffn_down_exps.weight": (0, _FEED),
}
_HEADS: Final = frozenset({"attn_q_norm.weight", "attn_k_norm.weight"})  # cut where they have a row a head


class _Piece(NamedTuple):
    """A stretch of a dimension that is cut by itself."""

    size: int
    times: int  # so many stretches alike, one after the other
    step: int  # cuts are at multiples of this


def check_tensor_split(arch: Architecture, settings: LlamaCppSettings) -> None:
    """Raise RefusedError where the engine refuses -sm tensor, UnsupportedError where it isn't followed here."""
    own = traits(arch)
    if own.tensor_split is Rule.REFUSED:
        raise RefusedError(f"LLAMA_SPLIT_MODE_TENSOR not implemented for architecture '{arch.gguf_arch}'")
    if settings.flash_attn == "off":
        raise RefusedError("SPLIT_MODE_TENSOR requires flash_attn to be enabled")
    if own.pruned_blocks and any(not g.caches for g in arch.groups):
        raise RefusedError("-sm tensor divides by the heads of layers that have none: llama.cpp crashes")
    if own.tensor_split is Rule.NOT_FOLLOWED:
        raise UnsupportedError(f"how -sm tensor cuts {arch.gguf_arch} is not known; plan -sm layer")
    if settings.drafts:
        raise UnsupportedError("drafting under -sm tensor is not planned; leave out one of the two")


def split_weights(
    table: WeightTable,
    placement: LayerPlacement,
    settings: LlamaCppSettings,
    n_devices: int,
    backend: Backend,
) -> PlacedWeights:
    """Return each device's bytes; `placement` is that of one device that stands for all."""
    arch, cuda = table.arch, backend in (Backend.CUDA, Backend.ROCM)
    devices, host = [0] * n_devices, 0
    cutter = _Cutter(arch, table, settings, n_devices)
    for group in arch.groups:
        out = left_out(arch, group, load_mtp=settings.load_mtp)
        for i in group.layers if len(out) < len(group.tensors) else ():
            kinds = dict(zip((t.name for t in group.tensors), table.kinds_of(i), strict=True))
            away = {n for m in placement.moved.get(i, ()) if m.device == HOST for n in m.names}
            for tensor in group.tensors:
                if tensor.name in out:
                    continue
                kind = ggml_format(kinds[tensor.name])
                if placement.layers[i] == HOST or tensor.name in away:
                    host += host_bytes(tensor.shape, kind)
                    continue
                for j, shape in enumerate(cutter.slices(i, tensor.name, tensor.shape, kinds)):
                    devices[j] += _bytes(shape, kind, cuda)
    for tensor, name, homes in outside_homes(table, placement):
        kind = ggml_format(name)
        for home in homes:
            if home == HOST:
                host += host_bytes(tensor.shape, kind)
                continue
            for j, shape in enumerate(cutter.outside(tensor.name, tensor.shape)):
                devices[j] += _bytes(shape, kind, cuda)
    if table.scale != 1.0:  # a mix of which only the files' size is known
        devices, host = [int(d * table.scale) for d in devices], int(host * table.scale)
    return PlacedWeights(tuple(devices), host)


def split_caches(run: Run, n_devices: int) -> CacheBytes:
    """Return the bytes of caches and state on each device and the host; placed as for split_weights."""
    arch, placement, settings, context = run.arch, run.placement, run.settings, run.context
    cutter = _Cutter(arch, run.table, settings, n_devices)
    kv, state = [0] * (n_devices + 1), [0] * (n_devices + 1)
    kinds = {"k": ggml_format(settings.cache_type_k), "v": ggml_format(settings.cache_type_v)}
    f32, rows = ggml_format("F32"), context.n_seq_max * (1 + context.n_rs_seq)
    for group in arch.groups:
        if group.mtp:
            continue
        for i in group.layers:
            away = placement.layers[i] == HOST or not settings.kv_offload
            for spec in group.caches:
                for name, shape in _cache_shapes(spec, context, rows):
                    kind, into = kinds.get(name, f32), state if name in ("r", "s") else kv
                    if away:
                        into[-1] += host_bytes(shape, kind)
                        continue
                    for j, part in enumerate(cutter.slices(i, f"cache_{name}", shape, {})):
                        into[j] += _bytes(part, kind, run.cuda)
    return CacheBytes(tuple(kv[:-1]), tuple(state[:-1]), kv[-1], state[-1])


def _cache_shapes(spec: CacheSpec, context: Context, rows: int) -> list[tuple[str, tuple[int, ...]]]:
    if isinstance(spec, RecurrentState):
        widths = (("r", spec.conv_elements), ("s", spec.state_elements))
        return [(name, (width, rows)) for name, width in widths if width]
    if not isinstance(spec, FullAttention | SlidingWindow) or not spec.owns_cache:
        return []
    cells = context.swa_cells(spec.window) if isinstance(spec, SlidingWindow) else context.n_ctx_seq
    return [
        ("k", (spec.k_elements, cells, context.n_stream)),
        ("v", (spec.v_elements, cells, context.n_stream)),
    ]


def _bytes(shape: tuple[int, ...], kind: QuantFormat, cuda: bool) -> int:
    if not all(shape):
        return 0
    return cuda_bytes(shape, kind) if cuda else host_bytes(shape, kind)


class _Cutter:
    """Cuts one model's tensors for so many devices."""

    def __init__(
        self, arch: Architecture, table: WeightTable, settings: LlamaCppSettings, n_devices: int
    ) -> None:
        self.arch = arch
        self.traits = traits(arch)
        self.table = table
        self.n = n_devices
        self.split = tuple(settings.tensor_split)
        self.rotations = _rotations(arch, n_devices)

    def outside(self, name: str, shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Slices of a tensor outside the layers: the output's rows, everything else whole (tied ones too)."""
        axis = {"output.weight": 1, "output.bias": 0}.get(name)
        if axis is None:
            return [shape] * self.n
        return self._cut(shape, axis, [_Piece(shape[axis], 1, 1)], self.arch.n_layer % self.n)

    def slices(
        self, layer: int, name: str, shape: tuple[int, ...], kinds: dict[str, str]
    ) -> list[tuple[int, ...]]:
        """Slices of a layer's tensor, or of its "cache_k", "cache_v", "cache_r", "cache_s"."""
        group = self.arch.groups[self.table.group_of[layer]]
        recurrent = next((s for s in group.caches if isinstance(s, RecurrentState)), None)
        if name.startswith("cache_"):
            reference: tuple[str, ...] = _RECURRENT if name in ("cache_r", "cache_s") else _ATTENTION
            axis = 0
            if name in ("cache_r", "cache_s") and self.traits.mirrored_state:
                return [shape] * self.n
        elif name in _HEADS and len(shape) > 1 and shape[1] > 1:
            axis, reference = 1, _ATTENTION
        elif name in _CUT:
            axis, reference = _CUT[name]
        else:
            return [shape] * self.n
        held = kinds or dict(zip((t.name for t in group.tensors), self.table.kinds_of(layer), strict=True))
        found = next((held[r] for r in reference if r in held), None)
        if found is None or axis >= len(shape):
            return [shape] * self.n
        block = ggml_format(found).block
        if recurrent is not None and recurrent.d_state:
            pieces = self._recurrent(recurrent, name, shape[axis], block)
        else:
            spec = next((s for s in group.caches if isinstance(s, FullAttention | SlidingWindow)), None)
            pieces = self._ordinary(spec, name, shape[axis], block, _inner(group))
        return self._cut(shape, axis, pieces, self.rotations[layer])

    def _recurrent(self, spec: RecurrentState, name: str, size: int, block: int) -> list[_Piece]:
        """Delta nets: whole key heads, and the value heads that go with them."""
        width = spec.d_state
        step = lcm(lcm(block, 128), width)
        keys, values, kept = width * spec.n_group, width * spec.n_head, spec.conv_kernel - 1
        ratio = max(spec.n_head // max(spec.n_group, 1), 1)
        apart = self.traits.split_apart
        if name in ("attn_qkv.weight", "ssm_conv1d.weight"):
            return (
                [_Piece(keys, 2, step), _Piece(values, 1, step)] if apart else [_Piece(keys, 2 + ratio, step)]
            )
        if name == "cache_r":
            step *= kept
            if apart:
                return [_Piece(keys * kept, 2, step), _Piece(values * kept, 1, step)]
            return [_Piece(keys * kept, 2 + ratio, step)]
        if name in ("attn_gate.weight", "ssm_out.weight"):
            return [_Piece(size, 1, step) if apart else _Piece(keys, ratio, step)]
        if name in ("ssm_dt.bias", "ssm_a", "ssm_alpha.weight", "ssm_beta.weight"):
            return [_Piece(size, 1, step // width) if apart else _Piece(spec.n_group, ratio, step // width)]
        if name == "ssm_ba.weight":
            return [_Piece(size, 1, 2 * (step // width))]
        if name == "cache_s":
            step *= width
            return [_Piece(size, 1, step) if apart else _Piece(spec.n_group * width * width, ratio, step)]
        return _feed(name, size, block, 0)

    def _ordinary(
        self,
        spec: FullAttention | SlidingWindow | None,
        name: str,
        size: int,
        block: int,
        inner: int,
    ) -> list[_Piece]:
        """Attention: groups of query heads with their K and V head; else feed-forwards."""
        if name.startswith("ffn_") or spec is None:
            return _feed(name, size, block, 0 if self.traits.gated_queries else inner)
        queries = spec.n_head // spec.n_head_kv * spec.head_dim_k
        wide = block
        while wide < 128 and wide * self.n < queries:
            wide *= 2
        q = lcm(queries, wide)
        heads = q // spec.head_dim_k
        k = q // (spec.n_head // spec.n_head_kv)
        v = k // spec.head_dim_k * spec.head_dim_v
        gated_q = lcm(2 * queries, wide) if self.traits.gated_queries else q
        stem = name.rsplit(".", 1)[0]
        if stem == "attn_qkv":
            rows_q = size - spec.k_elements - spec.v_elements
            if spec.k_elements == spec.v_elements:
                return [_Piece(rows_q, 1, gated_q), _Piece(spec.k_elements, 2, k)]
            return [_Piece(rows_q, 1, gated_q), _Piece(spec.k_elements, 1, k), _Piece(spec.v_elements, 1, v)]
        steps = {
            "attn_q": gated_q,
            "attn_k": k,
            "cache_k": k,
            "attn_v": v,
            "cache_v": v,
            "attn_sinks": heads,
            "attn_output": heads * spec.head_dim_v,
            "attn_gate": heads if size == spec.n_head else q,
        }
        return [_Piece(size, 1, steps.get(stem, 1))]

    def _cut(
        self, shape: tuple[int, ...], axis: int, pieces: list[_Piece], rotation: int
    ) -> list[tuple[int, ...]]:
        sizes = [0] * self.n
        scan: list[float] = []
        for j in range(self.n):
            at = (j + rotation) % self.n
            share = float32(self.split[at]) if at < len(self.split) else 0.0
            scan.append(float32(share + (scan[-1] if scan else 0.0)))
        for size, times, step in pieces:
            low = 0
            for j in range(self.n):
                high = size
                if j < self.n - 1:
                    high = (
                        int(float32(float32(float32(size) * scan[j]) / scan[-1]))
                        if scan[-1]
                        else size * (j + 1) // self.n
                    )
                    high -= high % step
                sizes[(j + rotation) % self.n] += (high - low) * times
                low = high
        return [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]


def _inner(group: LayerGroup) -> int:
    """Inner size of a layer's dense feed-forward, 0 where it has none."""
    feed = group.feed_forward
    return feed.intermediate if isinstance(feed, DenseFeedForward) else 0


def _feed(name: str, size: int, block: int, inner: int) -> list[_Piece]:
    """Feed-forwards by blocks of at least 128; two halves in one tensor each by itself."""
    step = lcm(block, 128)
    if name.startswith("ffn_gate_up") or (name.startswith("ffn_up") and size == 2 * inner):
        return [_Piece(size // 2, 2, step)]
    return [_Piece(size, 1, step if name.startswith("ffn_") else 1)]


@lru_cache(maxsize=256)
def _rotations(arch: Architecture, n_devices: int) -> tuple[int, ...]:
    """The device at which each layer's cuts begin: one on for every layer before it of the same kind."""
    kinds: dict[int, tuple[bool, bool]] = {}
    for group in arch.groups:
        kind = tuple(any(isinstance(s, of) for s in group.caches) for of in (RecurrentState, SlidingWindow))
        kinds.update((i, (kind[0], kind[1])) for i in group.layers)
    seen: dict[tuple[bool, bool], int] = {}
    rotations = []
    for i in sorted(kinds):
        rotations.append(seen.get(kinds[i], 0) % n_devices)
        seen[kinds[i]] = seen.get(kinds[i], 0) + 1
    return tuple(rotations)
