"""What a running vLLM tells: /v1/models, /version and its metrics.

Read in vLLM 0.33.0: v1/metrics/loggers.py and config/cache.py (vllm:cache_config_info).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from planner.engines.running import Pages, Running, count, text

_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def running(pages: Pages) -> list[Running] | None:
    """Return the model that a vLLM serves, None where the server is none."""
    models = pages.object("/v1/models")
    data = models.get("data") if models else None
    if not isinstance(data, list) or not any(
        isinstance(m, dict) and m.get("owned_by") == "vllm" for m in data
    ):
        return None
    base = next(m for m in data if isinstance(m, dict) and m.get("owned_by") == "vllm")
    version = pages.object("/version") or {}
    cache = _labels(pages.text("/metrics") or "", "vllm:cache_config_info")
    return [
        Running(
            engine="vllm",
            build=f"vLLM {text(version.get('version')) or 'unknown'}",
            model=text(base.get("root")) or text(base.get("id")) or "unknown",
            context=count(base.get("max_model_len")),
            kv_tokens=_kv_tokens(cache),
            settings=_settings(cache),
        )
    ]


def _kv_tokens(cache: Mapping[str, str]) -> int | None:
    """Tokens of the KV cache: as vLLM says since 0.2x, else blocks times block size (wrong for hybrids)."""
    told = count(cache.get("kv_cache_size_tokens"))
    if told:
        return told
    blocks, size = count(cache.get("num_gpu_blocks")), count(cache.get("block_size"))
    return blocks * size if blocks and size else None


def _labels(metrics: str, name: str) -> dict[str, str]:
    """Return the labels of a Prometheus info metric."""
    for line in metrics.splitlines():
        if line.startswith(name + "{"):
            return dict(_LABEL.findall(line))
    return {}


def _settings(cache: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that the metrics name, as far as they say something."""
    known: dict[str, Any] = {}
    utilization = _fraction(cache.get("gpu_memory_utilization"))
    if utilization:
        known["gpu_memory_utilization"] = utilization
    kind = cache.get("cache_dtype")
    if kind not in (None, "auto"):
        known["kv_cache_dtype"] = kind
    return known


def _fraction(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 < number <= 1 else None
