"""Adapter: what the planner says about llama.cpp's and Ollama's measured cases."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from benchmarks.accuracy_fit import predict_fit
from benchmarks.llama_pairs import compare_allocation
from benchmarks.memory_case import Pairs, Unsupported
from planner.engines.llama_cpp.allocation import Devices, LlamaMemory, allocate
from planner.engines.llama_cpp.builds import build_of
from planner.engines.llama_cpp.compute import accounted_buffers
from planner.engines.llama_cpp.placing.weights import WeightTable, weight_table
from planner.engines.llama_cpp.settings import ALL_LAYERS, LlamaCppSettings
from planner.engines.ollama.defaults import served_quant
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture
from planner.models.cache import LatentAttention
from planner.quant.mixes import nearest_mix
from planner.units import round_up

_UNLIMITED = 1 << 46
_ALLOCATOR_KEYS = (
    *("n_ctx", "n_parallel", "kv_unified", "n_batch", "n_ubatch", "flash_attn", "cache_type_k"),
    *("cache_type_v", "n_gpu_layers", "n_cpu_moe", "cpu_moe", "op_offload", "kv_offload", "swa_full"),
    *("split_mode", "load_mtp", "repack_weights", "embeddings"),
    *("tensor_split", "main_gpu", "override_tensor", "n_rs_seq", "spec_type"),
)
# What a case may say beside them: the adapter reads it itself, or no byte of memory depends on it.
_SAID_APART = frozenset(
    {"n_outputs_max", "fit", "fit_target_mib", "fit_ctx", "threads", "n_threads", "n_threads_batch"}
    | {"use_mmap", "mmap", "use_mlock", "mlock", "load_mode", "no_alloc", "seed", "numa", "warmup"}
)
_BACKENDS = {
    "CUDA": Backend.CUDA, "ROCm": Backend.ROCM, "Vulkan": Backend.VULKAN, "SYCL": Backend.SYCL,
    "Metal": Backend.METAL, "MTL": Backend.METAL,
}  # fmt: skip
_DEVICE = re.compile(r"^(CUDA|ROCm|Vulkan|SYCL|Metal|MTL)(\d*)$")


def predict(row: Mapping[str, Any]) -> Pairs:
    """Return predicted and measured figures of one case."""
    if row["source"]["kind"] == "allocator":
        return _allocator(row)
    return _log(row)


@lru_cache(maxsize=256)
def _architecture(model: str) -> Architecture:
    from planner.models.catalogue.catalogue import find_entry

    return find_entry(model).architecture()


@lru_cache(maxsize=256)
def _without_prediction(arch_of: str) -> Architecture:
    arch = _architecture(arch_of)
    return replace(arch, groups=tuple(g for g in arch.groups if not g.mtp))


def _shape(row: Mapping[str, Any]) -> Architecture:
    """The architecture of the file: a case states n_params, and so whether prediction layers are in it."""
    arch = _architecture(row["model"])
    if not arch.n_layer_mtp:
        return arch
    plain = _without_prediction(row["model"])
    n_params = (row.get("measured") or {}).get("n_params")
    return plain if n_params == plain.parameters() else arch


def _check_context(row: Mapping[str, Any], arch: Architecture) -> None:
    """Raise Unsupported where the measured file isn't the published model.

    Asked for n_ctx 0, llama.cpp takes the header's training context, in cells that come by 256 for each
    sequence of its own; `--fit` starts from that context for every one of them and only ever shrinks
    (common/fit.cpp). A longer context than the published one proves another header.
    """
    measured = (row.get("measured") or {}).get("n_ctx") or 0
    given = row["settings"]
    if given.get("n_ctx"):
        return
    streams = 1 if given.get("kv_unified") else int(given.get("n_parallel") or 1)
    longest = arch.n_ctx_train * (streams if given.get("fit") else 1)
    if measured > round_up(longest, 256 * streams):
        raise Unsupported(
            f"the measured header trains {measured:,} tokens or more, the published config.json {arch.n_ctx_train:,}"
        )


def _allocator(row: Mapping[str, Any]) -> Pairs:
    given = row.get("settings") or {}
    settings = LlamaCppSettings.of(
        {k: given[k] for k in _ALLOCATOR_KEYS if given.get(k) is not None}
        | {"n_outputs_max": given.get("n_outputs_max") or 0}
    )
    unknown = [k for k, v in given.items() if v is not None and k not in {*_ALLOCATOR_KEYS, *_SAID_APART}]
    if unknown:
        raise Unsupported(f"no rule for the setting {', '.join(sorted(unknown))}")
    arch = _shape(row)
    _check_context(row, arch)
    if "header written by benchmarks/gguf_headers.py" in str(row["source"].get("note")):
        table = _written_table(row["model"], row["quant"], arch)
    else:
        table = weight_table(
            arch, row["quant"], file_bytes=_size_of_private_mix(row, row["quant"]), imatrix=False
        )
    gpus = row["machine"]["gpus"]
    free = tuple(_UNLIMITED if g.get("free_mib") is None else int(g["free_mib"]) << 20 for g in gpus)
    if given.get("fit"):
        return predict_fit(row, table, settings, free)
    build = build_of(str(row.get("engine_version")), _released(row["model"]))
    memory = allocate(table, settings, Devices(free), build, measure=accounted_buffers)
    return compare_allocation(row["measured"]["devices"] if "measured" in row else {}, gpus, memory)


_written: dict[tuple[str, str, bool], WeightTable] = {}


def _written_table(model: str, quant: str, arch: Architecture) -> WeightTable:
    """The weights of a header that was written for the case, whose types are no mix of llama-quantize's."""
    key = model, quant, bool(arch.n_layer_mtp)
    if key not in _written:
        from benchmarks.gguf_headers import WRITTEN, typed_tensors

        # what write_header says of every one
        shape = replace(arch, position_parts=True, clamped_experts=True)
        _written[key] = weight_table(shape, quant, tensors=typed_tensors(arch, WRITTEN[quant]))
    return _written[key]


