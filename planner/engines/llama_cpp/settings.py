"""llama.cpp's own settings, and what the engine makes of them before it allocates anything.

Names and defaults are those of llama-server in llama.cpp b11434 (common/common.h, src/llama-context.cpp).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, Final

from planner.engines.base import DraftModel
from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.builds import CURRENT, Build
from planner.engines.llama_cpp.option_values import NEGATED, typed
from planner.engines.llama_cpp.tensor_types import TENSOR_TYPES, type_traits
from planner.errors import InputError, RefusedError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture
from planner.models.cache import (
    CompressedAttention,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.quant.formats import ggml_format
from planner.units import round_up

ALL_LAYERS: Final = 999
MAX_SEQUENCES: Final = 256  # LLAMA_MAX_SEQ
SPEC_TYPES: Final = (
    "none",
    "draft-mtp",
    "draft-simple",
)  # of those that common/speculative.cpp has, what is planned here
CACHE_TYPES: Final = tuple(name.lower() for name, own in TENSOR_TYPES.items() if own.cache)


@dataclass(frozen=True, slots=True)
class LlamaCppSettings:
    """What llama-server is started with; `n_outputs_max` 0 is the library's n_batch."""

    n_ctx: int = 0  # 0: what the model was trained for
    n_parallel: int = 1
    kv_unified: bool = False
    n_batch: int = 2048
    n_ubatch: int = 512
    n_outputs_max: int = 0
    flash_attn: str = "auto"  # auto | on | off
    cache_type_k: str = "f16"
    cache_type_v: str = "f16"
    n_gpu_layers: int = ALL_LAYERS
    n_cpu_moe: int = 0
    cpu_moe: bool = False
    override_tensor: tuple[tuple[str, str], ...] = ()  # (pattern, buffer type), first match wins
    split_mode: str = "layer"  # none | layer | row | tensor
    tensor_split: tuple[float, ...] = ()
    main_gpu: int = 0
    kv_offload: bool = True
    op_offload: bool = True
    swa_full: bool = False
    load_mtp: bool = False
    n_rs_seq: int = 0  # recurrent snapshots a sequence, as speculative decoding needs
    spec_type: str = (
        "none"  # none | draft-mtp: the model's own prediction layers | draft-simple: a smaller model
    )
    spec_draft_model: DraftModel | None = None
    spec_draft_ngl: int = ALL_LAYERS
    spec_draft_n_max: int = 3  # tokens drafted at once
    spec_draft_type_k: str = "f16"
    spec_draft_type_v: str = "f16"
    repack_weights: bool = True
    embeddings: bool = False
    mmproj: bool = False  # the vision or audio projector is loaded too, in 16 bits
    moe_cache_mib: int = 0  # of the GPUs, for experts that lie in RAM
    image_max_tokens: int = 0  # of one picture; 0: the projector's own limit
    mmap: bool = True
    cache_ram_mib: int = 8192  # of earlier prompts in host memory; -1: no limit, 0: none
    n_ctx_checkpoints: int = 32  # a slot, in host memory
    threads: int | None = None

    @classmethod
    def of(cls, overrides: Mapping[str, Any]) -> LlamaCppSettings:
        """Return the defaults with these settings; InputError for an unknown name or an impossible value."""
        settings = replace(cls(), **typed(overrides, _DEFAULTS)) if overrides else cls()
        if settings.spec_draft_model is not None and settings.spec_type == "none":
            settings = replace(settings, spec_type="draft-simple")
        settings.check()
        if settings.spec_type == "draft-mtp":  # common_model_params_to_llama and need_n_rs_seq in common/
            settings = replace(settings, load_mtp=True, n_rs_seq=settings.spec_draft_n_max)
        return settings

    @property
    def drafts(self) -> bool:
        """True where a second context drafts."""
        return self.spec_type != "none"

    @property
    def server_outputs(self) -> int:
        """Rows of logits that llama-server reserves: each slot's token and its drafts (server_output_limits)."""
        drafted = self.spec_draft_n_max if self.drafts else 0
        return max(min(self.n_batch, self.n_parallel * (1 + drafted)), 1)

    def check(self) -> None:
        """Raise InputError for a value that no llama.cpp would take."""
        lowest = (
            ("n_ctx", 0),
            ("n_batch", 1),
            ("n_ubatch", 1),
            ("n_outputs_max", 0),
            ("spec_draft_n_max", 1),
            ("cache_ram_mib", -1),
            ("n_ctx_checkpoints", 0),
            ("image_max_tokens", 0),
            ("moe_cache_mib", 0),
        )
        for name, low in lowest:
            if getattr(self, name) < low:
                raise InputError(f"{name} is {getattr(self, name)}, it must be at least {low}")
        if not 1 <= self.n_parallel <= MAX_SEQUENCES:
            raise InputError(f"n_parallel is {self.n_parallel}, it must be 1 to {MAX_SEQUENCES}")
        for name in ("cache_type_k", "cache_type_v", "spec_draft_type_k", "spec_draft_type_v"):
            if getattr(self, name) not in CACHE_TYPES:
                raise InputError(f"{name} '{getattr(self, name)}' is not one of {', '.join(CACHE_TYPES)}")
        if self.flash_attn not in ("auto", "on", "off"):
            raise InputError(f"flash_attn '{self.flash_attn}' is not one of auto, on, off")
        if self.spec_type not in SPEC_TYPES:
            raise InputError(f"spec_type '{self.spec_type}' is not one of {', '.join(SPEC_TYPES)}")
        if (self.spec_type == "draft-simple") != (self.spec_draft_model is not None):
            raise InputError(
                "spec_draft_model goes with spec_type draft-simple: a smaller model that drafts; draft-mtp drafts"
                " with the model's own layers"
            )
        if self.split_mode not in ("none", "layer", "row", "tensor"):
            raise InputError(f"split_mode '{self.split_mode}' is not one of none, layer, row, tensor")


