"""Weights of one rank under tensor, pipeline and expert parallelism, as vLLM allocates them.

The figure is the one that the log line "Model loading took X GiB memory" gives: torch's allocation after
post-processing. Rules read in vLLM 0.33.0: vocab_parallel_embedding.py (padding to 64 rows), linear.py
(KV head replication), fused_moe/expert_map_manager.py, oracle/mxfp4.py, attention/mla_attention.py,
distributed/utils.py get_pp_indices.
"""

from __future__ import annotations

from typing import Final

from planner.engines.vllm.architectures import smallest_batch, vllm_traits
from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.adapters import adapter_bytes
from planner.engines.vllm.memory.drafts import draft_of, with_draft
from planner.engines.vllm.memory.shards import NOTHING, Rank, layer_bytes, matrix_bytes
from planner.engines.vllm.memory.storage import QuantScheme, scheme_for
from planner.engines.vllm.releases import CURRENT, Release
from planner.engines.vllm.settings import VllmSettings
from planner.fast_dataclass import replace
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture, LayerGroup
from planner.models.cache import CacheSpec, CompressedAttention, FullAttention, LatentAttention, SlidingWindow
from planner.models.tensors import Role
from planner.quant.quantisations import Storage
from planner.units import GIB, round_up

VOCAB_PADDING: Final = 64  # DEFAULT_VOCAB_PADDING_SIZE


def stage_layers(n_layer: int, stages: int) -> tuple[range, ...]:
    """Split layers over pipeline stages (get_pp_indices): the remainder goes to the stages before the last.

    With a remainder r the r stages before the last (counted from it) get one layer more.
    """
    base, rest = divmod(n_layer, stages)
    sizes = [base] * stages
    for i in range(2, rest + 2):
        sizes[-i] += 1
    ranges, start = [], 0
    for size in sizes:
        ranges.append(range(start, start + size))
        start += size
    return tuple(ranges)


def element_bytes(dtype: str) -> int:
    """Bytes of one element of a torch dtype's name."""
    return 4 if "32" in dtype or dtype == "float" else 2


def weights_dtype(arch: Architecture, settings: VllmSettings) -> str:
    """The dtype that `--dtype auto` resolves to: the checkpoint's, with float32 run as bfloat16.

    vllm/config/model.py _get_and_verify_dtype.
    """
    if settings.dtype != "auto":
        return {"half": "float16", "float": "float32"}.get(settings.dtype, settings.dtype)
    return "bfloat16" if arch.dtype not in ("float16", "bfloat16") else arch.dtype


def resolve(
    arch: Architecture, settings: VllmSettings, gpu: GpuTraits, release: Release = CURRENT
) -> VllmSettings:
    """Return the settings with the engine's defaults for this model on this kind of GPU."""
    least = smallest_batch(arch, text_only=settings.language_model_only)
    return settings.resolved(gpu, arch.n_ctx_train, release, smallest_batch=least)


