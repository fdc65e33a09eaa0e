"""Vision projectors of a few hundred kB with random weights, as llama.cpp's converters write them."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from planner.models.architecture import Vision

from .tiny_model import HIDDEN

# What the converters call three kinds, and a tower of each that fits the tiny model.
TYPES = {"qwen3_5": "qwen3vl_merger", "gemma3": "gemma3", "pixtral": "pixtral"}
HEADS, FEED_FORWARD, LAYERS, PATCH = 4, 640, 3, 14
MERGED = 2 * PATCH  # side of what makes one token, pixels


def tower(kind: str, hidden: int) -> Vision:
    """The tower that write_projector writes."""
    image = 448 if kind == "gemma3" else 224
    return Vision(1, LAYERS, hidden, FEED_FORWARD, HEADS, kind, PATCH, image, merge=2)


def write_projector(path: Path, kind: str, hidden: int) -> None:
    """Write a projector for the tiny model that llama.cpp loads."""
    shape = tower(kind, hidden)
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "clip")
    writer.add_bool("clip.has_vision_encoder", True)
    writer.add_string("clip.projector_type", TYPES[kind])
    merge = 4 if kind == "gemma3" else 2
    for key, value in (
        ("image_size", shape.image),
        ("patch_size", PATCH),
        ("embedding_length", hidden),
        ("feed_forward_length", FEED_FORWARD),
        ("projection_dim", HIDDEN),
        ("block_count", LAYERS),
        ("attention.head_count", HEADS),
        ("spatial_merge_size", merge),
        ("projector.scale_factor", merge),
    ):
        writer.add_uint32(f"clip.vision.{key}", value)
    writer.add_float32("clip.vision.attention.layer_norm_epsilon", 1e-6)
    for key in ("image_mean", "image_std"):
        writer.add_array(f"clip.vision.{key}", [0.5] * 3)
    writer.add_bool("clip.use_silu" if kind == "pixtral" else "clip.use_gelu", True)
    biased = kind != "pixtral"

    def tensor(name: str, *ne: int) -> None:
        half = len(ne) > 1 and "position" not in name
        writer.add_tensor(name, (rng.standard_normal(ne) * 0.02).astype(np.float16 if half else np.float32))

    def linear(name: str, n_in: int, n_out: int, *, bias: bool = biased) -> None:
        tensor(f"{name}.weight", n_out, n_in)
        if bias:
            tensor(f"{name}.bias", n_out)

    tensor("v.patch_embd.weight", hidden, 3, PATCH, PATCH)
    if kind == "qwen3_5":
        tensor("v.patch_embd.weight.1", hidden, 3, PATCH, PATCH)
    if biased:
        tensor("v.patch_embd.bias", hidden)
        tensor("v.position_embd.weight", (shape.image // PATCH) ** 2, hidden)
        tensor("v.post_ln.weight", hidden)
        tensor("v.post_ln.bias", hidden)
    else:
        tensor("v.pre_ln.weight", hidden)
    for il in range(LAYERS):
        block = f"v.blk.{il}."
        for norm in ("ln1", "ln2"):
            tensor(f"{block}{norm}.weight", hidden)
            if biased:
                tensor(f"{block}{norm}.bias", hidden)
        if kind == "qwen3_5":
            linear(f"{block}attn_qkv", hidden, 3 * hidden)
        else:
            for part in "qkv":
                linear(f"{block}attn_{part}", hidden, hidden)
        linear(f"{block}attn_out", hidden, hidden)
        linear(f"{block}ffn_up", hidden, FEED_FORWARD)
        linear(f"{block}ffn_down", FEED_FORWARD, hidden)
        if kind == "pixtral":
            linear(f"{block}ffn_gate", hidden, FEED_FORWARD)
    if kind == "qwen3_5":
        linear("mm.0", 4 * hidden, 4 * hidden)
        linear("mm.2", 4 * hidden, HIDDEN)
    elif kind == "gemma3":
        tensor("mm.input_projection.weight", hidden, HIDDEN)
        tensor("mm.soft_emb_norm.weight", hidden)
    else:
        tensor("v.token_embd.img_break", HIDDEN)
        tensor("mm.input_norm.weight", hidden)
        tensor("mm.patch_merger.weight", hidden, 4 * hidden)
        linear("mm.1", hidden, HIDDEN, bias=True)
        linear("mm.2", HIDDEN, HIDDEN, bias=True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
