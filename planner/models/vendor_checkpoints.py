"""Quantised checkpoints that a model's own vendor publishes beside it, and how they store their weights.

A server loads such a repository as it is, where quantising while loading fetches twice as much first. Which
repositories there are, and how each is laid out, stands in the cards; what the layouts are stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol


class Checkpoint(NamedTuple):
    """A published checkpoint in another format than the model's own."""

    repository: str
    config: Mapping[str, Any] | None  # its quantization_config as far as it decides sizes; None: not known


class Listed(Protocol):
    """A repository in a card."""

    @property
    def repo(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def quants(self) -> tuple[str, ...]: ...
    @property
    def layout(self) -> str: ...


_BLOCK: Final[Mapping[str, Any]] = {"quant_method": "fp8", "weight_block_size": [128, 128]}
_CHANNEL: Final[Mapping[str, Any]] = {
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float", "strategy": "channel"}}},
}
_TENSOR: Final[Mapping[str, Any]] = {"quant_method": "modelopt", "quant_algo": "FP8"}
# How a card says that a repository's eight bits are laid out. Blocks of 128 × 128: config.json of Qwen3-32B-FP8,
# Qwen3-30B-A3B-FP8, Qwen3-235B-A22B-FP8, GLM-5-FP8, GLM-5.1-FP8, GLM-5.2-FP8 and Step-3.7-Flash-FP8 as carried by
# ai-dynamo/aiconfigurator (2026-08-21), for GLM-5.3 vLLM's recipe ("FP8 block"), and so those vendors' others; a
# tensor: hf_quant_config.json of NVIDIA's, there too; a channel: GLM-4.5 takes vLLM's compressed-tensors path
# (HabanaAI/vllm-hpu-extension#350).
_LAYOUTS: Final[Mapping[str, Mapping[str, Any]]] = {"block": _BLOCK, "channel": _CHANNEL, "tensor": _TENSOR}


def vendor_repository(model: str, files: Sequence[Listed], quant: str) -> str | None:
    """Return the repository in which the model's vendor publishes a format; None where none is listed.

    It is the model's own, or one named after it: a vendor's other models in that format are not meant.
    """
    base = model.lower().removesuffix("-bf16")
    wanted = quant.lower()
    found = [
        f.repo
        for f in files
        if f.format == "safetensors"
        and wanted in (q.lower() for q in f.quants)
        and (f.repo.lower() == model.lower() or f.repo.lower().startswith(f"{base}-"))
    ]
    return min(found, key=len, default=None)


def vendor_checkpoints(model: str, files: Sequence[Listed]) -> dict[str, Checkpoint]:
    """Return the vendor's checkpoints in eight bits by the format's name."""
    repository = vendor_repository(model, files, "FP8")
    if repository is None:
        return {}
    layout = next((f.layout for f in files if f.repo == repository and f.layout), "")
    return {"FP8": Checkpoint(repository, _LAYOUTS.get(layout))}