def _size_of_private_mix(row: Mapping[str, Any], quant: str) -> int | None:
    """The published size of a file whose mix is no public rule; None for a public mix, which needs none.

    Raises Unsupported where no size is published: the tensors' types would be a guess.
    """
    if nearest_mix(quant)[1]:
        return None
    size = _published(row["model"], quant)
    if size is None:
        raise Unsupported(f"{quant} is no public mix, and the size of the file is not stated")
    return size


def _log(row: Mapping[str, Any]) -> Pairs:
    measured, given = row["measured"], row["settings"]
    if "(ik)" in str(row["quant"]) or "mla_attn" in given:
        raise Unsupported("a fork of llama.cpp (ik_llama.cpp) with rules of its own")
    devices = {k: v for k, v in (measured.get("devices") or {}).items() if _DEVICE.match(k)}
    breakdown = [
        b
        for b in measured.get("memory_breakdown_mib") or []
        if b["device"] != "Host" and b.get("stage") != "projected_before_load"
    ] or [b for b in measured.get("memory_breakdown_mib") or [] if b["device"] != "Host"]
    if measured.get("ollama_log"):
        raise Unsupported("Ollama's own engine, which llama-server replaced in 0.30")
    names = sorted(devices) or [b["device"] for b in breakdown]
    if not names and "kv_total_mib" not in measured:
        raise Unsupported("no figure of the engine's own accounting")
    table = _log_table(row)
    latent = any(isinstance(c, LatentAttention) for g in table.arch.groups for c in g.caches)
    if latent and any(c.get("v_mib") for c in measured.get("kv_caches") or ()):
        raise Unsupported("a build of spring 2025, which cached values beside a latent attention's")
    memory = allocate(
        table,
        _log_settings(row, table.arch),
        Devices(_log_free(row, _count(row, names)), _backend(names)),
        build_of(str(row.get("engine_version") or ""), _released(row["model"])),
    )
    if "tensor_override" in given:  # which tensors isn't stated: the whole cache is that of any placement
        total = sum(memory.caches.kv) + memory.caches.kv_host
        return {"kv_cache": [(total, measured["kv_total_mib"] * (1 << 20))]}
    pairs = _log_pairs(measured, devices, breakdown, names, memory)
    if not table.exact and table.scale == 1.0:  # a private mix of unknown size: its weights would be a guess
        pairs = {part: p for part, p in pairs.items() if part not in ("weights", "total")}
    return pairs


def _count(row: Mapping[str, Any], names: list[str]) -> int:
    """Devices that were used: those in the log, or as many as the split names."""
    split = str(row["settings"].get("tensor_split") or "")
    return max(len(names) or len(row["machine"]["gpus"]), len(split.split(",")) if split else 0)


def _released(model: str) -> str:
    from planner.models.catalogue.catalogue import find_entry

    return find_entry(model).released


def _backend(names: list[str]) -> Backend:
    return next((b for key, b in _BACKENDS.items() if names and names[0].startswith(key)), Backend.CUDA)