class WeightTable:
    """The weights of one model in one format on one kind of GPU, for any way to split them.

    What no other setting changes is computed once a split, so that a search costs one evaluation each.
    """

    def __init__(
        self, arch: Architecture, scheme: QuantScheme, gpu: GpuTraits, release: Release = CURRENT
    ) -> None:
        self.arch, self.scheme, self.gpu, self.release = arch, scheme, gpu, release
        self._parts = [(group, _alike(scheme, group)) for group in arch.groups]
        self._known: dict[tuple[object, ...], tuple[int, ...]] = {}
        self._drafts: dict[tuple[str | None, str | None], WeightTable | None] = {}
        self._sizes: dict[tuple[object, ...], list[tuple[LayerGroup, list[tuple[tuple[int, ...], int]]]]] = {}

    def resolved(self, settings: VllmSettings) -> VllmSettings:
        """The settings with the engine's defaults for this model on this kind of GPU."""
        return resolve(self.arch, settings, self.gpu, self.release)

    def rank(self, settings: VllmSettings) -> Rank:
        """What sizes a rank's share under these settings."""
        plain = element_bytes(weights_dtype(self.arch, settings))
        return Rank(self.arch, self.scheme, settings, self.gpu, plain, self.release)

    def per_rank(self, settings: VllmSettings) -> tuple[int, ...]:
        """Bytes on the fullest rank of each pipeline stage, before --cpu-offload-gb."""
        rank = self.rank(settings)
        key = (
            settings.pipeline_parallel_size,
            settings.tensor_parallel_size,
            settings.data_parallel_size,
            settings.enable_expert_parallel,
            settings.uses_mtp,
            settings.moe_backend,
            rank.plain,
        )
        base = self._known.get(key)
        if base is None:
            # a layer is the same however many stages there are
            base = self._known[key] = self._stages(rank, key[1:])
        if (draft := self.draft(settings)) is not None:
            alone = replace(_NO_DRAFT, tensor_parallel_size=settings.tensor_parallel_size)
            base = (*base[:-1], base[-1] + draft.per_rank(alone)[0])
        stages = stage_layers(self.arch.n_layer, settings.pipeline_parallel_size)
        everywhere = vllm_traits(self.arch).head_everywhere
        return tuple(
            have
            + attention_buffers(rank, held)
            + adapter_bytes(rank, held)
            + (vision_bytes(self.arch, settings, rank.plain) if everywhere or stage == 0 else 0)
            for stage, (have, held) in enumerate(zip(base, stages, strict=True))
        )

    def draft(self, settings: VllmSettings) -> WeightTable | None:
        """The weights of the model that drafts; None where none is loaded, or its size isn't known."""
        key = settings.speculative_method, settings.speculative_model
        if key[1] is None:
            return None
        if key not in self._drafts:
            arch = draft_of(self.arch, settings)
            table = (
                None
                if arch is None
                else WeightTable(arch, scheme_for(arch, "native"), self.gpu, self.release)
            )
            self._drafts[key] = table
        return self._drafts[key]

    def cached_shape(self, settings: VllmSettings) -> Architecture:
        """The layers whose cache is kept: the model's, and the draft's."""
        draft = self.draft(settings)
        return self.arch if draft is None else with_draft(self.arch, draft.arch)

    def tables(self, settings: VllmSettings) -> int:
        """Bytes of the n-gram tables that stay in the host's memory, of all tensor parallel ranks together.

        vllm/config/engram.py: cpu_offload and dp_shared_memory are its defaults, so that replicas share them.
        """
        if not vllm_traits(self.arch).tables_in_ram:
            return 0
        rank = self.rank(settings)
        return sum(
            matrix_bytes(t.row, t.rows, _table_storage(self.scheme), self.scheme, rank.plain)
            for t in self.arch.tensors
            if t.role is Role.PER_LAYER_EMBD
        )

    def _stages(self, rank: Rank, split: tuple[object, ...]) -> tuple[int, ...]:
        layers = stage_layers(self.arch.n_layer, rank.settings.pipeline_parallel_size)
        sizes = self._sizes.get(split)
        if sizes is None:
            sizes = self._sizes[split] = [
                (group, [(members, layer_bytes(rank, group, ignored)) for members, ignored in parts])
                for group, parts in self._parts
                if not group.mtp or rank.settings.uses_mtp
            ]
        result = []
        for stage, held in enumerate(layers):
            last = stage == len(layers) - 1
            total = _outside_bytes(rank, stage == 0, last) + _rope_bytes(rank)
            for group, parts in sizes:
                for members, size in parts:
                    if group.mtp:
                        total += len(members) * size if last else 0
                    elif len(layers) == 1:
                        total += len(members) * size
                    else:
                        total += size * sum(1 for i in members if i in held)
            result.append(total)
        return tuple(result)


_NO_DRAFT: Final = VllmSettings()


def _table_storage(scheme: QuantScheme) -> Storage:
    """How n-gram tables lie in a checkpoint: as its other matrices do (models/qwen4_exp/common/ngram_embedding.py)."""
    kind = scheme.storage_kind
    if kind in (Storage.FP8_BLOCK, Storage.FP8_TENSOR, Storage.FP8_CHANNEL):
        return Storage.FP8_TENSOR
    return Storage.NVFP4 if kind is Storage.NVFP4 else Storage.PLAIN


def _alike(scheme: QuantScheme, group: LayerGroup) -> list[tuple[tuple[int, ...], frozenset[Role]]]:
    """Split a group's layers by what an ignore list leaves unquantised in them."""
    if not scheme.ignored:
        return [(group.layers, NOTHING)]
    roles = frozenset(t.role for t in group.tensors)
    found: dict[frozenset[Role], list[int]] = {}
    for layer in group.layers:
        found.setdefault(scheme.ignored_roles(roles, layer), []).append(layer)
    return [(tuple(layers), ignored) for ignored, layers in found.items()]


def weights_per_rank(
    arch: Architecture,
    scheme: QuantScheme,
    settings: VllmSettings,
    gpu: GpuTraits,
    release: Release = CURRENT,
) -> tuple[int, ...]:
    """Bytes of weights on the fullest rank of each pipeline stage, before --cpu-offload-gb."""
    return WeightTable(arch, scheme, gpu, release).per_rank(settings)


def offloaded(weights: int, settings: VllmSettings) -> int:
    """Bytes that --cpu-offload-gb (GiB a GPU) moves to pinned host memory."""
    return min(weights, int(settings.cpu_offload_gb * GIB))


def _outside_bytes(rank: Rank, first: bool, last: bool) -> int:
    """Embedding, final norm and head of one pipeline stage."""
    arch, own = rank.arch, vllm_traits(rank.arch)
    total = 0
    head = last or own.head_everywhere
    embedding = first or own.embedding_everywhere or (arch.tied_embeddings and last)
    for tensor in arch.tensors:
        storage = rank.scheme.storage(tensor.role, tensor.name)
        if tensor.role is Role.PER_LAYER_EMBD and own.tables_in_ram:
            continue
        if tensor.role in (Role.TOKEN_EMBD, Role.OUTPUT, Role.PER_LAYER_EMBD) and len(tensor.shape) > 1:
            wanted = head and not arch.tied_embeddings if tensor.role is Role.OUTPUT else embedding
            if wanted:
                rows = round_up(tensor.rows, VOCAB_PADDING) // rank.tp
                total += matrix_bytes(tensor.row, rows, storage, rank.scheme, rank.plain)
        elif tensor.role is Role.NORM:
            total += tensor.elements * rank.plain if last else 0
        elif first and not tensor.name.startswith("rope_"):  # llama.cpp's own table of frequencies
            total += tensor.elements * rank.plain
    return total


