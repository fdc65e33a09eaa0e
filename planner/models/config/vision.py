"""Vision (and Gemma 4's audio) towers and their projectors: parameters from vision_config.

Each tower is a function that counts the elements of its tensors, as its class in vLLM 0.33.0
(model_executor/models/*.py) creates them; checked against the published element counts of whole
checkpoints. A tower without a function is stated with `parameters=0`: its size is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from planner.fast_dataclass import dataclass
from planner.models.architecture import Vision
from planner.models.config.reader import MAX_LAYERS, Reader

# Keys of the projector that some files keep outside vision_config.
_OUTER: Final = ("out_hidden_size", "projector_hidden_size", "alignment_intermediate_size")


@dataclass(frozen=True, slots=True)
class _Tower:
    """What all towers state, under whatever names."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    patch: int
    image: int
    merge: int


def read_vision(top: Reader, hidden: int) -> Vision | None:
    """Return the vision tower of a configuration, None for a text model. `hidden`: of the text model."""
    c = top.section("vision_config", "vision_tower_config")
    if c is None or not c.data:
        return None
    outer = {k: top.data[k] for k in _OUTER if top.has(k)}
    c = Reader({**outer, **c.data}, c.where)
    t = _read_tower(c)
    kind = c.text("model_type") or top.text("model_type")
    kind = kind if kind in _TOWERS else top.text("model_type")
    count = _TOWERS.get(kind)
    complete = t.layers and t.hidden and t.patch
    parameters = count(c, t, hidden) if count and complete else 0
    audio = top.section("audio_config") if top.text("model_type") == "gemma4" else None
    return Vision(
        parameters=parameters + (_gemma4_audio(audio, hidden) if audio else 0),
        n_layer=t.layers,
        hidden_size=t.hidden,
        intermediate=t.intermediate,
        n_head=t.heads,
        kind=kind,
        patch=t.patch,
        image=t.image,
        merge=c.integer("pooling_kernel_size", default=t.merge, low=1, high=64),
        deep=len(c.integers("deepstack_visual_indexes") or ()),
    )


def _read_tower(c: Reader) -> _Tower:
    def size(*keys: str, default: int = 0, high: int = 1 << 20) -> int:
        return c.integer(*keys, default=default, low=0, high=high)

    hidden = size("vt_hidden_size", "embed_dim", "hidden_size", "width")
    ratio = c.number("mlp_ratio", default=4.0, high=64)
    return _Tower(
        layers=size("vt_num_hidden_layers", "depth", "num_hidden_layers", "layers", high=MAX_LAYERS),
        hidden=hidden,
        intermediate=size("vt_intermediate_size", "intermediate_size", default=int(hidden * ratio)),
        heads=size("vt_num_attention_heads", "num_heads", "num_attention_heads", "attention_heads", "heads"),
        patch=size("patch_size", high=4096) if isinstance(c.data.get("patch_size"), int) else 0,
        image=size("image_size") if isinstance(c.data.get("image_size"), int) else 0,
        merge=c.integer("spatial_merge_size", "merge_size", default=2, high=64),
    )


def _vit_block(hidden: int, size: int) -> int:
    """Return the elements of a transformer block with LayerNorms and biases everywhere."""
    attention = 4 * (hidden * hidden + hidden)
    return attention + 2 * hidden * size + size + hidden + 4 * hidden


def _linear(n_in: int, n_out: int) -> int:
    return n_in * n_out + n_out


def _siglip_tower(t: _Tower, positions: int) -> int:
    patches = _linear(3 * t.patch**2, t.hidden)
    return patches + positions * t.hidden + t.layers * _vit_block(t.hidden, t.intermediate) + 2 * t.hidden


