"""The Architecture of a model from its Hugging Face config.json.

The tensors are those of llama.cpp's GGUF of the model (names, shapes, order: build b11434), or, where
llama.cpp doesn't run it, those of its safetensors merged in the same style. Each model family is a
file in families/; this module finds the text model in a nested configuration and adds what all
configurations state alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from planner.errors import InputError, UnsupportedError
from planner.models.architecture import Architecture
from planner.models.config.families.decoder import DecoderStyle, build_decoder
from planner.models.config.families.parts import Builder
from planner.models.config.families.registry import find_builder
from planner.models.config.reader import Reader
from planner.models.config.vision import read_vision

# Where a multimodal configuration keeps its text model.
_TEXT_KEYS: Final = ("text_config", "llm_config", "language_config", "thinker_config", "text_model_config")
# What a plain decoder may state: anything else might change the shape in a way that nobody has read.
_PLAIN_KEYS: Final = frozenset(
    {
        "architectures", "attention_bias", "attention_dropout", "auto_map", "bos_token_id", "dtype",
        "eos_token_id", "head_dim", "hidden_act", "hidden_size", "initializer_range", "intermediate_size",
        "layer_types", "max_position_embeddings", "mlp_bias", "model_type", "num_attention_heads",
        "num_hidden_layers", "num_key_value_heads", "pad_token_id", "pretraining_tp", "quantization_config",
        "rms_norm_eps", "rope_parameters", "rope_scaling", "rope_theta", "sep_token_id", "sliding_window",
        "tie_word_embeddings", "torch_dtype", "transformers_version", "unk_token_id", "use_cache",
        "_name_or_path", "use_sliding_window", "max_window_layers", "vocab_size",
    }
)  # fmt: skip


def architecture_from_config(config: Mapping[str, Any], *, name: str = "") -> Architecture:
    """Build the Architecture that a config.json describes; `name` is what messages call it.

    Raises InputError (one line, naming the key) for a configuration that is incomplete, contradictory or
    hostile, UnsupportedError for a model type without rules. A type that is unknown but states no more than
    a plain decoder does yields a best effort with `exact=False` and a note.
    """
    where = name or "config.json"
    if not isinstance(config, Mapping):
        raise InputError(f"{where}: expected a JSON object with a model_type, got {type(config).__name__}")
    top = Reader(config, where)
    text = _text_model(top)
    kind, build_family = _family(text, top)
    blueprint = build_family(text)
    dims = blueprint.dims
    architectures = top.texts("architectures") or text.texts("architectures")
    quantization = top.section("quantization_config") or text.section("quantization_config")
    return Architecture(
        model_type=kind,
        gguf_arch=blueprint.gguf_arch,
        hf_class=architectures[0][:128] if architectures else None,
        hidden_size=dims.hidden,
        vocab_size=dims.vocab,
        n_ctx_train=dims.context,
        tied_embeddings=blueprint.tied,
        groups=blueprint.groups,
        tensors=tuple(blueprint.outside),
        rope=blueprint.rope,
        vision=read_vision(top, dims.hidden),
        dtype=_dtype(text, top),
        quantization=_quantization(quantization, text) if quantization else None,
        exact=blueprint.exact,
        notes=blueprint.notes,
    )


def _quantization(section: Reader, text: Reader) -> dict[str, Any]:
    """Return the quantization_config, with what the model's own part says of how experts are stored.

    DeepSeek V4 keeps `expert_dtype` outside it ("fp4": MXFP4 experts beside FP8 blocks, also where nothing is said;
    vllm/models/deepseek_v4/quant_config.py of 0.33.0).
    """
    found = dict(section.data)
    if text.text("model_type") == "deepseek_v4":
        found.setdefault("expert_dtype", text.text("expert_dtype") or "fp4")
    return found


def _text_model(top: Reader) -> Reader:
    """Return the text model's part; what only the whole states (tied embeddings, type) is kept with it."""
    section, depth = top, 0
    while (nested := section.first(_TEXT_KEYS)) and depth < 3:
        inner = section.section(nested)
        assert inner is not None
        kept = {k: v for k, v in section.data.items() if k in ("tie_word_embeddings", "model_type")}
        section = Reader({**kept, **inner.data}, inner.where)
        depth += 1
    return section


def _family(text: Reader, top: Reader) -> tuple[str, Builder]:
    """Return the model type and the function that builds it."""
    for reader in (top, text):  # the whole first: a Kimi K3 calls its text model kimi_linear
        kind = reader.text("model_type")
        builder = find_builder(kind)
        if builder is not None:
            return kind, builder
    kind = text.text("model_type") or top.text("model_type")
    if not kind:
        raise InputError(f"{top.where}: model_type is missing: not a Hugging Face config.json")
    if set(text.data) <= _PLAIN_KEYS and text.has("intermediate_size"):
        note = f"model type {kind} is unknown: taken for a plain decoder like Llama"
        return kind, partial(build_decoder, s=DecoderStyle(arch=None, exact=False, notes=(note,)))
    raise UnsupportedError(
        f"{top.where}: model type '{kind[:60]}' is not known; give a GGUF file of the model instead"
    )


def _dtype(text: Reader, top: Reader) -> str:
    """Return the checkpoint's element type."""
    for reader in (text, top):
        for key in ("dtype", "torch_dtype"):
            if isinstance(reader.data.get(key), str):
                return reader.text(key).removeprefix("torch.")
    return "bfloat16"
