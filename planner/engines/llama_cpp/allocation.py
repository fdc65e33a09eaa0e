"""What llama.cpp allocates for one model with one set of settings on given devices.

Weights, caches, state and compute buffers together, as its own memory breakdown counts them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import field
from typing import TYPE_CHECKING, Final

from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.builds import CURRENT, Build
from planner.engines.llama_cpp.compute import graph_buffers
from planner.engines.llama_cpp.graph.buffers import ComputeBuffers
from planner.engines.llama_cpp.placing.kv_cache import CacheBytes, output_bytes, place_caches
from planner.engines.llama_cpp.placing.loading import PlacedWeights, place_weights
from planner.engines.llama_cpp.placing.placement import HOST, LayerPlacement, place
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import WeightTable
from planner.engines.llama_cpp.settings import Context, LlamaCppSettings, resolve
from planner.errors import RefusedError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Backend, Cpu
from planner.models.cache import CacheSpec, FullAttention, RecurrentState, SlidingWindow

if TYPE_CHECKING:
    from planner.engines.llama_cpp.draft_context import DraftMemory

Measure = Callable[[Run], ComputeBuffers]


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices as the engine sees them: free bytes each, one backend, and the host's processor."""

    free: tuple[int, ...]
    backend: Backend = Backend.CUDA
    cpu: Cpu = field(default_factory=Cpu)


@dataclass(frozen=True, slots=True)
class LlamaMemory:
    """Everything that is allocated; host figures are pinned or plain host memory."""

    context: Context
    placement: LayerPlacement
    weights: PlacedWeights
    caches: CacheBytes
    compute: ComputeBuffers
    output: int
    expert_cache: tuple[int, ...] = ()  # copies on each device of experts that lie in RAM
    draft: DraftMemory | None = None  # of the context that drafts, where there is one

    def device(self, index: int) -> tuple[int, int, int, int]:
        """Bytes of weights, caches, states and compute buffers on one device, the draft's too."""
        weights, kv = self.weights.devices[index], self.caches.kv[index]
        state, compute = self.caches.state[index], self.compute.devices[index]
        if self.expert_cache:
            weights += self.expert_cache[index]
        draft = self.draft
        if draft is not None:
            weights, kv = weights + draft.weights[index], kv + draft.kv[index]
            state, compute = state + draft.state[index], compute + draft.compute.devices[index]
        return weights, kv, state, compute

    def host(self) -> tuple[int, int, int, int]:
        """The same on the host; output buffers count as compute buffers."""
        weights, kv = self.weights.host + self.weights.repacked, self.caches.kv_host
        state, compute = self.caches.state_host, self.compute.host + self.output
        draft = self.draft
        if draft is not None:
            weights, kv = weights + draft.weights[-1], kv + draft.kv[-1]
            state, compute = state + draft.state[-1], compute + draft.compute.host + draft.output
        return weights, kv, state, compute

    def device_total(self, index: int) -> int:
        """Bytes on one device, without contexts and libraries."""
        return sum(self.device(index))

    @property
    def host_total(self) -> int:
        """Bytes on the host."""
        return sum(self.host())


def allocate(
    table: WeightTable,
    settings: LlamaCppSettings,
    devices: Devices,
    build: Build = CURRENT,
    placement: LayerPlacement | None = None,
    measure: Measure = graph_buffers,
) -> LlamaMemory:
    """Return what the engine allocates; raises RefusedError where it would refuse the settings.

    `placement` replaces the one that the settings lead to; `measure` yields the compute buffers.
    """
    if settings.split_mode == "row" and len(devices.free) > 1:
        # ggml_backend_split_buffer_type is gone from the CUDA backend of this build
        raise RefusedError("device CUDA0 does not support split buffers")
    cut = settings.split_mode == "tensor"
    if cut and not devices.free:
        raise RefusedError("LLAMA_SPLIT_MODE_TENSOR needs >= 1 devices")
    if cut:
        settings = _cut_settings(table, settings)
    context = resolve(table.arch, settings, devices.backend if devices.free else Backend.CPU, build)
    if placement is None:
        placement, weights = _placed(table, settings, devices, build)
    else:
        weights = _weigh(table, settings, devices, placement)
    run = Run(table, placement, settings, context, devices.backend)
    compute = measure(_computed(run))
    memory = LlamaMemory(
        context=context,
        placement=placement,
        weights=weights,
        caches=caches_of(run, len(devices.free)),
        compute=_everywhere(compute, len(devices.free)) if cut else compute,
        output=output_bytes(table.arch, settings, context),
    )
    if settings.moe_cache_mib:
        memory = replace(memory, expert_cache=_expert_cache(run, devices, memory))
    return replace(memory, draft=_draft(run, devices, memory)) if settings.drafts else memory


def _expert_cache(run: Run, devices: Devices, memory: LlamaMemory) -> tuple[int, ...]:
    from planner.engines.llama_cpp.placing.expert_cache import expert_cache  # asked for by few

    held = zip(devices.free, memory.weights.devices, memory.caches.kv, memory.caches.state, strict=True)
    return expert_cache(run, tuple(free - sum(parts) for free, *parts in held))


def caches_of(run: Run, n_devices: int) -> CacheBytes:
    """Return the caches and states on each of so many devices and the host."""
    if run.settings.split_mode == "tensor":
        from planner.engines.llama_cpp.placing.tensor_split import split_caches

        return split_caches(run, n_devices)
    return place_caches(run)


