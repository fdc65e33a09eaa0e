"""Write the GGUF header that llama.cpp's converter makes of a model: metadata keys and tensors, no data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np

from planner.models.architecture import Architecture, LayerGroup, MixtureOfExperts
from planner.models.cache import (
    CompressedAttention,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.models.tensors import TensorInfo

Attention = FullAttention | SlidingWindow
TypeOf = Callable[[str, TensorInfo], gguf.GGMLQuantizationType]


def _float(name: str, tensor: TensorInfo) -> gguf.GGMLQuantizationType:
    return gguf.GGMLQuantizationType.F16 if len(tensor.shape) > 1 else gguf.GGMLQuantizationType.F32


def write_header(path: Path, arch: Architecture, type_of: TypeOf = _float, *, sparse: bool = False) -> None:
    """Write `arch` as a GGUF header to `path`; with `sparse`, a file of the full size without data."""
    assert arch.gguf_arch is not None
    writer = gguf.GGUFWriter(path, arch.gguf_arch)
    groups = [g for g in arch.groups if g.in_gguf]
    layers = dict(sorted((il, g) for g in groups for il in g.layers))
    _metadata(writer, arch, layers)
    size = 0
    for tensor in arch.tensors:
        size += _add(writer, tensor.name, tensor, type_of)
    for il, group in layers.items():
        for tensor in group.tensors:
            size += _add(writer, f"blk.{il}.{tensor.name}", tensor, type_of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    if sparse:
        with path.open("r+b") as file:
            file.truncate(-(-path.stat().st_size // 32) * 32 + size)


def _add(writer: gguf.GGUFWriter, name: str, tensor: TensorInfo, type_of: TypeOf) -> int:
    kind = type_of(name, tensor)
    block, width = gguf.GGML_QUANT_SIZES[kind]
    nbytes = tensor.elements // block * width
    # The package takes shapes in NumPy's order and, for quantised types, rows in bytes.
    shape = list(reversed(tensor.shape))
    if block > 1:
        shape[-1] = shape[-1] // block * width
        writer.add_tensor_info(name, shape, np.dtype(np.uint8), nbytes, raw_dtype=kind)
    else:
        dtype = np.dtype(np.float32 if kind == gguf.GGMLQuantizationType.F32 else np.float16)
        writer.add_tensor_info(name, shape, dtype, nbytes, raw_dtype=kind)
    return -(-nbytes // 32) * 32


def _metadata(writer: gguf.GGUFWriter, arch: Architecture, layers: dict[int, LayerGroup]) -> None:
    name = arch.gguf_arch
    n_layer = len(layers)
    writer.add_block_count(n_layer)
    writer.add_context_length(arch.n_ctx_train)
    writer.add_embedding_length(arch.hidden_size)
    writer.add_vocab_size(arch.vocab_size)
    mtp = sum(g.mtp for g in layers.values())
    if mtp:
        writer.add_uint32(f"{name}.nextn_predict_layers", mtp)
    if arch.rope is not None:
        writer.add_rope_dimension_count(arch.rope.rotary_dim)
    elif name == "granitehybrid":
        writer.add_rope_scaling_finetuned(False)
    caches = {il: g.caches for il, g in layers.items()}
    attention = {
        il: next((c for c in cs if not isinstance(c, RecurrentState)), None) for il, cs in caches.items()
    }
    recurrent = next((c for cs in caches.values() for c in cs if isinstance(c, RecurrentState)), None)
    _heads(writer, attention, recurrent, n_layer)
    if recurrent is not None:
        _recurrent(writer, str(name), recurrent, attention)
    experts = {il: g.feed_forward for il, g in layers.items() if isinstance(g.feed_forward, MixtureOfExperts)}
    if experts:
        first = next(iter(experts.values()))
        writer.add_expert_count(first.n_expert)
        writer.add_expert_used_count(first.n_expert_used)
        if first.n_shared > 1 or (first.n_shared and name not in ("qwen2moe", "qwen3next", "qwen35moe")):
            writer.add_expert_shared_count(first.n_shared)
        if first.latent:
            writer.add_uint32(f"{name}.moe_latent_size", first.latent)
    if name == "gemma4":
        shared = sum(1 for c in attention.values() if isinstance(c, Attention) and not c.owns_cache)
        writer.add_uint32(f"{name}.attention.shared_kv_layers", shared)


def _heads(
    writer: gguf.GGUFWriter,
    attention: dict[int, object],
    recurrent: RecurrentState | None,
    n_layer: int,
) -> None:
    name = writer.arch
    latent = next((c for c in attention.values() if isinstance(c, LatentAttention)), None)
    compressed = [c for c in attention.values() if isinstance(c, CompressedAttention)]
    full = next((c for c in attention.values() if isinstance(c, FullAttention)), None)
    sliding = next((c for c in attention.values() if isinstance(c, SlidingWindow)), None)
    if latent is not None:
        _latent(writer, name, latent, attention, n_layer)
        return
    if compressed:
        writer.add_head_count(compressed[0].n_head)
        writer.add_head_count_kv(1)
        writer.add_key_length(compressed[0].head_dim)
        writer.add_sliding_window(compressed[0].window)
        writer.add_array(f"{name}.attention.compress_ratios", [c.ratio for c in compressed])
        indexer = next((c.indexer for c in compressed if c.indexer), None)
        if indexer:
            writer.add_uint32(f"{name}.attention.indexer.head_count", indexer.n_head)
            writer.add_uint32(f"{name}.attention.indexer.key_length", indexer.head_dim)
            writer.add_uint32(f"{name}.attention.indexer.top_k", indexer.top_k)
        return
    some = full or sliding
    heads = [c.n_head if isinstance(c, Attention) else some.n_head if some else 0 for c in attention.values()]
    kv = [c.n_head_kv if isinstance(c, Attention) else 0 for c in attention.values()]
    delta_net = recurrent is not None and recurrent.kind in ("gated_delta_net", "lightning")
    if some is None:
        return
    writer.add_head_count(heads if len(set(heads)) > 1 else heads[0])
    writer.add_head_count_kv(some.n_head_kv if len(set(kv)) == 1 or delta_net else kv)
    writer.add_key_length(some.head_dim_k)
    writer.add_value_length(some.head_dim_v)
    if sliding is not None:
        writer.add_sliding_window(sliding.window)
        writer.add_sliding_window_pattern([isinstance(c, SlidingWindow) for c in attention.values()])
        if full is not None and (full.head_dim_k, full.head_dim_v) != (
            sliding.head_dim_k,
            sliding.head_dim_v,
        ):
            writer.add_uint32(f"{name}.attention.key_length_swa", sliding.head_dim_k)
            writer.add_uint32(f"{name}.attention.value_length_swa", sliding.head_dim_v)


def _latent(
    writer: gguf.GGUFWriter, name: str, c: LatentAttention, attention: dict[int, object], n_layer: int
) -> None:
    writer.add_head_count(c.n_head)
    kv = [1 if isinstance(attention[il], LatentAttention) else 0 for il in range(n_layer)]
    writer.add_head_count_kv(1 if all(kv) else kv)
    writer.add_kv_lora_rank(c.kv_lora_rank)
    if c.q_lora_rank:
        writer.add_q_lora_rank(c.q_lora_rank)
    writer.add_key_length(c.kv_lora_rank + c.qk_rope_head_dim)
    writer.add_value_length(c.kv_lora_rank)
    writer.add_key_length_mla(c.qk_nope_head_dim + c.qk_rope_head_dim)
    writer.add_value_length_mla(c.v_head_dim)
    if c.indexer:
        writer.add_uint32(f"{name}.attention.indexer.head_count", c.indexer.n_head)
        writer.add_uint32(f"{name}.attention.indexer.key_length", c.indexer.head_dim)
        writer.add_uint32(f"{name}.attention.indexer.top_k", c.indexer.top_k)


def _recurrent(
    writer: gguf.GGUFWriter, name: str, state: RecurrentState, attention: dict[int, object]
) -> None:
    if state.kind == "short_conv":
        writer.add_uint32(f"{name}.shortconv.l_cache", state.conv_kernel)
        return
    if state.kind == "lightning":
        return
    writer.add_ssm_conv_kernel(state.conv_kernel)
    if state.kind == "kda":
        writer.add_uint32(f"{name}.kda.head_dim", state.head_dim)
        return
    writer.add_ssm_inner_size(state.d_inner)
    writer.add_ssm_state_size(state.d_state)
    writer.add_ssm_time_step_rank(state.n_head or max(state.d_inner // 16, 1))
    if state.n_group:
        writer.add_ssm_group_count(state.n_group)
