"""Whisper: two convolutions, an encoder of sound, a decoder of text that attends to it.

Shapes as in the published safetensors (transformers' WhisperForConditionalGeneration); whisper.cpp loads the same.
"""

from __future__ import annotations

from typing import Final

from planner.models.architecture import DenseFeedForward
from planner.models.cache import FullAttention
from planner.models.config.dims import Dims
from planner.models.config.families.parts import (
    Blueprint,
    Builder,
    LayerBlueprint,
    Tensors,
    dense,
    grouped,
    linear,
    norm,
    tensor,
)
from planner.models.config.reader import Reader


def _attention(name: str, d: Dims) -> Tensors:
    """Return projections with biases; keys have none."""
    return [
        *linear(f"{name}_q", d.hidden, d.hidden, True),
        *linear(f"{name}_k", d.hidden, d.hidden),
        *linear(f"{name}_v", d.hidden, d.hidden, True),
        *linear(f"{name}_output", d.hidden, d.hidden, True),
        *norm(f"{name}_norm", d.hidden, True),
    ]


def build_whisper(c: Reader) -> Blueprint:
    """Build Whisper and its distilled siblings."""
    hidden, heads = c.integer("d_model"), c.integer("encoder_attention_heads")
    encoders, decoders = c.integer("encoder_layers"), c.integer("decoder_layers")
    frames, mels = c.integer("max_source_positions", default=1500), c.integer("num_mel_bins", default=80)
    d = Dims(
        hidden=hidden,
        layers=encoders + decoders,
        vocab=c.integer("vocab_size"),
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
        context=c.integer("max_target_positions", default=448),
    )
    size = c.integer("encoder_ffn_dim", "decoder_ffn_dim")

    def layer(writes: bool) -> LayerBlueprint:
        spec = FullAttention(heads, heads, d.head_dim, d.head_dim, owns_cache=writes)
        tensors = [
            *_attention("attn", d),
            *(_attention("cross_attn", d) if writes else []),
            *norm("ffn_norm", hidden, True),
            *dense(hidden, size, gated=False, bias=True),
        ]
        return LayerBlueprint((spec,), DenseFeedForward(size, gated=False), tensors)

    around = [
        tensor("conv1.weight", 3, mels, hidden),
        tensor("conv1.bias", hidden),
        tensor("conv2.weight", 3, hidden, hidden),
        tensor("conv2.bias", hidden),
        tensor("encoder.position_embd.weight", hidden, frames),
        *norm("encoder.output_norm", hidden, True),
        tensor("token_embd.weight", hidden, d.vocab),
        tensor("position_embd.weight", hidden, d.context),
        *norm("output_norm", hidden, True),
    ]
    keys = [False] * encoders + [True] * decoders
    return Blueprint(None, d, grouped(keys, layer), around, True, None)


FAMILIES: Final[dict[str, Builder]] = {"whisper": build_whisper}