_DEFAULTS: Final[dict[str, Any]] = {
    f.name: getattr(LlamaCppSettings(), f.name) for f in fields(LlamaCppSettings)
}
# What leaves the rest to llama-server's own --fit (on by default there): not settings of the context itself.
FIT: Final = frozenset({"fit", "fit_target", "fit_ctx"})
SETTINGS: Final = frozenset(_DEFAULTS) | NEGATED | FIT


@dataclass(frozen=True, slots=True)
class Context:
    """The settings as llama_context resolves them (src/llama-context.cpp)."""

    n_ctx: int
    n_ctx_seq: int  # cells a stream
    n_stream: int
    n_seq_max: int
    n_batch: int
    n_ubatch: int
    n_outputs_max: int
    flash_attn: bool
    n_rs_seq: int
    unified: bool
    swa_full: bool
    build: Build = CURRENT

    def swa_cells(self, window: int) -> int:
        """Cells of a sliding-window cache (src/llama-kv-cache-iswa.cpp)."""
        if self.swa_full:
            return self.n_ctx_seq
        span = window * (self.n_seq_max if self.unified else 1) + self.n_ubatch
        return round_up(min(self.n_ctx_seq, span), 256)


def resolve(
    arch: Architecture,
    settings: LlamaCppSettings,
    backend: Backend = Backend.CUDA,
    build: Build = CURRENT,
) -> Context:
    """Return what the engine makes of the settings for this architecture.

    Raises RefusedError with the engine's own words where it would refuse (llama_init_from_model).
    """
    n_ctx = settings.n_ctx or arch.n_ctx_train
    n_seq = max(settings.n_parallel, 1)
    n_batch = min(n_ctx, settings.n_batch)  # causal attention
    n_ubatch = min(n_batch, settings.n_ubatch)
    if settings.embeddings:  # what is embedded is read at once (tools/server/server.cpp)
        n_batch = n_ubatch
    padded = round_up(n_ctx, 256)
    if settings.kv_unified:
        n_ctx_seq, streams = padded, 1
    else:
        n_ctx_seq, streams = round_up(padded // n_seq, 256), n_seq
        padded = n_ctx_seq * n_seq
    return Context(
        n_ctx=padded,
        n_ctx_seq=n_ctx_seq,
        n_stream=streams,
        n_seq_max=n_seq,
        n_batch=n_batch,
        n_ubatch=n_ubatch,
        n_outputs_max=n_batch if build.all_outputs else settings.n_outputs_max or n_batch,
        flash_attn=_flash_attention(arch, settings, backend),
        n_rs_seq=settings.n_rs_seq if traits(arch).rollback else 0,
        unified=settings.kv_unified,
        swa_full=settings.swa_full,
        build=build,
    )


@lru_cache(maxsize=512)
def _heads(specs: tuple[object, ...]) -> tuple[bool, tuple[tuple[int, int, int], ...]]:
    """Whether keys are latent, and (head size of K, of V, query heads a KV head) of every attention kind."""
    latent, heads = False, []
    for spec in specs:
        if isinstance(spec, LatentAttention):
            latent = True
            heads.append((spec.k_elements, spec.kv_lora_rank, spec.n_head))
        elif isinstance(spec, CompressedAttention):
            latent = True
            heads.append((spec.head_dim, spec.head_dim, spec.n_head))
        elif isinstance(spec, FullAttention | SlidingWindow):
            heads.append((spec.head_dim_k, spec.head_dim_v, spec.n_head // max(spec.n_head_kv, 1)))
    return latent, tuple(heads)


def attention_specs(arch: Architecture) -> tuple[object, ...]:
    """Return every distinct attention cache of the layers that run, in layer order."""
    seen: dict[object, None] = {}
    for group in arch.groups:
        if not group.mtp:
            for spec in group.caches:
                if not isinstance(spec, RecurrentState):
                    seen[spec] = None
    return tuple(seen)


def _flash_attention(arch: Architecture, settings: LlamaCppSettings, backend: Backend) -> bool:
    kind_k, kind_v = ggml_format(settings.cache_type_k), ggml_format(settings.cache_type_v)
    latent, heads = _heads(attention_specs(arch))
    if latent and kind_k is not kind_v:
        raise RefusedError(
            f"model does not support different K ({settings.cache_type_k}) and V ({settings.cache_type_v})"
            " cache types"
        )
    wanted = settings.flash_attn if traits(arch).flash_attention else "off"
    if kind_v.quantised:
        if wanted == "off":
            raise RefusedError("quantized V cache requires flash_attn to be enabled")
        wanted = "on"
    if wanted != "off":
        for name, kind, at in (("K", kind_k, 0), ("V", kind_v, 1)):
            for sizes in heads:
                if kind.quantised and sizes[at] % kind.block:
                    raise RefusedError(
                        f"{name} cache type {kind.name.lower()} with block size {kind.block} does not divide"
                        f" n_embd_head_{name.lower()}={sizes[at]}"
                    )
    if wanted == "auto" and backend in (Backend.CUDA, Backend.ROCM):
        kernels = type_traits(kind_k.name).flash and type_traits(kind_v.name).flash
        return kernels and all(_cuda_supports(*sizes) for sizes in heads)
    return wanted != "off"


def _cuda_supports(head_k: int, head_v: int, grouping: int) -> bool:
    """Head sizes with a CUDA kernel (ggml_cuda_get_best_fattn_kernel in ggml-cuda/fattn.cu)."""
    if head_k in (40, 64, 72, 80, 96, 112, 128, 256):
        return head_v == head_k
    if head_k == 192:
        return head_v == 128 and grouping >= 2 and grouping % 8 == 0
    if head_k == 320:
        return head_v == 256 and grouping >= 2 and grouping % 32 == 0
    if head_k == 512:
        return head_v == 512 and grouping >= 2
    return head_k == 576 and head_v == 512 and grouping >= 2
