"""A measured case of MLX beside the planner's figures: weights, caches and states exactly, peaks as logged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.memory_case import Pairs, Unsupported
from planner.engines.mlx.activations import in_flight
from planner.engines.mlx.architectures import mlx_class
from planner.engines.mlx.attention_scores import Reading
from planner.engines.mlx.caches import kept
from planner.engines.mlx.formats import format_of
from planner.engines.mlx.memory import known_class, refuse_quantised
from planner.engines.mlx.settings import MlxSettings, settings_from
from planner.engines.mlx.weights import weight_bytes
from planner.errors import RefusedError, UnsupportedError
from planner.models.architecture import Architecture
from planner.models.catalogue.catalogue import lookup
from planner.units import GB, MIB

_SUFFIX: Final = re.compile(r"[-_](?:\d(?:\.\d)?bit(?:-g\d+)?|bf16|mxfp4(?:-q\d)?|qat)$", re.I)
# Figures of one process as the system sees it hold the allocator's cache of freed buffers, which nothing counts here.
_FOOTPRINTS: Final = frozenset({"peak_footprint_gb_8k", "idle_footprint_gb"})
_UNREADABLE: Final = "cannot read a quantised cache"
_SHORT_PROMPT: Final = 24  # tokens of the prompt behind peak_memory_gb_24tok


def predict(row: Mapping[str, Any]) -> Pairs:
    """Return predicted and measured bytes, by part."""
    arch = _architecture(str(row["model"]))
    if row.get("refused") and mlx_class(arch) is None:
        raise RefusedError(str(row["refused"]))  # the one refusal of a model without a class
    try:
        traits = known_class(arch)
    except UnsupportedError as error:
        if row.get("refused"):
            raise RefusedError(str(error)) from None
        raise
    said = dict(row.get("settings") or {})
    length, users = _length(said)
    settings = settings_from({k: v for k, v in said.items() if k in _SETTINGS})
    try:
        refuse_quantised(arch, traits, settings, length)
    except RefusedError as error:  # mlx-lm gives no sentence for it: Python's stands in the row
        own = str(row.get("refused", ""))
        raise RefusedError(
            own if _UNREADABLE in str(error) and own.startswith(_UNREADABLE) else str(error)
        ) from None
    kind = format_of(_format(str(row["quant"])), arch)
    weights = weight_bytes(arch, kind, traits)
    measured: Mapping[str, Any] = row["measured"]
    if "kv_cache" in measured:
        one = kept(arch, traits, settings, length, prefilling=False)
        found = {"weights": weights, "kv_cache": one.kv_cache, "state": one.state}
        return {part: [(found[part], float(measured[part]))] for part in found if part in measured}
    pairs: Pairs = {}
    if "active_memory_gb" in measured:
        pairs["weights"] = [(weights, measured["active_memory_gb"] * GB)]
    for name, figure in _peaks(measured):
        tokens = _SHORT_PROMPT if name.endswith("24tok") else length
        prompt = min(tokens, int(said.get("prompt_tokens", tokens)))
        one = kept(arch, traits, settings, tokens, prefilling=True)
        reading = Reading(prompt, users, _uses_matrix_units(row))
        flying = max(
            in_flight(arch, traits, settings, reading), _whole_logits(row, arch, settings, prompt * users)
        )
        peak = weights + users * (one.kv_cache + one.state) + flying
        pairs.setdefault("peak", []).append((peak, figure))
    if not pairs and _FOOTPRINTS & measured.keys():
        raise Unsupported("a process's footprint holds freed buffers too, which no rule counts")
    return pairs


_SETTINGS: Final = frozenset(MlxSettings.__slots__) - {"context", "draft_model"}


def _length(said: Mapping[str, Any]) -> tuple[int, int]:
    if "context" in said:
        return int(said["context"]), 1
    return int(said["prompt_tokens"]) + int(said["generation_tokens"]), int(said.get("batch_size", 1))


def _peaks(measured: Mapping[str, Any]) -> list[tuple[str, float]]:
    found = [(n, float(v) * GB) for n, v in measured.items() if n.startswith("peak_memory_gb")]
    found += [
        (n, float(v) * MIB) for n, v in measured.items() if n == "peak_memory_mb"
    ]  # Rapid-MLX's are MiB
    return found


def _whole_logits(row: Mapping[str, Any], arch: Architecture, settings: MlxSettings, prompt: int) -> int:
    """Return the bytes of logits of a whole prompt, which Rapid-MLX takes where it is one chunk; mlx-lm never does."""
    rapid = str(row["engine_version"]).startswith("rapid-mlx") and prompt <= settings.prefill_step_size
    return prompt * arch.vocab_size * 2 if rapid else 0


def _uses_matrix_units(row: Mapping[str, Any]) -> bool:
    """Return whether its mlx had a kernel for them and heads of 256: none that is measured so far."""
    return any("M5" in g["name"] for g in row["machine"]["gpus"]) and "mlx 0.32.2" in str(
        row["engine_version"]
    )


def _architecture(name: str) -> Architecture:
    for candidate in (name, name.split("/", 1)[-1]):
        while True:
            entry = lookup(candidate)
            if entry is not None:
                return entry.architecture()
            shorter = _SUFFIX.sub("", candidate)
            if shorter == candidate:
                break
            candidate = shorter
    raise Unsupported(f"{name} is not in the catalogue")


def _format(quant: str) -> str:
    return quant.removeprefix("qat-").replace(" g", "-g")
