"""The second context of llama.cpp that drafts: with the model's own prediction layers (--spec-type draft-mtp), or
with a smaller model (-md, --spec-type draft-simple).

common_base_params_to_speculative and common_speculative_init_result in common/speculative.cpp, load_model in
tools/server/server-context.cpp, the caches of LLAMA_CONTEXT_TYPE_MTP in src/llama-model.cpp and output_reserve
in src/llama-context.cpp, llama.cpp b11434. It has a cache as long as the main one, in its own types, and compute
buffers of its own; with the model's prediction layers it shares the weights.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.builds import BUILD
from planner.engines.llama_cpp.graph.buffers import ComputeBuffers
from planner.engines.llama_cpp.placing.kv_cache import cache_bytes, padded_v
from planner.engines.llama_cpp.placing.placement import HOST
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import WeightTable, weights_of
from planner.engines.llama_cpp.settings import Context, LlamaCppSettings, resolve
from planner.errors import RefusedError, UnsupportedError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture, LayerGroup
from planner.models.cache import LatentAttention
from planner.quant.formats import CPU_ALIGNMENT, ggml_format
from planner.units import round_up

_VOCABULARY: Final = 128  # SPEC_VOCAB_MAX_SIZE_DIFFERENCE


@dataclass(frozen=True, slots=True)
class DraftMemory:
    """Bytes that the draft context takes beside the main one's, by device, the host last.

    `output` is what both output buffers gain, in (pinned) host memory.
    """

    weights: tuple[int, ...]
    kv: tuple[int, ...]
    state: tuple[int, ...]
    compute: ComputeBuffers
    output: int


def draft_memory(run: Run) -> DraftMemory:
    """Return what drafting with the model's own prediction layers takes; their weights are the main model's.

    `run` is the main one. Raises RefusedError where the engine cannot draft with this model,
    UnsupportedError where its graph isn't followed here.
    """
    own = _own(run)
    kv = _caches(own)
    none = (0,) * len(kv)
    return DraftMemory(none, kv, none, _compute(own), _outputs(run.arch, run.context))


def draft_model(arch: Architecture, settings: LlamaCppSettings) -> tuple[WeightTable, LlamaCppSettings]:
    """Return the weights and the settings of the context of a draft model; `settings` with the main n_ctx.

    It has its own number of layers on devices and cache types, and shares the rest, the split among devices
    too. Raises RefusedError where the vocabularies cannot be each other's (common_speculative_are_compatible;
    the tokens themselves aren't compared here).
    """
    draft = settings.spec_draft_model
    assert draft is not None
    model = draft.model
    if abs(arch.vocab_size - model.architecture.vocab_size) > _VOCABULARY:
        raise RefusedError(
            f"draft model vocab must closely match target model: {model.name} has {model.architecture.vocab_size}"
            f" tokens, not {arch.vocab_size}"
        )
    own = replace(
        settings,
        n_outputs_max=settings.n_parallel,
        n_gpu_layers=settings.spec_draft_ngl,
        n_cpu_moe=0,
        cpu_moe=False,
        override_tensor=(),
        cache_type_k=settings.spec_draft_type_k,
        cache_type_v=settings.spec_draft_type_v,
        spec_type="none",
        spec_draft_model=None,
        embeddings=False,
        mmproj=False,
    )
    return weights_of(model, draft.quant), own


def more_outputs(arch: Architecture, context: Context) -> int:
    """Bytes that the main output buffer gains when every drafted token has a row of logits."""
    rows = context.n_outputs_max, context.n_seq_max
    wide, first = (round_up(4 * arch.vocab_size * n, CPU_ALIGNMENT) for n in rows)
    return wide - first


def _own(run: Run) -> Run:
    """The draft context's run: as long as the main one, other cache types, one output a sequence."""
    settings = replace(
        run.settings,
        n_ctx=run.context.n_ctx,
        n_outputs_max=run.settings.n_parallel,
        n_rs_seq=0,
        embeddings=False,
        cache_type_k=run.settings.spec_draft_type_k,
        cache_type_v=run.settings.spec_draft_type_v,
    )
    context = resolve(run.arch, settings, run.backend if run.placement.n_devices else Backend.CPU)
    return replace(run, settings=settings, context=context)


