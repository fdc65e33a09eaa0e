"""Read a measured case of vLLM: its settings from the row or its command, its devices, its release."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.memory_case import Unsupported
from planner.engines.commands import read_command
from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.releases import Release, parse_release
from planner.engines.vllm.settings import VllmSettings, settings_from
from planner.units import GIB

# Kinds of GPU as the engine-planning rows call them: compute capability × 10, memory as the driver reports it.
_KINDS: Final[Mapping[str, tuple[str, int, float]]] = {
    "t4": ("Tesla T4", 75, 14.56),
    "v100": ("Tesla V100-SXM2-32GB", 70, 31.73),
    "a10": ("NVIDIA A10", 86, 22.07),
    "a10g": ("NVIDIA A10G", 86, 22.07),
    "l4": ("NVIDIA L4", 89, 22.03),
    "l40s": ("NVIDIA L40S", 89, 44.39),
    "a6000": ("NVIDIA RTX A6000", 86, 47.43),
    "3090": ("NVIDIA GeForce RTX 3090", 86, 23.57),
    "4090": ("NVIDIA GeForce RTX 4090", 89, 23.52),
    "5090": ("NVIDIA GeForce RTX 5090", 120, 31.36),
    "a100-40": ("NVIDIA A100-SXM4-40GB", 80, 39.39),
    "a100": ("NVIDIA A100-SXM4-80GB", 80, 79.25),
    "h100": ("NVIDIA H100 80GB HBM3", 90, 79.18),
    "h20": ("NVIDIA H20", 90, 95.08),
    "h200": ("NVIDIA H200", 90, 139.81),
    "gh200": ("NVIDIA GH200 480GB", 90, 94.5),
    "b200": ("NVIDIA B200", 100, 178.35),
    "b300": ("NVIDIA B300", 103, 267.7),
    "gb10": ("NVIDIA GB10", 121, 119.7),
    "rtxpro6000": ("NVIDIA RTX PRO 6000 Blackwell", 120, 94.97),
}
# Flags that change weights or cache and that no rule here follows.
_NOT_FOLLOWED: Final = frozenset(
    {
        "--hf-overrides",
        "--prefill-context-parallel-size",
        "--enable-eplb",
        "--eplb-config",
        "--enable-elastic-ep",
    }
    | {"--mamba-block-size", "--mamba-cache-mode", "--mamba-cache-dtype", "--kv-cache-dtype-skip-layers"}
    | {"--disable-sliding-window", "--quantization-config", "--model-impl", "--kv-sharing-fast-prefill"}
    | {"--use-replayssm", "--replayssm-buffer-len", "--enable-mamba-shared-prefix-checkpoint"}
    | {"--swa-bounded-replay", "--dcp-q-replicate", "--offload-group-size", "--offload-num-in-group"}
    | {"--kv-transfer-config", "--engram-config", "--additional-config", "--cpu-offload-params"}
    | {"--speculative-config", "--spec-method", "--spec-model", "--kv-cache-dtype"}
)


def command_settings(command: str) -> dict[str, Any]:
    """Return the settings of a `vllm serve` command line, as the planner reads it.

    Raises Unsupported for flags that change weights or cache and that nothing here follows, InputError for what
    is no command. What else isn't counted (LoRA adapters …) stays a row, with the error that it makes.
    """
    read = read_command(command)
    for each in read.uncounted:
        if _NOT_FOLLOWED & set(each.flags):
            raise Unsupported(f"no rule for {each}")
    return dict(read.settings)


_ROW_SETTINGS: Final = (
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "data_parallel_size",
    "decode_context_parallel_size",
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "block_size",
    "enforce_eager",
    "enable_prefix_caching",
)


def row_settings(row: Mapping[str, Any]) -> VllmSettings:
    """Return a row's settings: of its command where it has one, else those that its log names."""
    if row.get("command"):
        return settings_from(command_settings(str(row["command"])))
    said = row.get("settings") or {}
    found = {k: said[k] for k in _ROW_SETTINGS if said.get(k) is not None}
    logged = said.get("max_num_batched_tokens_logged")
    if "max_num_batched_tokens" not in found and logged:
        found["max_num_batched_tokens"] = logged
    if said.get("cudagraph_mode") == "NONE":
        found["enforce_eager"] = True
    dtype = str(said.get("dtype") or "").removeprefix("torch.")
    if dtype:
        found["dtype"] = dtype
    speculative = said.get("speculative_config")
    if speculative:
        found["speculative_method"] = "mtp" if "mtp" in str(speculative) else "draft"
        found["num_speculative_tokens"] = 1
    return settings_from(found)


