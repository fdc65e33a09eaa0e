"""Compute buffers of llama.cpp, measured as the engine does: by building its worst-case graph.

The graph is the one that sched_reserve in src/llama-context.cpp reserves memory for (llama.cpp b11434),
without numbers and with the layers that repeat left out: scheduled over the devices and allocated by the
engine's own rules.
"""

from __future__ import annotations

from typing import Final

from planner.engines.llama_compute_rules import ComputeBuffers
from planner.engines.llama_graph_alloc import CPU_BUFFER, CUDA_BUFFER, BufferType
from planner.engines.llama_graph_build import Batch, Builder, Layer
from planner.engines.llama_graph_layers import build
from planner.engines.llama_graph_rough import rough_buffers
from planner.engines.llama_graph_schedule import Scheduler
from planner.engines.llama_graph_styles import Style, style_of
from planner.engines.llama_placement import HOST, LayerPlacement
from planner.engines.llama_settings import Context, LlamaCppSettings
from planner.engines.llama_weights import WeightTable
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture, LayerGroup, MixtureOfExperts
from planner.models.cache import FullAttention, LatentAttention, SlidingWindow

_INPUTS: Final = frozenset({"token_embd", "position_embd", "per_layer_token_embd"})  # always on the host
_FIRST_LAYER: Final = frozenset(
    {"per_layer_model_proj", "per_layer_proj_norm", "token_embd_norm"}
)  # where layer 0 is
# Architectures whose graph isn't followed: hyper-connections, compressed caches, lightning attention,
# residuals across layers, block-sparse attention
UNKNOWN: Final = frozenset(
    {
        "bailingmoe3",
        "deepseek4",
        "dots3note",
        "glm5-next",
        "hy-v4",
        "kimi-k3",
        "minimax-01",
        "minimax-m3",
        "qwen4exp",
    }
)
_REPEATS: Final = 2  # layers of a kind until what is free and what is not has settled


def compute_buffers(
    arch: Architecture,
    table: WeightTable,
    placement: LayerPlacement,
    settings: LlamaCppSettings,
    context: Context,
    backend: Backend = Backend.CUDA,
) -> ComputeBuffers:
    """Return the compute buffers of every device and the host, in bytes.

    Where the architecture's graph isn't known, closed rules approximate them.
    """
    if arch.gguf_arch not in UNKNOWN:
        try:
            builder = _graph(arch, table, placement, settings, context, _batch(context))
        except KeyError:  # a tensor that the graph expects: it is another graph
            pass
        else:
            sizes = _scheduler(arch, placement, settings, backend).measure(builder.graph)
            return ComputeBuffers(tuple(sizes[:-1]), sizes[-1])
    pipelined = _pipelined(placement, settings)
    return rough_buffers(arch, table, placement, settings, context, pipelined=pipelined)


def flash_attention_stays(
    arch: Architecture,
    table: WeightTable,
    placement: LayerPlacement,
    settings: LlamaCppSettings,
    context: Context,
    backend: Backend = Backend.CUDA,
) -> bool:
    """Return whether "auto" leaves flash attention on (resolve_fused_ops in src/llama-context.cpp).

    It is turned off where any layer's attention would be computed on another device than the layer's, as
    happens at the border between host and device. `context` is one with flash attention.
    """
    if arch.gguf_arch in UNKNOWN or not (placement.any_on_host or not settings.kv_offload):
        return True
    batch = Batch(context.n_seq_max, context.n_seq_max, context.n_seq_max)
    try:
        builder = _graph(arch, table, placement, settings, context, batch)
    except KeyError:
        return True
    _scheduler(arch, placement, settings, backend).assign(builder.graph)
    return all(node.backend == home for node, home in builder.flash_nodes)


def _graph(
    arch: Architecture,
    table: WeightTable,
    placement: LayerPlacement,
    settings: LlamaCppSettings,
    context: Context,
    batch: Batch,
) -> Builder:
    outside = _outside_layer(table, placement)
    builder = Builder(arch, _style(arch), settings, context, batch, outside, placement.n_devices)
    layers = _layers(arch, table, placement)
    build(builder, layers, outside.need("token_embd.weight"), _head(table, placement))
    return builder


def _scheduler(
    arch: Architecture, placement: LayerPlacement, settings: LlamaCppSettings, backend: Backend
) -> Scheduler:
    cuda = backend in (Backend.CUDA, Backend.ROCM)
    device = CUDA_BUFFER if cuda else BufferType(CUDA_BUFFER.alignment)
    return Scheduler(
        (*([device] * placement.n_devices), CPU_BUFFER),
        cuda=cuda,
        pipelined=_pipelined(placement, settings),
        op_offload=settings.op_offload,
        experts=arch.is_moe,
    )


def _pipelined(placement: LayerPlacement, settings: LlamaCppSettings) -> bool:
    """True where several devices work on consecutive batches at once (llama_context's constructor)."""
    return (
        settings.split_mode == "layer"
        and placement.n_devices > 1
        and placement.n_gpu_layers > len(placement.layers)
        and settings.kv_offload
        and not placement.moved
    )


