"""Compute buffers of llama.cpp, measured as the engine does: by building its worst-case graph.

The graph is the one that sched_reserve in src/llama-context.cpp reserves memory for (llama.cpp b11434),
without numbers and with the layers that repeat left out: scheduled over the devices and allocated by the
engine's own rules.
"""

from __future__ import annotations

from typing import Final

from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.graph.buffers import ComputeBuffers
from planner.engines.llama_cpp.graph.builder import Batch, Builder, Layer, has_windows
from planner.engines.llama_cpp.graph.closed_rules import estimated_buffers
from planner.engines.llama_cpp.graph.encoder import build_encoder
from planner.engines.llama_cpp.graph.ggml.allocator import (
    CPU_BUFFER,
    CUDA_BUFFER,
    BufferType,
    NotRepeatable,
    Repeat,
)
from planner.engines.llama_cpp.graph.ggml.cuda_fusion import fuse
from planner.engines.llama_cpp.graph.ggml.scheduler import Optimise, Scheduler
from planner.engines.llama_cpp.graph.ggml.tensor import Graph
from planner.engines.llama_cpp.graph.layers import build
from planner.engines.llama_cpp.graph.prediction_layers import build_draft
from planner.engines.llama_cpp.placing.placement import HOST, LayerPlacement
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.settings import Context
from planner.engines.llama_cpp.traits import Rule
from planner.fast_dataclass import replace
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture, LayerGroup, MixtureOfExperts
from planner.models.cache import CompressedAttention, FullAttention, LatentAttention, SlidingWindow

_METAL_ALIGNMENT: Final = 32  # ggml-metal.cpp
_INPUTS: Final = frozenset(
    {"token_embd", "position_embd", "token_types", "per_layer_token_embd"}
)  # always on the host
_FIRST_LAYER: Final = frozenset(
    {"per_layer_model_proj", "per_layer_proj_norm", "token_embd_norm"}
)  # where layer 0 is
_BUILT: Final = 3  # of a repeated pattern: the first time, one that stands for others, the last one
_LONGEST_PERIOD: Final = 16
# weights whose types decide whether a shared expert is computed with the routed ones
_FUSED: Final = frozenset(
    f"ffn_{part}_{kind}.weight" for part in ("up", "gate") for kind in ("exps", "shexp")
)


def compute_buffers(run: Run, *, pinned: bool = True) -> ComputeBuffers:
    """Return the compute buffers of every device and the host, in bytes.

    Without `pinned` as ggml_backend_sched_reserve_size has them, which forgets what was pinned to a device while
    the graph was built: what llama.cpp says where nothing is allocated, `--fit` among it. Where the
    architecture's graph isn't known, closed rules approximate them.
    """
    if traits(run.arch).graph is Rule.FOLLOWED:
        try:
            sizes = _measure(run, pinned=pinned)
        except KeyError:  # a tensor that the graph expects: it is another graph
            pass
        else:
            return ComputeBuffers(tuple(sizes[:-1]), sizes[-1])
    return estimated_buffers(run)


def _measure(run: Run, *, pinned: bool) -> list[int]:
    scheduler, batch = _scheduler(run), _batch(run.context)
    chosen, repeats = _representative(run)

    def graph_of(layers: list[int]) -> Graph:
        graph = _graph(run, batch, layers).graph
        if not pinned:
            graph.pinned.clear()
        return graph

    try:
        return scheduler.measure(graph_of(chosen), repeats)
    except NotRepeatable:
        every = sorted(i for g in run.arch.groups if not g.mtp for i in g.layers)
        return scheduler.measure(graph_of(every))