def _prediction_groups(arch: Architecture) -> list[LayerGroup]:
    groups = [g for g in arch.groups if g.mtp and g.in_gguf]
    if not groups:
        raise RefusedError("context type MTP requested but model doesn't contain MTP layers")
    rules = traits(arch).prediction
    if rules is None:
        raise RefusedError(f"llama.cpp {BUILD} has no draft graph for {arch.gguf_arch}'s prediction layers")
    names = {t.name for g in groups for t in g.tensors}
    if rules.fused_qkv and "attn_qkv.weight" not in names:
        raise RefusedError("MIMO2 MTP requires fused attn_qkv: plan a GGUF file that has it")
    return groups


def _caches(own: Run) -> tuple[int, ...]:
    """The prediction layers' caches by device, the host last; none of them has an indexer's."""
    settings, placement = own.settings, own.placement
    sizes = [0] * (placement.n_devices + 1)
    kinds = (ggml_format(settings.cache_type_k), ggml_format(settings.cache_type_v))
    widest_v = padded_v(own.arch, settings, own.context)
    for group in _prediction_groups(own.arch):
        for i in group.layers:
            home = placement.layers[i] if settings.kv_offload else HOST
            padded = home != HOST and own.cuda
            for spec in group.caches:
                plain = replace(spec, indexer=None) if isinstance(spec, LatentAttention) else spec
                sizes[home] += cache_bytes(plain, own.context, kinds, widest_v, cuda=padded)
    return tuple(sizes)


_KEPT: Final = 4096
_buffers: dict[Hashable, tuple[WeightTable, ComputeBuffers]] = {}


def _compute(own: Run) -> ComputeBuffers:
    """The graph's buffers, kept: placements that a search tries mostly differ in other layers."""
    table, placement, settings = own.table, own.placement, own.settings
    layer = next(g.layers[0] for g in table.arch.groups if g.mtp)
    whole = placement.n_gpu_layers > len(placement.layers)
    key = (
        *(id(table), placement.n_devices, placement.layers[0], placement.layers[layer], placement.output),
        *(placement.moved.get(layer, ()), bool(placement.moved), whole, own.context, own.backend),
        *(settings.cache_type_k, settings.cache_type_v, settings.flash_attn, settings.split_mode),
        *(settings.kv_offload, settings.op_offload),
    )
    found = _buffers.get(key)
    if found is None:
        from planner.engines.llama_cpp.graph.reserve import draft_buffers

        buffers = draft_buffers(own)
        if buffers is None:
            raise UnsupportedError(
                f"the buffers of {table.arch.gguf_arch}'s prediction layers are not known; plan without spec_type"
            )
        if len(_buffers) > _KEPT:
            _buffers.clear()
        found = _buffers[key] = (table, buffers)  # holding the table keeps its id from being used again
    return found[1]


def _outputs(arch: Architecture, context: Context) -> int:
    """Bytes that output buffers gain: rows of drafts and hidden states in the main one, all of the draft's.

    Both are grown when first used. The main context hands on the hidden state of every token of a batch, the
    draft's of each sequence's last, with room for what its sampler on the device returns.
    """
    first = round_up(4 * arch.vocab_size * context.n_seq_max, CPU_ALIGNMENT)
    main = 4 * (arch.vocab_size * context.n_outputs_max + arch.hidden_size * context.n_batch)
    draft = 4 * context.n_seq_max * (4 * arch.vocab_size + 1 + arch.hidden_size)
    return round_up(main, CPU_ALIGNMENT) - first + round_up(draft, CPU_ALIGNMENT)