def _rope_bytes(rank: Rank) -> int:
    rope = rank.arch.rope
    if rope is None or rope.rotary_dim == 0:
        return 0
    return rope.table_elements * (4 if rope.float32 else rank.plain)


def attention_buffers(rank: Rank, held: range) -> int:
    """What attention backends allocate while they are built, counted as weights by the log."""
    arch, settings = rank.arch, rank.settings
    tokens = settings.max_num_batched_tokens or 0
    top_k = max((k for g in arch.groups for c in g.caches if (k := _indexed(c))), default=0)
    if top_k:
        # deepseek_v2.py, models/deepseek_v4/nvidia/model.py: topk_indices_buffer, shared by all layers; the draft has
        # one of its own, and V4 keeps all streams of the last hidden state for it (_mtp_hidden_buffer)
        drafts = 1 + settings.uses_mtp
        streams = hyper_streams(arch.groups[0], arch.hidden_size) if settings.uses_mtp else 0
        kept = streams * arch.hidden_size * rank.plain if streams > 1 else 0
        return tokens * (4 * top_k * drafts + kept)
    backend = attention_backend(arch, settings, rank.gpu)
    if backend != "FLASHINFER" or rank.gpu.backend is not Backend.CUDA:
        return 0
    heads = [
        (c.n_head // rank.tp, c.head_dim_v, sum(1 for i in g.layers if i in held))
        for g in arch.groups
        if not g.mtp
        for c in g.caches
        if isinstance(c, (FullAttention, SlidingWindow))
    ]
    if not heads:
        return 0
    total = 4 * tokens * max(h for h, _, _ in heads)  # flashinfer.py: one multi-CTA counter buffer
    if settings.kv_cache_dtype == "nvfp4":
        total += sum(n * tokens * h * size for h, size, n in heads)  # _nvfp4_fp8_out, a layer
    return total


def _indexed(cache: CacheSpec) -> int:
    if not isinstance(cache, LatentAttention | CompressedAttention) or cache.indexer is None:
        return 0
    return cache.indexer.top_k


def hyper_streams(group: LayerGroup, hidden: int) -> int:
    """Residual streams: several with hyper-connections, whose mixing matrix reads them all."""
    return next((t.shape[0] // hidden for t in group.tensors if t.name == "hc_attn_fn.weight"), 1)


def attention_backend(arch: Architecture, settings: VllmSettings, gpu: GpuTraits) -> str:
    """The attention backend that vLLM picks by itself for this model on this GPU."""
    sinks, latent, sparse = _attention_traits(arch.groups)
    return settings.attention_backend or gpu.attention_backend(
        kv_cache_dtype=settings.kv_cache_dtype,
        sinks=sinks,
        mla=latent,
        sparse=sparse,
    )


_traits: dict[int, tuple[tuple[LayerGroup, ...], tuple[bool, bool, bool]]] = {}


def _attention_traits(groups: tuple[LayerGroup, ...]) -> tuple[bool, bool, bool]:
    """Whether attention has sinks, is latent, is sparse; kept, as a search asks a thousand times."""
    hit = _traits.get(id(groups))
    if hit is None:
        latent = [c for g in groups for c in g.caches if isinstance(c, LatentAttention)]
        sinks = any(t.role is Role.ATTN_SINKS for g in groups for t in g.tensors)
        if len(_traits) > 4096:
            _traits.clear()
        # holding the groups keeps their id from being used again
        hit = _traits[id(groups)] = (
            groups,
            (sinks, bool(latent), any(c.indexer is not None for c in latent)),
        )
    return hit[1]


def vision_bytes(arch: Architecture, settings: VllmSettings, plain: int) -> int:
    """A vision tower's bytes on one rank: its layers are split, its embeddings and projector are not.

    `--language-model-only` (and a limit of 0 images) drops it.
    """
    vision = arch.vision
    if vision is None or settings.language_model_only:
        return 0
    layers = vision.n_layer * (4 * vision.hidden_size**2 + 2 * vision.hidden_size * vision.intermediate)
    split = min(layers, vision.parameters)
    return (vision.parameters - split + -(-split // tower_ranks(arch, settings))) * plain


def tower_ranks(arch: Architecture, settings: VllmSettings) -> int:
    """Tensor parallel ranks that share a vision tower; 1 where each holds it whole."""
    heads = arch.vision.n_head if arch.vision is not None else 0
    tp = settings.tensor_parallel_size
    whole = vllm_traits(arch).tower == "whole" or settings.mm_encoder_tp_mode == "data" or heads % tp
    return 1 if whole else tp