def _style(arch: Architecture) -> Style:
    sliding = any(isinstance(s, SlidingWindow) for g in arch.groups for s in g.caches if not g.mtp)
    return style_of(arch.gguf_arch, sliding)


def _batch(context: Context) -> Batch:
    n, seqs = min(context.n_ctx, context.n_ubatch), context.n_seq_max
    outputs = min(n, context.n_outputs_max)
    return Batch(-(-n // seqs) * seqs, seqs, outputs)


def _layers(arch: Architecture, table: WeightTable, placement: LayerPlacement) -> list[Layer]:
    """Return the layers that the graph is built of, with the place of every weight."""
    host = placement.n_devices
    order = sorted(i for g in arch.groups if not g.mtp for i in g.layers)
    layers = []
    for i in _representative(table, placement, order):
        group, types = arch.groups[table.group_of[i]], table.types.groups[table.group_of[i]]
        at = group.layers.index(i)
        home = placement.layers[i]
        moved = {n: m.device for m in reversed(placement.moved.get(i, ())) for n in m.names}
        weights = {}
        for tensor, kind in zip(group.tensors, types, strict=True):
            device = moved.get(tensor.name, home)
            weights[tensor.name] = (
                tensor.shape,
                kind if isinstance(kind, str) else kind[at],
                host if device == HOST else device,
            )
        layers.append(
            Layer(
                i,
                group,
                weights,
                host if home == HOST else home,
                last=i == order[-1],
                cache_home=_shared_cache(arch, group, placement),
            )
        )
    return layers


def _shared_cache(arch: Architecture, group: LayerGroup, placement: LayerPlacement) -> int | None:
    """Backend of the cache that layers without one read: that of the last layer of their kind with one."""
    reader = next(
        (s for s in group.caches if isinstance(s, FullAttention | SlidingWindow) and not s.owns_cache), None
    )
    if reader is None:
        return None
    owner = max(
        (
            g.layers[-1]
            for g in arch.groups
            for s in g.caches
            if type(s) is type(reader) and isinstance(s, FullAttention | SlidingWindow) and s.owns_cache
        ),
        default=None,
    )
    if owner is None:
        return None
    home = placement.layers[owner]
    return placement.n_devices if home == HOST else home


def _representative(table: WeightTable, placement: LayerPlacement, order: list[int]) -> list[int]:
    """Leave out layers that repeat: same kind, place and types, between the same neighbours, seen before."""
    if any(isinstance(s, LatentAttention) and s.indexer for g in table.arch.groups for s in g.caches):
        return order  # every layer has a tensor that is allocated from the start
    signs = [_sign(table, placement, i) for i in order]
    seen: dict[tuple[object, ...], int] = {}
    kept = []
    for at, i in enumerate(order):
        key = tuple(signs[at - 1 : at + 2]) if at else (None, *signs[:2])
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= _REPEATS or at + 1 == len(order):
            kept.append(i)
    return kept


def _sign(table: WeightTable, placement: LayerPlacement, i: int) -> tuple[object, ...]:
    """What tells one layer's part of the graph from another's."""
    at, home = table.group_of[i], placement.layers[i]
    moved = placement.moved.get(i, ())
    group = table.arch.groups[at]
    kinds: tuple[object, ...] = ()
    if home == HOST or moved or _has_shared(group):
        index = group.layers.index(i)
        kinds = tuple(k if isinstance(k, str) else k[index] for k in table.types.groups[at])
    return (at, home, moved, kinds)


def _has_shared(group: LayerGroup) -> bool:
    feed = group.feed_forward
    return isinstance(feed, MixtureOfExperts) and feed.n_shared > 0


def _outside_layer(table: WeightTable, placement: LayerPlacement) -> Layer:
    """The tensors outside the layers where the engine holds them for the layers' sake."""
    host = placement.n_devices
    homes = {True: host, False: host if placement.output == HOST else placement.output}
    first = host if placement.layers[0] == HOST else placement.layers[0]
    weights = {}
    for tensor, kind in table.outside():
        stem = tensor.name.rsplit(".", 1)[0]
        home = first if stem in _FIRST_LAYER else homes[stem in _INPUTS]
        weights[tensor.name] = (tensor.shape, kind, home)
    return Layer(-1, table.arch.groups[0], weights, homes[False], last=False)


def _head(table: WeightTable, placement: LayerPlacement) -> tuple[Layer, str]:
    """The tensors outside the layers, on the output's device, and which of them yields the logits."""
    home = placement.n_devices if placement.output == HOST else placement.output
    weights = {t.name: (t.shape, k, home) for t, k in table.outside()}
    name = "output.weight" if "output.weight" in weights else "token_embd.weight"
    return Layer(-1, table.arch.groups[0], weights, home, last=False), name