_NOTED_RELEASE: Final = re.compile(r"\bv(?:LLM v?)?(0\.\d+(?:\.\d+)?)")


def row_release(row: Mapping[str, Any], released: str = "") -> Release:
    """Return the release that a row was measured with; its note where the row's own field is empty.

    Where neither says, what the log shows (tokens that aren't concurrency × length are those of before
    0.21), else what was current when the model (`released`, ISO date) was new: 0.10 at the earliest.
    """
    said = str(row.get("engine_version") or "")
    if row["source"]["kind"] == "engine-planning" or re.search(r"\d+\.\d+", said):
        return parse_release(said)
    noted = _NOTED_RELEASE.search(str(row.get("note") or ""))  # notes hold other decimals too
    if noted is not None:
        return parse_release(noted[1])
    current = next(release for date, release in reversed(_CURRENT_SINCE) if released >= date)
    measured = row.get("measured") or {}
    tokens, concurrency = measured.get("kv_cache_tokens"), measured.get("max_concurrency")
    if isinstance(tokens, list) and isinstance(concurrency, list) and tokens and concurrency:
        product = concurrency[0]["x"] * concurrency[0]["tokens_per_request"]
        if abs(tokens[0] / product - 1) > 0.05:
            return min(current, Release(0, 20))
    return current


# vLLM's releases by the date of their publication, coarsely
_CURRENT_SINCE: Final = (
    ("", Release(0, 10)),
    ("2025-10", Release(0, 11)),
    ("2025-12", Release(0, 13)),
    ("2026-02", Release(0, 16)),
    ("2026-04", Release(0, 19)),
    ("2026-06", Release(0, 23)),
    ("2026-08", Release(0, 28)),
    ("2026-11", Release(0, 33)),
)


def row_gpu(row: Mapping[str, Any]) -> GpuTraits | None:
    """Return the kind of GPU; None where the row doesn't say or nobody knows its memory."""
    gpus: Sequence[Mapping[str, Any]] = (row.get("machine") or {}).get("gpus") or ()
    if not gpus:
        return None
    name = str(gpus[0].get("name") or "")
    total = gpus[0].get("total_mib")
    kind = _KINDS.get(name.lower()) or _by_text(name)
    if kind is None:
        return _from_profile(name, total)
    if kind[1] == 121 and row_release(row) >= _GB10_GREW:
        kind = (*kind[:2], 121.69)
    memory = int(total) * (1 << 20) if total else int(_vram(row) or kind[2] * GIB)
    return GpuTraits(name=kind[0], total=memory, sm=kind[1], unified=kind[1] == 121)


# The release current when GB10's driver began to report 121.69 GiB in place of 119.7: logs of May 2026 on
# (MiaAI-Lab/GLM-5.3-Flash-EXL3-2x-DGX-Sparks, issue 47; vllm-project/vllm, issue 56824).
_GB10_GREW: Final = Release(0, 20)


def _by_text(name: str) -> tuple[str, int, float] | None:
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    if {"a100", "40gb"} <= words:
        return _KINDS["a100-40"]
    if "pro" in words and "6000" in words:
        return _KINDS["rtxpro6000"]
    for key in sorted(_KINDS, key=len, reverse=True):
        if key in words:
            return _KINDS[key]
    return None


def _vram(row: Mapping[str, Any]) -> int | None:
    """Memory as the log prints it ("79.18 GiB"); a vendor's round "80 GB" says less than the driver."""
    match = re.fullmatch(r"([\d.]+) GiB", str((row.get("machine") or {}).get("vram") or ""))
    return int(float(match[1]) * GIB) if match else None


def _from_profile(name: str, total: Any) -> GpuTraits | None:
    from planner.engines.vllm.gpu import traits_of
    from planner.hardware.profiles.assemble import accelerator
    from planner.hardware.profiles.store import find_by_driver_name

    profile = find_by_driver_name(name, int(total) * (1 << 20) if total else None)
    return None if profile is None else traits_of(accelerator(profile, 0))