def _cut_settings(table: WeightTable, settings: LlamaCppSettings) -> LlamaCppSettings:
    """The settings as -sm tensor has them: one device that stands for all, on which the host's weights are no use."""
    from planner.engines.llama_cpp.placing.tensor_split import check_tensor_split

    check_tensor_split(table.arch, settings)
    return replace(settings, flash_attn="on", op_offload=False)


def _everywhere(compute: ComputeBuffers, n_devices: int) -> ComputeBuffers:
    """The buffers of one device on each of several."""
    return ComputeBuffers(compute.devices * n_devices, compute.host)


def _draft(run: Run, devices: Devices, main: LlamaMemory) -> DraftMemory:
    """What the context that drafts takes, once the main one is there."""
    from planner.engines.llama_cpp import draft_context as drafts  # most plans don't draft

    if run.settings.spec_draft_model is None:
        return drafts.draft_memory(run)
    own_table, own = drafts.draft_model(run.arch, replace(run.settings, n_ctx=run.context.n_ctx))
    left = tuple(max(f - main.device_total(i), 1) for i, f in enumerate(devices.free))
    found = allocate(own_table, own, Devices(left, devices.backend, devices.cpu), run.context.build)
    caches = found.caches
    return drafts.DraftMemory(
        weights=(*found.weights.devices, found.weights.host + found.weights.repacked),
        kv=(*caches.kv, caches.kv_host),
        state=(*caches.state, caches.state_host),
        compute=found.compute,
        output=found.output + drafts.more_outputs(run.arch, run.context),
    )


def _computed(run: Run) -> Run:
    """The run as the graph sees it: "auto" may turn flash attention off once the layers are placed.

    resolve_fused_ops in src/llama-context.cpp; the caches were made while it was on, and stay as they are.
    Few lose it at the border of host and device: hybrids with short convolutions where layers lie on the
    host, those with Mamba where the cache does, and layers that read another one's cache, whose queries a
    device normalises as soon as sequences × heads are enough. To find out takes a graph, so others aren't asked.
    """
    placement, settings, context = run.placement, run.settings, run.context
    if settings.flash_attn != "auto" or not placement.n_devices or not traits(run.arch).flash_attention:
        return run
    if not context.flash_attn:  # no kernel for these heads or cache types: the host needs none
        if any(home != HOST for home in placement.layers):
            return run
        return _probed(replace(run, context=replace(context, flash_attn=True)))
    if settings.kv_offload and not placement.any_on_host:
        return run
    losing = {"short_conv"} if settings.kv_offload else {"short_conv", "mamba1", "mamba2"}
    caches = (cache for group in run.arch.groups for cache in group.caches)
    if not any(_may_lose_flash(cache, losing) for cache in caches):
        return run
    return _probed(run)


def _probed(run: Run) -> Run:
    from planner.engines.llama_cpp.graph.reserve import flash_attention_stays

    stays = flash_attention_stays(run)
    return run if stays else replace(run, context=replace(run.context, flash_attn=False))


def _may_lose_flash(cache: CacheSpec, states: set[str]) -> bool:
    if isinstance(cache, RecurrentState):
        return cache.kind in states
    return isinstance(cache, FullAttention | SlidingWindow) and not cache.owns_cache


_KEPT: Final = 8192
_placements: dict[Hashable, tuple[WeightTable, LayerPlacement, PlacedWeights, Cpu]] = {}


def _placed(
    table: WeightTable, settings: LlamaCppSettings, devices: Devices, build: Build
) -> tuple[LayerPlacement, PlacedWeights]:
    """Place layers and weights, once for all contexts: a search asks for the same again and again."""
    key = (
        *(id(table), devices.free, devices.backend, id(devices.cpu), build),
        *(settings.n_gpu_layers, settings.n_cpu_moe, settings.cpu_moe, settings.override_tensor),
        *(settings.split_mode, settings.tensor_split, settings.main_gpu),
        *(settings.load_mtp, settings.repack_weights, settings.mmap),
    )
    found = _placements.get(key)
    if found is None:
        cut = settings.split_mode == "tensor"
        free = (sum(devices.free),) if cut else devices.free
        placement = place(table.arch, replace(settings, tensor_split=()) if cut else settings, free, build)
        if len(_placements) > _KEPT:
            _placements.clear()
        # holding table and processor keeps their ids from being used again
        found = (table, placement, _weigh(table, settings, devices, placement), devices.cpu)
        _placements[key] = found
    return found[1], found[2]


def _weigh(
    table: WeightTable, settings: LlamaCppSettings, devices: Devices, placement: LayerPlacement
) -> PlacedWeights:
    if settings.split_mode == "tensor":
        from planner.engines.llama_cpp.placing.tensor_split import split_weights

        n = len(devices.free)
        return split_weights(table, placement, settings, n, devices.backend)
    if settings.mmap and devices.free and devices.backend is Backend.METAL:
        from planner.engines.llama_cpp.placing.mapped import mapped_weights  # for Macs alone

        return mapped_weights(table, placement, load_mtp=settings.load_mtp)
    cpu = devices.cpu if settings.repack_weights and not devices.free else None
    return place_weights(table, placement, devices.backend, load_mtp=settings.load_mtp, repack=cpu)
