"""Compute buffers of llama.cpp by closed rules: what the worst-case prompt graph needs at once.

A first approximation of the graph that llama.cpp b11434 reserves at start (graph_reserve in
src/llama-context.cpp): mask and inputs, and the largest of the phases logits, feed-forward, attention.
"""

from __future__ import annotations

from types import UnionType

from planner.engines.llama_cpp.placing.placement import HOST, LayerPlacement
from planner.engines.llama_cpp.placing.weights import WeightTable
from planner.engines.llama_cpp.settings import Context, LlamaCppSettings
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture, DenseFeedForward, MixtureOfExperts
from planner.models.cache import FullAttention, LatentAttention, RecurrentState, SlidingWindow
from planner.quant.formats import ggml_format

_COPIES = 4  # GGML_SCHED_MAX_COPIES: graph inputs held by pipeline parallelism


@dataclass(frozen=True, slots=True)
class ComputeBuffers:
    """Bytes of each device's compute buffer and of the host's."""

    devices: tuple[int, ...]
    host: int


def compute_buffers(
    arch: Architecture,
    table: WeightTable,
    placement: LayerPlacement,
    settings: LlamaCppSettings,
    context: Context,
    backend: Backend = Backend.CUDA,
) -> ComputeBuffers:
    """Return the compute buffers of every device and the host."""
    ub = min(context.n_ubatch, context.n_ctx)
    hidden = 4 * arch.hidden_size * ub
    mask = _masks(arch, context, ub)
    phases = max(_phase(arch, settings, context, ub, group) for group in range(len(arch.groups)))
    logits = 4 * arch.vocab_size * min(ub, context.n_outputs_max)
    inputs = mask + hidden
    pipelined = (
        placement.n_devices > 1
        and not placement.any_on_host
        and settings.split_mode == "layer"
        and settings.kv_offload
        and len(set(placement.layers) | {placement.output}) > 1
    )
    copies = _COPIES if pipelined else 1
    used = {d for d in (*placement.layers, placement.output) if d != HOST}
    devices = []
    for device in range(placement.n_devices):
        if device not in used:
            devices.append(0)
            continue
        top = max(phases, logits + hidden if placement.output == device else 0)
        devices.append(inputs * copies + 3 * hidden + top)
    if placement.n_devices and settings.op_offload and placement.any_on_host and devices:
        devices[0] += _largest_on_host(table, placement)
    host = mask + hidden
    if placement.n_devices == 0:
        host = inputs + 3 * hidden + max(phases, logits + hidden)
    return ComputeBuffers(tuple(devices), host)


def _masks(arch: Architecture, context: Context, ub: int) -> int:
    width = 2 if context.flash_attn else 4
    cells = {context.n_ctx_seq * context.n_stream} if _has(arch, FullAttention | LatentAttention) else set()
    windows = {
        context.swa_cells(s.window)
        for g in arch.groups
        for s in g.caches
        if isinstance(s, SlidingWindow) and not g.mtp
    }
    return width * ub * (sum(cells) // max(context.n_stream, 1) + sum(windows))


def _has(arch: Architecture, kinds: type | UnionType) -> bool:
    return any(isinstance(s, kinds) for g in arch.groups for s in g.caches)


def _phase(arch: Architecture, settings: LlamaCppSettings, context: Context, ub: int, at: int) -> int:
    group = arch.groups[at]
    if group.mtp:
        return 0
    hidden = 4 * arch.hidden_size * ub
    need, feed = 0, group.feed_forward
    if isinstance(feed, DenseFeedForward):
        need = 3 * 4 * feed.intermediate * ub
    elif isinstance(feed, MixtureOfExperts):
        up = 4 * feed.intermediate * feed.n_expert_used * ub
        need = max(
            3 * up,
            2 * hidden * feed.n_expert_used + (3 * up if feed.n_shared else hidden),
        )
    for spec in group.caches:
        if isinstance(spec, LatentAttention):
            width = 4 * spec.n_head * ub
            flash = width * (spec.kv_lora_rank + spec.k_elements + spec.qk_rope_head_dim) + 3 * hidden
            need = max(need, flash if context.flash_attn else width * context.n_ctx_seq + hidden)
        elif isinstance(spec, FullAttention | SlidingWindow):
            cells = context.n_ctx_seq if isinstance(spec, FullAttention) else context.swa_cells(spec.window)
            if not context.flash_attn:
                need = max(need, 4 * spec.n_head * cells * ub + hidden + 8 * spec.v_elements * ub)
                continue
            copied = sum(
                2 * cells * context.n_stream * elements
                for kind, elements in (
                    (settings.cache_type_k, spec.k_elements),
                    (settings.cache_type_v, spec.v_elements),
                )
                if ggml_format(kind).quantised
            )
            need = max(need, copied + 8 * spec.n_head * spec.head_dim_k * ub)
        elif isinstance(spec, RecurrentState):
            need = max(need, 3 * 4 * (spec.conv_channels + spec.d_inner) * ub)
    return need


def _largest_on_host(table: WeightTable, placement: LayerPlacement) -> int:
    """Bytes of the largest weight on the host that a large batch would be multiplied with on the GPU."""
    largest = 0
    for group in table.arch.groups:
        if group.mtp:
            continue
        i = next((i for i in group.layers if placement.layers[i] == HOST), None)
        if i is not None:
            largest = max(largest, *(table.bytes_of(i, [t.name], cuda=True) for t in group.tensors))
        for j in group.layers:
            for moved in placement.moved.get(j, ()):
                if moved.device == HOST:
                    largest = max(largest, *(table.bytes_of(j, [n], cuda=True) for n in moved.names))
                    break
    return largest
