"""What whisper.cpp allocates: weights, caches of text and sound, four compute buffers.

Read in ggml-org/whisper.cpp at 233fe1fc (2026-08-22), src/whisper.cpp: whisper_kv_cache_init and whisper_init_state;
examples/quantize (matrices alone are quantised, not the convolutions and not the positions). Each graph's size is a
closed rule of its largest tensors, with which logs of small on a CPU and of large-v3-turbo under Vulkan agree within a
hundredth. Under Metal one of large-v3 has 132 MB for what is 9 elsewhere: that is the interval's upper end there.
"""

from __future__ import annotations

from typing import Final

from planner.fast_dataclass import dataclass
from planner.models.architecture import Architecture
from planner.quant.formats import ggml_format
from planner.units import round_up

_PAD: Final = 256  # cells (GGML_PAD of both contexts)
FRAMES: Final = 1500  # of thirty seconds, behind the second convolution
_TOKENS: Final = 448  # of the longest text
_F16: Final = 2
_GRAPH: Final = 1_590_000  # bytes of what encode and cross hold whatever the model
_METAL_CROSS: Final = 123_000_000
_MORE_DECODERS: Final = (
    7  # times one cache of text, with five beams: their number and two (whisper_full_with_state)
)


@dataclass(frozen=True, slots=True)
class WhisperMemory:
    """Bytes of one model and its state."""

    weights: int
    text: int  # cache of one decoder
    sound: int  # cross attention, and padding
    compute: int

    @property
    def more(self) -> int:
        """What further decoders take, with five beams."""
        return (_MORE_DECODERS - 1) * self.text


def memory_of(arch: Architecture, quant: str) -> WhisperMemory:
    """Return what a model takes in a format. Raises UnsupportedError for a format that ggml doesn't have."""
    state = arch.hidden_size
    writers = sum(g.count for g in arch.groups if any(t.name.startswith("cross_") for t in g.tensors))
    mels = next(t.shape[1] for t in arch.tensors if t.name == "conv1.weight")
    text = 2 * _F16 * state * writers * round_up(_TOKENS, _PAD)
    sound = 2 * _F16 * state * (writers + 1) * round_up(FRAMES, _PAD)
    return WhisperMemory(_weights(arch, quant), text, sound, _compute(state, mels, arch.vocab_size))


def _weights(arch: Architecture, quant: str) -> int:
    kind, half, full = (ggml_format(name) for name in (quant, "F16", "F32"))
    size = 0
    tensors = [(t, 1) for t in arch.tensors] + [(t, g.count) for g in arch.groups for t in g.tensors]
    for tensor, count in tensors:
        name = tensor.name
        if len(tensor.shape) == 1 or "position" in name:
            used = full
        elif name.startswith("conv"):
            used = half
        else:
            used = kind
        rows = tensor.elements // tensor.shape[0]
        size += count * rows * used.row_bytes(tensor.shape[0])
    return size


def _compute(state: int, mels: int, vocab: int) -> int:
    conv = 28_000 * state + 14_000 * mels
    encode = 7 * 4 * FRAMES * state + _GRAPH
    cross = 4 * FRAMES * state + _GRAPH
    decode = 4 * _TOKENS * (vocab + 3 * state) + 220_000
    return conv + encode + cross + decode


def metal_extra() -> int:
    """Bytes by which the graphs may be larger under Metal."""
    return _METAL_CROSS
