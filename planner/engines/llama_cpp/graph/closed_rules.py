"""Compute buffers by closed rules, where the graph isn't followed or nobody waits for it.

Masks and inputs, and the largest of the phases logits, feed-forward and attention: what the followed graphs of
llama.cpp b11434 come to within a tenth for ordinary layers.
"""

from __future__ import annotations

from typing import Final

from planner.engines.llama_cpp.graph.buffers import ComputeBuffers
from planner.engines.llama_cpp.placing.placement import HOST
from planner.engines.llama_cpp.placing.run import Run
from planner.models.architecture import DenseFeedForward, LayerGroup, MixtureOfExperts
from planner.models.cache import CompressedAttention, FullAttention, LatentAttention, SlidingWindow
from planner.quant.formats import cuda_bytes, ggml_format

_COPIES: Final = 4  # GGML_SCHED_MAX_COPIES
_STREAMS: Final = 4  # hidden states side by side under hyper-connections


def estimated_buffers(run: Run) -> ComputeBuffers:
    """Return the compute buffers of every device and the host, approximately."""
    arch, placement, context = run.arch, run.placement, run.context
    ub = min(context.n_ctx, context.n_ubatch)
    streams = _STREAMS if any("hc_" in t.name for g in arch.groups for t in g.tensors) else 1
    hidden = 4 * arch.hidden_size * ub
    inputs = _mask(run, ub) + hidden
    phase = max(_phase(run, group, ub) for group in arch.groups if not group.mtp)
    logits = 4 * arch.vocab_size * min(ub, context.n_outputs_max) + hidden
    moved = largest_on_host(run) if run.settings.op_offload and placement.any_on_host else 0
    used = {d for d in (*placement.layers, placement.output) if d != HOST}
    devices = []
    for device in range(placement.n_devices):
        top = max(phase, logits if placement.output == device else 0) + 3 * streams * hidden
        size = inputs * (_COPIES if run.pipelined else 1) + top
        devices.append((size if device in used or moved else 0) + (moved if device == 0 else 0))
    host = inputs + hidden
    if placement.n_devices == 0:
        host = inputs + 3 * streams * hidden + max(phase, logits)
    return ComputeBuffers(tuple(devices), host)


def _mask(run: Run, ub: int) -> int:
    context = run.context
    width, cells = 2 if context.flash_attn else 4, 0
    kinds = {type(s): s for g in run.arch.groups for s in g.caches if not g.mtp}
    for spec in kinds.values():
        if isinstance(spec, SlidingWindow):
            cells += context.swa_cells(spec.window)
        elif isinstance(spec, FullAttention | LatentAttention):
            cells += context.n_ctx_seq
        elif isinstance(spec, CompressedAttention):
            cells += context.swa_cells(spec.window) + context.n_ctx_seq // 2
    return width * ub * cells


def _phase(run: Run, group: LayerGroup, ub: int) -> int:
    """The largest need of one layer's blocks."""
    settings, context = run.settings, run.context
    hidden, feed = 4 * run.arch.hidden_size * ub, group.feed_forward
    need = 0
    if isinstance(feed, DenseFeedForward):
        need = 3 * 4 * feed.intermediate * ub
    elif isinstance(feed, MixtureOfExperts):
        up = 4 * feed.intermediate * feed.n_expert_used * ub
        need = max(3 * up, 2 * hidden * feed.n_expert_used + (3 * up if feed.n_shared else hidden))
    for spec in group.caches:
        if isinstance(spec, LatentAttention):
            wide = 4 * spec.n_head * ub * (spec.kv_lora_rank + spec.k_elements + spec.qk_rope_head_dim)
            plain = 4 * spec.n_head * ub * context.n_ctx_seq
            need = max(need, wide + 3 * hidden if context.flash_attn else plain + wide)
        elif isinstance(spec, FullAttention | SlidingWindow):
            cells = context.n_ctx_seq if isinstance(spec, FullAttention) else context.swa_cells(spec.window)
            heads = 3 * 4 * spec.n_head * spec.head_dim_k * ub
            kinds = ((settings.cache_type_k, spec.k_elements), (settings.cache_type_v, spec.v_elements))
            copied = sum(2 * cells * context.n_stream * n for kind, n in kinds if ggml_format(kind).quantised)
            need = max(need, heads + copied if context.flash_attn else 4 * spec.n_head * cells * ub + heads)
        elif isinstance(spec, CompressedAttention):
            need = max(need, 4 * 4 * spec.n_head * spec.head_dim * ub)
            if spec.indexer is not None:
                need = max(need, 4 * 4 * context.n_ctx_seq // max(spec.ratio, 1) * ub + 2 * hidden)
        else:
            need = max(need, 3 * 4 * (spec.conv_channels + spec.d_inner) * ub)
    return need


def largest_on_host(run: Run) -> int:
    """Bytes of the largest weight on the host that the first device multiplies with."""
    placement, largest = run.placement, 0
    for group, types in zip(run.arch.groups, run.table.types.groups, strict=True):
        if group.mtp:
            continue
        for at, i in enumerate(group.layers):
            away = {n for m in placement.moved.get(i, ()) if m.device == HOST for n in m.names}
            if placement.layers[i] != HOST and not away:
                continue
            for tensor, kind in zip(group.tensors, types, strict=True):
                if placement.layers[i] == HOST or tensor.name in away:
                    each = kind if isinstance(kind, str) else kind[at]
                    largest = max(largest, cuda_bytes(tensor.shape, ggml_format(each)))
            break
    return largest
