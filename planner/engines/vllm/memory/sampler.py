"""What the sampler holds while the engine warms it up, by runner and release.

Model runner V1 (v1/worker/gpu_model_runner.py _dummy_sampler_run) samples with top-k and top-p; V2
(v1/worker/gpu/model_runner.py) took the logits as they are until 0.33 added a pass with every parameter set.
"""

from __future__ import annotations

from typing import Final

from planner.engines.vllm.memory.shards import Rank
from planner.engines.vllm.releases import Release
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture
from planner.models.cache import RecurrentState

Ends = tuple[float, float, float]  # low, expected, high
# Bytes that the warm-up takes for one row's logit, (low, expected, high):
# - V1 up to 0.16: the sorting top-p. Nine logs of H100 servers (0.10, 0.11; 1024 rows; vocabularies 128k to
#   201k; 0.6B to 120B) give 38.25 to 38.55 once the hidden states are taken off.
_SORTED: Final = (38.2, 38.4, 38.6)
# - V1 since 0.17: 16-bit logits (2), their fp32 copy (4), probabilities (4) and the random numbers that they are
#   divided by (4); FlashInfer's masked logits instead of these, since 0.22, are as many.
_UNSORTED: Final = (13.9, 14.0, 22.7)
# - V2 before 0.33: the logits alone; samples are drawn in place.
_PLAIN: Final = (2.0, 2.0, 6.0)
# - V2 since: 16-bit logits (2) and their fp32 copy (4), FlashInfer's softmax and masked probabilities (8, none
#   where it isn't there), penalties' counts (4.1).
_EVERY_PARAMETER: Final = (10.1, 18.1, 24.0)
# The draft's check adds logits of as many rows again, and their fp32 copy.
_DRAFTED: Final = 6.0
_PENALTIES: Final = 4.1  # counts of output tokens (int32) and a bit a prompt token, kept by V2 for every row


def sampler_bytes(rank: Rank, rows: int) -> Ends:
    """Bytes of the warm-up for so many rows of logits, (low, expected, high)."""
    release, vocabulary = rank.release, rank.arch.vocab_size
    if runner_v2(rank.arch, release, rank.gpu.backend):
        ends = _PLAIN if release < Release(0, 33) else _EVERY_PARAMETER
    else:
        ends = _SORTED if release < Release(0, 17) else _UNSORTED
    if rank.settings.num_speculative_tokens and release >= Release(0, 17):
        ends = (ends[0], ends[1] + _DRAFTED, ends[2] + 2 * _DRAFTED)
    low, middle, high = (rows * vocabulary * each for each in ends)
    if Release(0, 27) <= release < Release(0, 33) and ends[0] == _PLAIN[0]:
        # all that is taken from the device counts since 0.27 (utils/mem_utils.py total_consumed)
        middle, high = (each + rows * vocabulary * _PENALTIES for each in (middle, high))
    return low, middle, high


def runner_v2(arch: Architecture, release: Release, backend: Backend) -> bool:
    """True where the release runs this architecture with model runner V2 (config/vllm.py use_v2_model_runner).

    All since 0.29; from 0.25 on those that are dense and keep no recurrent state (before, single classes).
    """
    if backend is Backend.CPU:
        return False
    if release >= Release(0, 29):
        return True
    hybrid = any(isinstance(c, RecurrentState) for g in arch.groups for c in g.caches)
    return release >= Release(0, 25) and not arch.is_moe and not hybrid
