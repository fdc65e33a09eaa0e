"""Ollama's defaults: context by VRAM, batch size by headroom, what its library serves.

Read in ollama/ollama at fb30760 (2026-08-21): server/routes.go, server/sched.go, llm/llama_server.go and
envconfig/config.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from planner.engines.llama_cpp.placing.weights import WeightTable
from planner.engines.llama_cpp.room import Room
from planner.engines.ollama.architectures import ollama_traits
from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture
from planner.models.cache import FullAttention, SlidingWindow
from planner.units import GIB, MIB

KV_TYPES: Final = ("", "f16", "q8_0", "q4_0")


@dataclass(frozen=True, slots=True)
class OllamaSettings:
    """Ollama's own knobs: options of a request or Modelfile, and the server's environment."""

    num_ctx: int = 0  # 0: OLLAMA_CONTEXT_LENGTH, else by total VRAM
    num_parallel: int = 1  # OLLAMA_NUM_PARALLEL
    num_batch: int = 0  # 0: by context and headroom
    num_gpu: int = -1  # layers; -1: llama-server's fit decides
    num_thread: int = 0  # 0: llama-server's choice
    kv_cache_type: str = ""  # OLLAMA_KV_CACHE_TYPE; empty: f16
    flash_attention: bool | None = None  # OLLAMA_FLASH_ATTENTION; None: automatic
    drafts: bool = False  # no setting: what the file holds decides
    gpu_overhead: int = 0  # OLLAMA_GPU_OVERHEAD, bytes a GPU: lowers the VRAM that picks the context

    @classmethod
    def of(cls, overrides: Mapping[str, Any]) -> OllamaSettings:
        """Return the defaults with these settings; InputError for an unknown name or impossible value."""
        unknown = [name for name in overrides if name not in SETTINGS]
        if unknown:
            raise InputError(f"ollama has no setting '{unknown[0]}'; it has {', '.join(sorted(SETTINGS))}")
        settings = replace(cls(), **overrides)
        if settings.kv_cache_type not in KV_TYPES:
            raise InputError(f"kv_cache_type '{settings.kv_cache_type}' is not one of f16, q8_0, q4_0")
        if settings.num_ctx < 0 or settings.num_batch < 0 or settings.num_parallel < 1:
            raise InputError(
                "num_ctx, num_batch and num_parallel must not be negative; num_parallel at least 1"
            )
        return settings


SETTINGS: Final = frozenset(f.name for f in fields(OllamaSettings)) - {"drafts"}


def default_context(vram: int) -> int:
    """Context where nobody sets one, by the total VRAM in bytes less OLLAMA_GPU_OVERHEAD of each GPU."""
    if vram >= 47 * GIB:
        return 262144
    return 32768 if vram >= 23 * GIB else 4096


def automatic_batch(n_ctx: int, predicted: int, available: int, *, flash: bool, room: Room) -> int:
    """num_batch where nobody sets one (automaticGenerationBatch in server/sched.go)."""
    cuda = room.devices.backend is Backend.CUDA
    if not flash and cuda:
        small = any(
            min(f, g.memory_total) <= 8 * GIB for f, g in zip(room.devices.free, room.gpus, strict=True)
        )
        return 256 if n_ctx > 4096 and small else 512
    batch = 2048 if n_ctx > 32768 else 1024 if n_ctx > 4096 else 512
    while batch > 512 and not _batch_fits(batch, predicted, available):
        batch = 1024 if batch > 1024 else 512
    return batch


def _batch_fits(batch: int, predicted: int, available: int) -> bool:
    if predicted == 0 or available == 0:
        return True
    threshold = available * 80 // 100
    headroom, surcharge = (60, 2 * GIB) if batch >= 2048 else (75, 768 * MIB)
    if predicted > threshold or predicted > available * headroom // 100:
        return False
    return surcharge <= threshold - predicted


def predicted_vram(table: WeightTable, n_ctx: int) -> int:
    """Ollama's own rough prediction, by which it picks batch size and GPU (PredictServerVRAM)."""
    arch = table.arch
    heads = [
        (s.n_head, s.n_head_kv)
        for g in arch.groups
        for s in g.caches
        if isinstance(s, FullAttention | SlidingWindow)
    ]
    n_head = max((h for h, _ in heads), default=0)
    n_kv = min((k for _, k in heads), default=1) or 1
    layers = sum(g.count for g in arch.groups)
    head_dim = arch.hidden_size // n_head if n_head else 0
    return table.file_bytes + 2 * layers * n_kv * head_dim * n_ctx * 2


def served_quant(arch: Architecture, quant: str) -> str:
    """The mix behind a quantisation's name in Ollama's library."""
    mxfp4 = ollama_traits(arch).mxfp4_mix
    return mxfp4 if mxfp4 and quant.upper().startswith("MXFP4") else quant