def _gemma3(c: Reader, t: _Tower, hidden: int) -> int:
    return _siglip_tower(t, (t.image // t.patch) ** 2) + t.hidden * hidden + t.hidden


def _phi4_siglip(c: Reader, t: _Tower, hidden: int) -> int:
    # SigLIP 2 with its pooling head, 256 positions, and a projector of two layers
    pool = t.hidden + 4 * (t.hidden**2 + t.hidden) + 2 * t.hidden
    pool += 2 * t.hidden * t.intermediate + t.intermediate + t.hidden
    projector = _linear(t.hidden, hidden) + _linear(hidden, hidden)
    return _siglip_tower(t, c.integer("num_patches", default=256)) + pool + projector


def _qwen_merger(t: _Tower, out: int, norm: int) -> int:
    wide = t.hidden * t.merge**2
    return 2 * norm + _linear(wide, wide) + _linear(wide, out)


def _qwen3(c: Reader, t: _Tower, hidden: int) -> int:
    out = c.integer("out_hidden_size", default=hidden)
    patches = _linear(3 * c.integer("temporal_patch_size", default=2, high=64) * t.patch**2, t.hidden)
    positions = c.integer("num_position_embeddings", default=2304) * t.hidden
    deep = len(c.integers("deepstack_visual_indexes") or ())
    return (
        patches
        + positions
        + t.layers * _vit_block(t.hidden, t.intermediate)
        + _qwen_merger(t, out, t.hidden)
        + deep * _qwen_merger(t, out, t.hidden * t.merge**2)
    )


def _qwen2(c: Reader, t: _Tower, hidden: int) -> int:
    # here hidden_size is the text model's, embed_dim the tower's
    patches = 3 * c.integer("temporal_patch_size", default=2, high=64) * t.patch**2 * t.hidden
    block = _vit_block(t.hidden, int(t.hidden * c.number("mlp_ratio", default=4.0, high=64)))
    return patches + t.layers * block + _qwen_merger(t, hidden, t.hidden)


def _qwen25(c: Reader, t: _Tower, hidden: int) -> int:
    kv_heads = c.integer("num_key_value_heads", default=t.heads, high=1024)
    kv = t.hidden // max(t.heads, 1) * kv_heads
    attention = _linear(t.hidden, t.hidden + 2 * kv) + _linear(t.hidden, t.hidden)
    block = attention + 3 * t.hidden * t.intermediate + 2 * t.intermediate + t.hidden + 2 * t.hidden
    patches = 3 * c.integer("temporal_patch_size", default=2, high=64) * t.patch**2 * t.hidden
    wide, out = t.hidden * t.merge**2, c.integer("out_hidden_size", default=hidden)
    return patches + t.layers * block + t.hidden + _linear(wide, wide) + _linear(wide, out)


def _pixtral(c: Reader, t: _Tower, hidden: int) -> int:
    block = 4 * t.hidden**2 + 3 * t.hidden * t.intermediate + 2 * t.hidden
    patches = 3 * t.patch**2 * t.hidden + t.hidden
    projector = t.hidden + 4 * t.hidden**2 + t.hidden * hidden + hidden**2
    return patches + t.layers * block + projector


def _llama4(c: Reader, t: _Tower, hidden: int) -> int:
    positions = ((t.image // t.patch) ** 2 + 1) * t.hidden + t.hidden
    middle, out = (
        c.integer("projector_input_dim", default=4096),
        c.integer("projector_output_dim", default=4096),
    )
    adapter = t.intermediate * middle + middle * out + out * hidden
    patches = 3 * t.patch**2 * t.hidden
    return patches + positions + 4 * t.hidden + t.layers * _vit_block(t.hidden, t.intermediate) + adapter


def _mllama(c: Reader, t: _Tower, hidden: int) -> int:
    patch_count = (t.image // t.patch) ** 2 + 1
    tiles, kinds = c.integer("max_num_tiles", default=4, high=64), 9  # eight aspect ratios and none
    positions = patch_count * t.hidden + 1 + kinds * tiles * patch_count * t.hidden
    positions += 2 * (kinds * tiles * t.hidden + 1)
    block = (
        4 * t.hidden**2 + _linear(t.hidden, t.intermediate) + _linear(t.intermediate, t.hidden) + 4 * t.hidden
    )
    blocks = t.layers * block + c.integer("num_global_layers", default=8, high=1024) * (block + 2)
    around = 3 * t.patch**2 * t.hidden + t.hidden + 4 * t.hidden
    return around + positions + blocks + _linear(c.integer("vision_output_dim", default=7680), hidden)


def _glm4v(c: Reader, t: _Tower, hidden: int) -> int:
    out = c.integer("out_hidden_size", default=hidden)
    patches = _linear(3 * c.integer("temporal_patch_size", default=2, high=64) * t.patch**2, t.hidden)
    positions = (t.image // t.patch) ** 2 * t.hidden
    block = 2 * t.hidden + 4 * t.hidden**2 + 3 * t.hidden * out
    merger = _linear(t.hidden * t.merge**2, out) + out * out + 2 * out + 3 * out * t.intermediate
    return patches + positions + 2 * t.hidden + t.layers * block + merger


def _gemma4(c: Reader, t: _Tower, hidden: int) -> int:
    head_dim = c.integer("head_dim", default=t.hidden // max(t.heads, 1))
    block = 4 * t.hidden**2 + 3 * t.hidden * t.intermediate + 4 * t.hidden + 2 * head_dim
    block += 28 if c.flag("use_clipped_linears", default=False) else 0  # four bounds on each of seven
    positions = 2 * c.integer("position_embedding_size", default=10240) * t.hidden
    standard = 2 * t.hidden if c.flag("standardize", default=False) else 0
    return 3 * t.patch**2 * t.hidden + positions + t.layers * block + standard + t.hidden * hidden


def _moonvit(c: Reader, t: _Tower, hidden: int) -> int:
    positions = c.integer("init_pos_emb_height", default=64) * c.integer("init_pos_emb_width", default=64)
    wide = 4 * t.hidden
    projector = 2 * t.hidden + _linear(wide, wide) + _linear(wide, hidden)
    return _siglip_tower(t, positions) + projector


def _muse(c: Reader, t: _Tower, hidden: int) -> int:
    patches = 3 * c.integer("patch_temporal", default=2, high=64) * t.patch**2 * t.hidden
    positions = c.integer("pos_emb_height", default=32) * c.integer("pos_emb_width", default=32) * t.hidden
    out, middle = c.integer("out_hidden_size", default=6144), c.integer("projector_hidden_size", default=4096)
    adapter = out * middle + middle * middle + middle * hidden
    return patches + positions + 4 * t.hidden + t.layers * _vit_block(t.hidden, t.intermediate) + adapter


def _cohere2(c: Reader, t: _Tower, hidden: int) -> int:
    middle = c.integer("alignment_intermediate_size", default=36864)
    projector = _linear(t.hidden * t.merge**2, middle) + _linear(middle // 2, hidden)
    return _siglip_tower(t, (t.image // t.patch) ** 2) + projector


def _moonvit_k3(c: Reader, t: _Tower, hidden: int) -> int:
    # Kimi K3's tower has no biases; what is left of the checkpoint's count is 0.3 % of the tower
    inner = c.integer("qkv_hidden_size", default=t.hidden)
    block = t.hidden * 4 * inner + 2 * t.hidden * t.intermediate + 2 * t.hidden
    positions = c.integer("init_pos_emb_height", default=64) * c.integer("init_pos_emb_width", default=64)
    wide = 4 * t.hidden
    projector = 2 * t.hidden + wide * wide + wide * hidden
    return 3 * t.patch**2 * t.hidden + positions * t.hidden + t.layers * block + t.hidden + projector


def _gemma4_audio(c: Reader, hidden: int) -> int:
    """Return the elements of Gemma 4's audio tower: a conformer and its projector."""
    h = c.integer("hidden_size", default=1024)
    layers = c.integer("num_hidden_layers", default=12, high=MAX_LAYERS)
    heads, kernel = (
        c.integer("num_attention_heads", default=8),
        c.integer("conv_kernel_size", default=5, high=64),
    )
    out = c.integer("output_proj_dims", default=1536)
    feed_forward = 2 * (2 * h * 4 * h + 2 * h)
    attention = 5 * h * h + h // heads
    convolution = 3 * h * h + kernel * h + 2 * h
    channels = c.integers("subsampling_conv_channels", low=1, high=4096) or [128, 32]
    first, last = channels[0], channels[-1]
    sampling = 9 * first + first + 9 * first * last + last + 32 * last * h  # 128 mel bands, halved twice
    return (
        layers * (feed_forward + attention + convolution + 3 * h) + sampling + _linear(h, out) + out * hidden
    )


_TOWERS: Final[dict[str, Callable[[Reader, _Tower, int], int]]] = {
    "gemma3": _gemma3,
    "phi4-siglip": _phi4_siglip,
    "qwen3_vl": _qwen3,
    "qwen3_vl_moe": _qwen3,
    "qwen3_5": _qwen3,
    "qwen3_5_moe": _qwen3,
    "qwen2_vl": _qwen2,
    "qwen2_5_vl": _qwen25,
    "exaone4_5": _qwen25,
    "pixtral": _pixtral,
    "mistral3": _pixtral,
    "llama4": _llama4,
    "mllama": _mllama,
    "glm4v": _glm4v,
    "glm4v_moe": _glm4v,
    "gemma4": _gemma4,
    "diffusion_gemma": _gemma4,
    "kimi_k25": _moonvit,
    "kimi_k3": _moonvit_k3,
    "muse_glimmer": _muse,
    "muse_spark": _muse,
    "cohere2_vision": _cohere2,
}