def _log_table(row: Mapping[str, Any]) -> WeightTable:
    quant = str(row["quant"]).split(" ")[0]
    found = re.match(r"([\d.]+) (GiB|MiB)", str(row.get("file_size") or ""))
    size = None
    if found:
        size = int(float(found.group(1)) * (1 << (30 if found.group(2) == "GiB" else 20)))
    arch = _architecture(row["model"])
    if arch.n_layer_mtp and not row["settings"].get("speculative"):
        total = str(row["settings"].get("n_gpu_layers", "")).partition("/")[2]
        if total and int(total) == arch.n_layer + 1:  # the file has no prediction layers
            arch = _without_prediction(row["model"])
    if row["engine"] == "ollama":
        quant = served_quant(arch, quant)
    return weight_table(arch, quant, file_bytes=size or _published(row["model"], quant), published=True)


def _published(model: str, quant: str) -> int | None:
    """Size of a published GGUF of this name, where the catalogue knows it."""
    from planner.models.catalogue.catalogue import find_entry

    files = [f for f in find_entry(model).files if f.format == "gguf"]
    return next((f.sizes[quant] for f in files if quant in f.sizes), None)


def _log_settings(row: Mapping[str, Any], arch: Architecture) -> LlamaCppSettings:
    given = row["settings"]
    layers = str(given.get("n_gpu_layers", ALL_LAYERS)).partition("/")[0]
    split = given.get("tensor_split")
    mtp = re.search(r"n_max=(\d+)", str(given.get("speculative") or ""))
    settings = {
        "n_ctx": int(given.get("n_ctx") or 0),
        "n_parallel": int(given.get("n_seq_max") or given.get("n_parallel") or 1),
        "kv_unified": bool(given.get("kv_unified", False)),
        "flash_attn": str(given.get("flash_attn") or "auto").split(" ")[0],
        "n_gpu_layers": int(layers),
        "n_batch": int(given.get("n_batch") or 2048),
        "n_ubatch": int(given.get("n_ubatch") or 512),
        "cache_type_k": given.get("cache_type_k") or "f16",
        "cache_type_v": given.get("cache_type_v") or "f16",
        "swa_full": bool(given.get("swa_full", False)),
        "n_cpu_moe": int(given.get("n_cpu_moe") or 0),
        "n_outputs_max": int(given.get("n_seq_max") or given.get("n_parallel") or 1),
        "n_rs_seq": int(mtp.group(1)) if mtp else 0,
        "load_mtp": bool(mtp),
    }
    if isinstance(split, str):
        settings["tensor_split"] = tuple(float(x) for x in split.split(","))
    return LlamaCppSettings.of(settings)


def _log_free(row: Mapping[str, Any], n: int) -> tuple[int, ...]:
    free = row["machine"].get("free_before_load_mib")
    if isinstance(free, list) and len(free) >= n:
        return tuple(int(f) << 20 for f in free[:n])
    return (_UNLIMITED,) * n


def _log_pairs(
    measured: Mapping[str, Any],
    devices: Mapping[str, Mapping[str, int]],
    breakdown: list[dict[str, Any]],
    names: list[str],
    memory: LlamaMemory,
) -> Pairs:
    pairs: Pairs = {}

    def add(part: str, ours: float, theirs: float) -> None:
        pairs.setdefault(part, []).append((ours, theirs))

    caches = memory.caches
    for i, name in enumerate(names):
        if name in devices:
            figures = devices[name]
            parts = {
                "weights": memory.weights.devices[i],
                "kv_cache": caches.kv[i],
                "state": caches.state[i],
                "compute": memory.compute.devices[i],
            }
            stated = {k: v for k, v in parts.items() if k in figures}
            for key, ours in stated.items():
                add(key, ours, figures[key])
            if "weights" in stated and "compute" in stated and "kv_cache" in stated:
                add("total", sum(stated.values()), sum(figures[k] for k in stated))
        elif i < len(breakdown):
            b = breakdown[i]
            add("weights", memory.weights.devices[i], b["model"] << 20)
            add("context", caches.kv[i] + caches.state[i], b["context"] << 20)
            add("compute", memory.compute.devices[i], b["compute"] << 20)
            add("total", memory.device_total(i), b["self"] << 20)
    if "kv_total_mib" in measured and "kv_cache" not in pairs:
        add("kv_cache", sum(caches.kv) + caches.kv_host, measured["kv_total_mib"] * (1 << 20))
    return pairs