def draft_buffers(run: Run, *, sampled: bool = True) -> ComputeBuffers | None:
    """Return the buffers of the context that drafts with the model's own prediction layers, in bytes.

    Settings and context of the run are the draft's: its cache types, one output a sequence, no snapshots. None where
    the graph of such a layer isn't followed. Of several prediction layers the engine reserves for the first.
    """
    group = next((g for g in run.arch.groups if g.mtp), None)
    prediction = traits(run.arch).prediction
    if group is None or prediction is None or not prediction.followed:
        return None
    builder = Builder(run, _batch(run.context), _outside_layer(run))
    (layer,) = _layers(run, [group.layers[0]])
    try:
        embeddings = builder.outside.need("token_embd.weight")
        build_draft(builder, layer, embeddings, _head(run), sampled=sampled)
    except KeyError:  # a tensor that the graph expects: it is another graph
        return None
    sizes = _scheduler(run).measure(builder.graph)
    return ComputeBuffers(tuple(sizes[:-1]), sizes[-1])


def flash_attention_stays(run: Run) -> bool:
    """Return whether "auto" leaves flash attention on (resolve_fused_ops in src/llama-context.cpp).

    It is turned off where any layer's attention would be computed on another device than the layer's, as
    happens at the border between host and device. The run's context is one with flash attention.
    """
    if traits(run.arch).graph is not Rule.FOLLOWED or not (
        run.placement.any_on_host or not run.settings.kv_offload
    ):
        return True
    batch = Batch(run.context.n_seq_max, run.context.n_seq_max, run.context.n_seq_max)
    chosen, _ = _representative(run)
    try:
        builder = _graph(run, batch, chosen)
    except KeyError:
        return True
    _scheduler(run).assign(builder.graph)
    return all(node.backend == home for node, home in builder.flash_nodes)


def _graph(run: Run, batch: Batch, chosen: list[int]) -> Builder:
    if any(isinstance(s, CompressedAttention) for g in run.arch.groups for s in g.caches):
        # compressed states are each sequence's own
        run = replace(run, context=replace(run.context, unified=False, n_stream=run.context.n_seq_max))
    builder = Builder(run, batch, _outside_layer(run))
    if traits(run.arch).encoder:
        table = builder.outside.need("token_embd.weight")
        build_encoder(builder, _layers(run, chosen), table, _head(run)[0])
        return builder
    build(builder, _layers(run, chosen), builder.outside.need("token_embd.weight"), _head(run))
    return builder


def _scheduler(run: Run) -> Scheduler:
    build = run.context.build
    device = CUDA_BUFFER if run.cuda else BufferType(CUDA_BUFFER.alignment)
    if build.pooled_scratch:
        device = replace(device, flash_extra=False)
    if run.backend is Backend.METAL:
        device = BufferType(_METAL_ALIGNMENT, metal=True, metal_copies=not build.one_input)
    return Scheduler(
        (*([device] * run.placement.n_devices), CPU_BUFFER),
        cuda=run.cuda,
        pipelined=run.pipelined,
        op_offload=run.settings.op_offload,
        optimise=_optimiser(run),
    )


def _optimiser(run: Run) -> Optimise | None:
    """What the devices' backend does with a split's nodes; -sm tensor has a backend of its own, which does nothing."""
    if run.settings.split_mode == "tensor":
        return None
    if run.backend is Backend.VULKAN and not run.context.build.graph_as_built:
        from planner.engines.llama_cpp.graph.ggml.vulkan_order import reorder

        return reorder
    return fuse if run.cuda and run.arch.is_moe else None


