"""What mlx 0.32.4 holds beside weights and caches while a prompt is read: intermediate results in flight.

Metal runs command buffers behind the CPU, which encodes ahead of it (scheduler.h MAX_ACTIVE_TASKS: ten); what a
buffer's operations wrote stays until the buffer is done. A buffer ends after 40 or 50 MB of inputs
(metal/device.cpp max_mb_per_buffer), so that what is in flight is nearly one number, whatever the model: over the
published peaks of mlx-lm on an M4 Max and of mlx on M2 Max and M3 Ultra, prompts of 2,048 tokens, seven models,
0.68 to 1.07 GB, at the middle 0.70. Less where all of a few layers' results are less, more where a single
operation fills a buffer.

Two things come on top. Where no fused kernel takes attention its scores are held as a whole (attention_scores.py), and
while they are, the other buffers' results are 0.4 GB: the four operations on them fill four of the ten. And the rows
that a convolution of a recurrent layer has read stay until the chunk is done, those of all layers: mlx-lm slices the
next chunk's history out of them. Both follow the published ladders of Qwen3.6-35B-A3B (8,000 to 192,000 tokens) and
Qwen3.8-27B (chunks of 256 to 2,048) within 1.5 %; nothing was fitted to those but the 0.4 GB.
"""

from __future__ import annotations

from typing import Final

from planner.engines.mlx.architectures import MlxTraits
from planner.engines.mlx.attention_scores import Reading, grown_bytes, score_bytes
from planner.engines.mlx.settings import MlxSettings
from planner.models.architecture import Architecture, LayerGroup, MixtureOfExperts
from planner.models.cache import RecurrentState
from planner.models.tensors import Role

IN_FLIGHT: Final = 700_000_000  # bytes, the middle of the measured
HIGH: Final = 400_000_000  # beyond that, the highest of the measured
_LAYERS_MOST: Final = 2.5  # layers whose results are in flight where they are small
_LAYERS_LEAST: Final = 0.6  # … where one operation fills a buffer: twelve of the twenty of a layer
_BESIDE_SCORES: Final = 0.6  # of the usual results beside a matrix of scores: six buffers of ten
_ELEMENT: Final = 2
_ROWS: Final = frozenset(
    {
        Role.ATTN_Q, Role.ATTN_K, Role.ATTN_V, Role.ATTN_QKV, Role.ATTN_GATE, Role.MLA_Q_A, Role.MLA_Q_B,
        Role.MLA_KV_A, Role.SSM_IN, Role.FFN_GATE, Role.FFN_UP, Role.SHARED_GATE, Role.SHARED_UP,
    }
)  # fmt: skip
_TWICE: Final = 2  # a projection's rows are written once more by what follows it (norm, rope, activation)
_HIDDEN: Final = 7  # norms, sums and outputs of a layer, rows of the hidden size


def in_flight(arch: Architecture, traits: MlxTraits, settings: MlxSettings, reading: Reading) -> int:
    """Bytes of intermediate results at their peak, while a prompt is read."""
    rows = reading.rows(settings)
    layer = rows * _ELEMENT * max(_width(arch, group) for group in arch.groups if not group.mtp)
    usual = min(_LAYERS_MOST * layer, max(IN_FLIGHT, _LAYERS_LEAST * layer))
    scores = score_bytes(arch, traits, settings, reading)
    beside = int(max(usual, scores + _BESIDE_SCORES * usual))
    return beside + rows * _ELEMENT * _convolved(arch) + grown_bytes(arch, traits, settings, reading)


def _convolved(arch: Architecture) -> int:
    """Elements of one token that the convolutions of all recurrent layers read."""
    return sum(
        group.count * cache.conv_channels
        for group in arch.groups
        if not group.mtp
        for cache in group.caches
        if isinstance(cache, RecurrentState) and cache.conv_kernel > 1
    )


def _width(arch: Architecture, group: LayerGroup) -> int:
    """Elements that a layer's operations write for one token."""
    width = _HIDDEN * arch.hidden_size
    width += _TWICE * sum(t.rows for t in group.tensors if t.role in _ROWS and t.name.endswith(".weight"))
    block = group.feed_forward
    if isinstance(block, MixtureOfExperts):
        # gathered, gate, up, their product, down, put back in order, weighted
        width += block.n_expert_used * (3 * block.intermediate + 4 * (block.latent or arch.hidden_size))
    return width
