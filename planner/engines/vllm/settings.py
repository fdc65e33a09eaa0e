"""VllmSettings: the engine's own knobs under its own names, its defaults, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.releases import CURRENT, Release
from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace

# vLLM 0.33.0, vllm/config/cache.py CacheDType: what the planner knows the page size of
KV_CACHE_DTYPES: Final = (
    "auto",
    "float16",
    "bfloat16",
    "fp8",
    "fp8_e4m3",
    "fp8_e5m2",
    "fp8_ds_mla",
    "nvfp4",
    "int8_per_token_head",
    "fp8_per_token_head",
    "int4_per_token_head",
    "turboquant_k8v4",
)
AUTO: Final = -1  # --max-model-len auto


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """`vllm serve` flags with underscores; None = the engine's own default for the device.

    Sizes in bytes, lengths in tokens; `max_model_len` -1 is "auto": the longest that fits.
    """

    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1
    enable_expert_parallel: bool = False
    decode_context_parallel_size: int = 1
    max_model_len: int | None = None
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    gpu_memory_utilization: float | None = None
    kv_cache_dtype: str = "auto"
    kv_cache_memory_bytes: int | None = None
    num_gpu_blocks_override: int | None = None
    block_size: int | None = None
    enable_prefix_caching: bool = True
    enable_chunked_prefill: bool = True
    disable_hybrid_kv_cache_manager: bool = False
    async_scheduling: bool = True
    enforce_eager: bool = False
    max_cudagraph_capture_size: int | None = None
    cpu_offload_gb: float = 0.0
    quantization: str | None = None
    dtype: str = "auto"
    moe_backend: str = "auto"
    attention_backend: str | None = None
    language_model_only: bool = False
    mm_encoder_tp_mode: str = "weights"  # "data": each rank holds the whole vision encoder
    skip_mm_profiling: bool = False
    enable_lora: bool = False
    max_loras: int = 1
    max_lora_rank: int = 16
    mamba_ssm_cache_dtype: str = "auto"
    speculative_method: str | None = None  # "mtp": the model's own prediction layers; "ngram": no weights
    speculative_model: str | None = None  # what drafts, where the method loads a model
    num_speculative_tokens: int = 0
    distributed_executor_backend: str | None = None
    nnodes: int = 1

    @property
    def world_size(self) -> int:
        """Workers of one replica: tensor × pipeline parallel."""
        return self.tensor_parallel_size * self.pipeline_parallel_size

    @property
    def uses_mtp(self) -> bool:
        """True where the model's own prediction layers are loaded as the draft."""
        return self.speculative_method is not None and self.speculative_method.endswith("mtp")

    @property
    def in_flight_batches(self) -> int:
        """Concurrent batches (vllm/config/vllm.py max_concurrent_batches, V2 model runner)."""
        return self.pipeline_parallel_size + (1 if self.async_scheduling else 0)

    def resolved(
        self, gpu: GpuTraits, n_ctx_train: int, release: Release = CURRENT, *, smallest_batch: int = 0
    ) -> VllmSettings:
        """Fill in what the engine chooses by itself on this device; `smallest_batch`: what the model needs.

        vllm/engine/arg_utils.py get_batch_defaults and the caps after it (0.33.0): `max_num_seqs` is capped
        at `max_num_batched_tokens`, without chunked prefill the batch covers a whole prompt, and it is raised to
        the model's need, though never above what all sequences together can hold.
        """
        tokens, seqs = gpu.batch_defaults(self.world_size, release)
        length = n_ctx_train if self.max_model_len is None else self.max_model_len
        batched = self.max_num_batched_tokens
        if batched is None:
            batched = tokens
            if not self.enable_chunked_prefill:
                batched = max(batched, length if length > 0 else n_ctx_train)
            if smallest_batch and release.batch_grows:
                batched = max(batched, smallest_batch)
            if length > 0:
                batched = min(batched, length * (seqs if self.max_num_seqs is None else self.max_num_seqs))
        seqs = min(seqs, batched) if self.max_num_seqs is None else self.max_num_seqs
        return replace(
            self,
            max_model_len=length,
            max_num_batched_tokens=batched,
            max_num_seqs=seqs,
            gpu_memory_utilization=self.gpu_memory_utilization or release.default_utilization,
        )


_FIELDS: Final = {f.name: f for f in fields(VllmSettings)}
SETTINGS: Final = frozenset(_FIELDS)
_COUNTS: Final = frozenset(
    {
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "data_parallel_size",
        "decode_context_parallel_size",
        "max_num_seqs",
        "max_num_batched_tokens",
        "kv_cache_memory_bytes",
        "num_gpu_blocks_override",
        "block_size",
        "max_cudagraph_capture_size",
        "nnodes",
        "max_loras",
        "max_lora_rank",
    }
)
_TRUTH: Final = frozenset(
    {
        "enable_expert_parallel",
        "enable_prefix_caching",
        "enable_chunked_prefill",
        "disable_hybrid_kv_cache_manager",
        "async_scheduling",
        "enforce_eager",
        "language_model_only",
        "skip_mm_profiling",
        "enable_lora",
    }
)


def settings_from(overrides: Mapping[str, Any]) -> VllmSettings:
    """Return the settings that a person gave; InputError for a name or a value that vLLM doesn't have."""
    known: dict[str, Any] = {}
    for name, value in overrides.items():
        field = name.replace("-", "_").removeprefix("__")
        if field not in _FIELDS:
            raise InputError(f"vLLM has no setting '{name}' that the planner knows; see `vllm serve --help`")
        known[field] = _checked(field, value)
    settings = VllmSettings(**known)
    if settings.kv_cache_dtype not in KV_CACHE_DTYPES:
        choices = ", ".join(KV_CACHE_DTYPES)
        raise InputError(f"kv_cache_dtype '{settings.kv_cache_dtype}' is not known; choose one of {choices}")
    return settings


def _checked(field: str, value: Any) -> Any:
    if field in _COUNTS and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InputError(f"{field} must be a whole number above zero, not {value!r}")
    if field in _TRUTH and not isinstance(value, bool):
        raise InputError(f"{field} must be true or false, not {value!r}")
    if field == "max_model_len":
        if value == "auto":
            return AUTO
        if isinstance(value, bool) or not isinstance(value, int) or (value < 1 and value != AUTO):
            raise InputError(f"max_model_len must be a number of tokens or auto, not {value!r}")
    if field == "gpu_memory_utilization" and (
        isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1
    ):
        raise InputError(f"gpu_memory_utilization must be above 0 and at most 1, not {value!r}")
    if field == "cpu_offload_gb" and (
        isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e6
    ):
        raise InputError(f"cpu_offload_gb must be zero or more GiB, not {value!r}")
    if field == "num_speculative_tokens" and (not isinstance(value, int) or not 0 <= value <= 64):
        raise InputError(f"num_speculative_tokens must be between 0 and 64, not {value!r}")
    return value