def _batch(context: Context) -> Batch:
    n, seqs = min(context.n_ctx, context.n_ubatch), context.n_seq_max
    outputs = min(n, context.n_outputs_max)
    return Batch(-(-n // seqs) * seqs, seqs, outputs)


def _layers(run: Run, chosen: list[int]) -> list[Layer]:
    """Return layers with the place of every weight."""
    arch, table, placement = run.arch, run.table, run.placement
    host = placement.n_devices
    last = max(i for g in arch.groups if not g.mtp for i in g.layers)
    layers = []
    for i in chosen:
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
                last=i == last,
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


def _representative(run: Run) -> tuple[list[int], list[Repeat]]:
    """Return the layers to build the graph of, and which of them stand for how many more.

    Of a pattern of layers that repeats at least four times, the first two and the last time are built; the
    second stands for those left out.
    """
    arch = run.arch
    order = sorted(i for g in arch.groups if not g.mtp for i in g.layers)
    sparse = LatentAttention | CompressedAttention
    if any(isinstance(s, sparse) and s.indexer for g in arch.groups for s in g.caches):
        return order, []  # every layer has a tensor that is allocated from the start
    if any(t.name == "attn_res_score.weight" for g in arch.groups for t in g.tensors):
        return order, []  # what the layers attend to grows
    sliding = has_windows(arch)
    signs = [_sign(run, sliding, i) for i in order]
    signs[-1] = ("last", *signs[-1])  # the only one that leaves out the tokens whose outputs nobody asked for
    kept: list[int] = []
    repeats: list[Repeat] = []
    at = 0
    while at < len(order):
        period, times = _longest_repeat(signs, at)
        if times < _BUILT + 1:
            kept.append(order[at])
            at += 1
            continue
        repeats.append(Repeat(len(kept) + period, period, times - _BUILT))
        kept += order[at : at + 2 * period]
        at += period * times
        kept += order[at - period : at]
    return kept, repeats


def _longest_repeat(signs: list[tuple[object, ...]], at: int) -> tuple[int, int]:
    """Return the period from `at` on that leaves out most layers, and how often it repeats.

    A layer's feed-forward joins the graph with the next layer's attention: what comes before the first period
    must be the same as what comes before the others.
    """
    best, best_times, saved = 1, 1, 0
    for period in range(1, min(_LONGEST_PERIOD, (len(signs) - at) // (_BUILT + 1)) + 1):
        if at == 0 or signs[at - 1] != signs[at + period - 1]:
            continue
        pattern = signs[at : at + period]
        times = 1
        while signs[at + times * period : at + (times + 1) * period] == pattern:
            times += 1
        if (times - _BUILT) * period > saved:
            best, best_times, saved = period, times, (times - _BUILT) * period
    return best, best_times


def _sign(run: Run, sliding: bool, i: int) -> tuple[object, ...]:
    """What tells one layer's part of the graph from another's."""
    table, placement = run.table, run.placement
    at, home = table.group_of[i], placement.layers[i]
    moved = placement.moved.get(i, ())
    group = table.arch.groups[at]
    detail: tuple[object, ...] = ()
    feed = group.feed_forward
    shares = isinstance(feed, MixtureOfExperts) and feed.n_shared > 0
    if home == HOST or moved or shares:
        index = group.layers.index(i)
        kinds = tuple(k if isinstance(k, str) else k[index] for k in table.types.groups[at])
        if home == HOST or moved:
            detail = kinds
        else:
            pairs = zip(group.tensors, kinds, strict=True)
            detail = (len({k for t, k in pairs if t.name in _FUSED}) == 1,)
    own = traits(table.arch)
    return (at, home, moved, detail, own.rotates(i, group, sliding=sliding), own.sparse_until > i)


def _outside_layer(run: Run) -> Layer:
    """The tensors outside the layers where the engine holds them for the layers' sake."""
    table, placement = run.table, run.placement
    host = placement.n_devices
    homes = {True: host, False: host if placement.output == HOST else placement.output}
    first = host if placement.layers[0] == HOST else placement.layers[0]
    weights = {}
    for tensor, kind in table.outside():
        stem = tensor.name.rsplit(".", 1)[0]
        home = first if stem in _FIRST_LAYER else homes[stem in _INPUTS]
        weights[tensor.name] = (tensor.shape, kind, home)
    return Layer(-1, table.arch.groups[0], weights, homes[False], last=False)


def _head(run: Run) -> tuple[Layer, str]:
    """The tensors outside the layers, on the output's device, and which of them yields the logits."""
    table, placement = run.table, run.placement
    home = placement.n_devices if placement.output == HOST else placement.output
    weights = {t.name: (t.shape, k, home) for t, k in table.outside()}
    name = "output.weight" if "output.weight" in weights else "token_embd.weight"
    return Layer(-1, table.arch.groups[0], weights, home, last=False), name
