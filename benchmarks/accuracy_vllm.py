"""Adapter: what the planner says about vLLM's measured cases."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from benchmarks.memory_case import Pairs, Unsupported
from benchmarks.vllm_rows import row_gpu, row_release, row_settings
from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.kv_cache import kv_layout
from planner.engines.vllm.memory.storage import QuantScheme, scheme_for
from planner.engines.vllm.memory.weights import WeightTable, resolve, weights_per_rank
from planner.engines.vllm.outcome import Outcome, evaluate
from planner.engines.vllm.refusals import check
from planner.engines.vllm.releases import Release
from planner.engines.vllm.settings import AUTO, VllmSettings
from planner.errors import RefusedError
from planner.models.architecture import Architecture
from planner.models.catalogue.catalogue import Entry
from planner.models.config.architecture import architecture_from_config
from planner.models.tensors import Role
from planner.units import GIB

# A GPU for weights and cache geometry where a log names none: nothing of these depends on its memory.
_ANY_GPU: Final = GpuTraits("NVIDIA A100-SXM4-80GB", int(79.25 * GIB), 80)
_SUFFIX: Final = re.compile(
    r"[-_.](awq|gptq|fp8|nvfp4|mxfp4|w4a16|w8a8|int4|int8|4bit|8bit|dynamic|block|bf16|quantized)([-_.].*)?$",
    re.IGNORECASE,
)


# config.json of models that rows name and the catalogue doesn't hold: Qwen2.5-VL-7B, which Typhoon OCR 7B was
# trained from (the row's note).
_CONFIGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "scb10x/typhoon-ocr-7b": {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "model_type": "qwen2_5_vl",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
        "vocab_size": 152064,
        "max_position_embeddings": 128000,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "vision_config": {
            "model_type": "qwen2_5_vl",
            "depth": 32,
            "hidden_size": 1280,
            "intermediate_size": 3420,
            "num_heads": 16,
            "out_hidden_size": 3584,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
    },
}


@lru_cache(maxsize=256)
def architecture(model: str) -> Architecture:
    """Return the shape of a model: its own card, else that of the model it was quantised from.

    Raises Unsupported where neither the catalogue nor the configs above know it.
    """
    if (config := _CONFIGS.get(model)) is not None:
        return architecture_from_config(config, name=model)
    entry = _entry(model)
    if entry is None:
        raise Unsupported(f"no card for {model}")
    arch = entry.architecture()
    if entry.kind == "embedding":  # the pooling runner loads no head
        return replace(arch, tensors=tuple(t for t in arch.tensors if t.role is not Role.OUTPUT))
    return arch


def _names(model: str) -> list[str]:
    name = re.sub(r"\s*\(.*\)$", "", model)
    tried = [name, name.rsplit("/", 1)[-1]]
    while (shorter := _SUFFIX.sub("", tried[-1])) != tried[-1]:
        tried.append(shorter)
    return tried


def _entry(model: str) -> Entry | None:
    from planner.models.catalogue.catalogue import lookup

    return next((entry for name in _names(model) if (entry := lookup(name)) is not None), None)


# The checkpoint that a source served, where the row names the model alone: that recipe's (pull request 197 there).
_CHECKPOINTS: Final = {
    "https://github.com/eugr/spark-vllm-docker/issues/396": "cyankiwi/MiniMax-M2.7-AWQ-4bit",
}


def _repository(row: Mapping[str, Any]) -> str:
    """The checkpoint's repository: the model's name, or the publisher that "awq 4bit (publisher)" names."""
    model = str(row["model"])
    if (checkpoint := _CHECKPOINTS.get(str(row["source"].get("url")))) is not None:
        return checkpoint
    quant = str(row.get("quant") or "")
    named = re.fullmatch(r"(awq|gptq|nvfp4|fp8)( \dbit)? \((?!compressed-tensors)([\w-]+)\)", quant)
    if named is None:
        return model
    return f"{named[3]}/{model.rsplit('/', 1)[-1]}-{named[1]}{(named[2] or '').replace(' ', '-')}"


def _released(model: str) -> str:
    entry = _entry(model)
    return "" if entry is None else entry.released


def predict(row: Mapping[str, Any]) -> Pairs:
    """Return predicted and measured figures of one case; raises RefusedError where vLLM would not start."""
    arch = architecture(str(row["model"]))
    settings = row_settings(row)
    release = row_release(row, _released(str(row["model"])))
    gpu = row_gpu(row)
    quant = settings.quantization or str(row.get("quant") or "native")
    scheme = scheme_for(arch, quant, _repository(row), online=settings.quantization is not None)
    if row["source"]["kind"] == "engine-planning":
        return _planning(row, arch, scheme, settings, gpu or _ANY_GPU, release)
    return _log(row, arch, scheme, settings, gpu, release)


def _planning(
    row: Mapping[str, Any],
    arch: Architecture,
    scheme: QuantScheme,
    settings: VllmSettings,
    gpu: GpuTraits,
    release: Release,
) -> Pairs:
    resolved = resolve(arch, settings, gpu, release)
    check(arch, scheme, resolved, gpu, 0)
    measured = row.get("measured") or {}
    # the planning code builds the model; adapters' slots are added to it when it is loaded
    weights = weights_per_rank(arch, scheme, replace(resolved, enable_lora=False), gpu)
    listed = measured.get("weights_per_rank") or []
    ours = weights if len(weights) == len(listed) else (max(weights),) * len(listed)
    pairs: Pairs = {"weights": list(zip(ours, listed, strict=True))}
    given = (row.get("given") or {}).get("kv_cache_bytes_per_gpu")
    if given is None:
        return pairs
    layout = kv_layout(arch, resolved, gpu, release)
    available = (int(given),) * len(layout.bytes_per_block)
    length = resolved.max_model_len or 0
    if length == AUTO:
        length = layout.longest(available, arch.n_ctx_train)
    starts = layout.fits(available, length)
    said = measured.get("kv_cache_tokens")
    if said is None:  # the engine raised: the given cache is too small for one request
        pairs["refused"] = [(0.0 if starts else 1.0, 1.0)]
        return pairs
    if not starts:
        raise RefusedError(f"max_model_len {length} doesn't fit the given cache, yet vLLM started")
    blocks = layout.num_blocks(available)
    pairs["kv_cache_tokens"] = [(layout.tokens(blocks, length), said)]
    pairs["max_concurrency"] = [(layout.concurrency(blocks, length), measured["max_concurrency"])]
    return pairs


def _log(
    row: Mapping[str, Any],
    arch: Architecture,
    scheme: QuantScheme,
    settings: VllmSettings,
    gpu: GpuTraits | None,
    release: Release,
) -> Pairs:
    measured = row["measured"]
    outcome = evaluate(WeightTable(arch, scheme, gpu or _ANY_GPU, release), settings)
    pairs: Pairs = {}
    listed = _numbers(measured.get("weights_per_gpu"))
    if listed:
        pairs["weights"] = [(outcome.logged_weights(release), max(listed))]
    cache = _numbers(measured.get("kv_cache_available"))
    if cache and gpu is not None:
        pairs["kv_cache_available"] = [(min(outcome.available), min(cache))]
    pairs |= _capacity(measured, outcome, cache)
    if gpu is not None and "oom" in measured:
        # 1 = it ran; predicted with the expected overheads
        ran = 0.0 if measured["oom"] else 1.0
        pairs["ran"] = [(1.0 if outcome.reason is None else 0.0, ran)]
    return pairs


def _capacity(measured: Mapping[str, Any], outcome: Outcome, cache: Sequence[float]) -> Pairs:
    """Tokens and concurrency from the cache that the log itself states: the geometry alone."""
    if not cache:
        return {}
    layout = outcome.layout
    available = (int(min(cache)),) * len(outcome.weights)
    blocks = layout.num_blocks(available)
    pairs: Pairs = {}
    concurrency = measured.get("max_concurrency") or []
    tokens = _numbers(measured.get("kv_cache_tokens"))
    length = outcome.length
    if concurrency and isinstance(concurrency[0], Mapping):
        length = int(concurrency[0]["tokens_per_request"])
        pairs["max_concurrency"] = [(layout.concurrency(blocks, length), float(concurrency[0]["x"]))]
    if tokens:
        pairs["kv_cache_tokens"] = [(layout.tokens(blocks, length), min(tokens))]
    return pairs


def _numbers(value: Any) -> list[float]:
    return [float(v) for v in value if isinstance(v, (int, float))] if isinstance(value, list) else []
