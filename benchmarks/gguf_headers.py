"""Write the GGUF header of a model from its Architecture: metadata keys and tensors, no data.

The keys are those that llama.cpp b11434 asks for (load_hparams in src/llama-model.cpp, load_arch_hparams in
src/models/*.cpp); what has no bearing on memory (norm epsilons, scales, a vocabulary of numbers) is made up,
so that the real engine loads the header and says what it would allocate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import gguf
import numpy as np

from planner.models.architecture import Architecture, DenseFeedForward, LayerGroup, MixtureOfExperts
from planner.models.cache import (
    CompressedAttention,
    FullAttention,
    Indexer,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.models.tensors import TensorInfo

Attention = FullAttention | SlidingWindow
TypeOf = Callable[[str, TensorInfo], gguf.GGMLQuantizationType]


# Small or sensitive tensors that converters keep in F32, beside all of one dimension.
_KEPT: Final = ("ssm_conv", "ssm_a", "ssm_d", "shortconv.conv", "gate_inp", "norm", "bias", "scale", "hc_")


def f16(name: str, tensor: TensorInfo) -> gguf.GGMLQuantizationType:
    """The types of an F16 file."""
    if "tid2eid" in name:
        return gguf.GGMLQuantizationType.I32
    kept = len(tensor.shape) == 1 or any(word in name for word in _KEPT)
    return gguf.GGMLQuantizationType.F32 if kept else gguf.GGMLQuantizationType.F16


def q8_0(name: str, tensor: TensorInfo) -> gguf.GGMLQuantizationType:
    """The types of a Q8_0 file; rows that no block divides stay F16."""
    kind = f16(name, tensor)
    whole = kind is gguf.GGMLQuantizationType.F16 and tensor.row % 32 == 0
    return gguf.GGMLQuantizationType.Q8_0 if whole else kind


def plain_q4_k(name: str, tensor: TensorInfo) -> gguf.GGMLQuantizationType:
    """The types of a plain mix: Q6_K for embeddings and output, else Q4_K, Q5_0 for rows that no block divides."""
    kind = f16(name, tensor)
    if kind is not gguf.GGMLQuantizationType.F16:
        return kind
    if tensor.row % 256:
        return gguf.GGMLQuantizationType.Q5_0
    ends = name in ("token_embd.weight", "output.weight")
    return gguf.GGMLQuantizationType.Q6_K if ends else gguf.GGMLQuantizationType.Q4_K


# What a header is made of that is written for a test of the allocator, by the name under which its case is filed.
WRITTEN: Final[Mapping[str, TypeOf]] = {"F16": f16, "Q8_0": q8_0, "Q4_K_M": plain_q4_k}


def typed_tensors(arch: Architecture, type_of: TypeOf) -> tuple[TensorInfo, ...]:
    """The tensors that `write_header` writes, with their types."""
    groups = [(i, g) for g in arch.groups for i in g.layers]
    named = [*arch.tensors, *(replace(t, name=f"blk.{i}.{t.name}") for i, g in groups for t in g.tensors)]
    return tuple(replace(t, type=type_of(t.name, t).name) for t in named)


def write_header(path: Path, arch: Architecture, type_of: TypeOf = f16, *, vocabulary: bool = False) -> None:
    """Write `arch` as a GGUF header to `path`; with `vocabulary`, so that an engine can load it."""
    assert arch.gguf_arch is not None
    writer = gguf.GGUFWriter(path, arch.gguf_arch)
    groups = [g for g in arch.groups if g.in_gguf]
    layers = dict(sorted((il, g) for g in groups for il in g.layers))
    _metadata(writer, arch, layers)
    if vocabulary:
        _vocabulary(writer, arch.vocab_size)
        _incidentals(writer, arch, layers)
    for tensor in arch.tensors:
        _add(writer, tensor.name, tensor, type_of)
    for il, group in layers.items():
        for tensor in group.tensors:
            _add(writer, f"blk.{il}.{tensor.name}", tensor, type_of)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()


def _add(writer: gguf.GGUFWriter, name: str, tensor: TensorInfo, type_of: TypeOf) -> None:
    kind = type_of(name, tensor)
    block, width = gguf.GGML_QUANT_SIZES[kind]
    nbytes = tensor.elements // block * width
    # The package takes shapes in NumPy's order and, for quantised types, rows in bytes.
    shape = list(reversed(tensor.shape))
    if block > 1:
        shape[-1] = shape[-1] // block * width
        writer.add_tensor_info(name, shape, np.dtype(np.uint8), nbytes, raw_dtype=kind)
    else:
        writer.add_tensor_info(name, shape, np.dtype(np.float16), nbytes, raw_dtype=kind)


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
    elif name == "glm5-next":
        writer.add_rope_dimension_count(0)
    elif name == "granitehybrid":
        writer.add_rope_scaling_finetuned(False)
    caches = {il: g.caches for il, g in layers.items()}
    attention = {
        il: next((c for c in cs if not isinstance(c, RecurrentState)), None) for il, cs in caches.items()
    }
    recurrent = next((c for cs in caches.values() for c in cs if isinstance(c, RecurrentState)), None)
    _heads(writer, attention, recurrent, n_layer)
    if recurrent is not None:
        _recurrent(writer, str(name), recurrent, layers)
    _feed_forward(writer, str(name), layers)
    experts = [g.feed_forward for g in layers.values() if isinstance(g.feed_forward, MixtureOfExperts)]
    if experts:
        first = experts[0]
        writer.add_expert_count(first.n_expert)
        writer.add_expert_used_count(first.n_expert_used)
        if first.n_shared > 1 or (first.n_shared and name not in ("qwen2moe", "qwen3next", "qwen35moe")):
            writer.add_expert_shared_count(first.n_shared)
        if first.latent:
            writer.add_uint32(f"{name}.moe_latent_size", first.latent)  # Nemotron 3
            writer.add_uint32(f"{name}.expert_latent_length", first.latent)  # Kimi K3
    if name == "gemma4":
        shared = sum(1 for c in attention.values() if isinstance(c, Attention) and not c.owns_cache)
        writer.add_uint32(f"{name}.attention.shared_kv_layers", shared)


def _feed_forward(writer: gguf.GGUFWriter, name: str, layers: dict[int, LayerGroup]) -> None:
    lengths = []
    for group in layers.values():
        kind = group.feed_forward
        if isinstance(kind, DenseFeedForward):
            lengths.append(kind.intermediate)
        elif isinstance(kind, MixtureOfExperts):
            # Where a dense block stands beside the experts its length is the layer's, but for Arctic.
            dense = kind.dense_intermediate if name != "arctic" else 0
            lengths.append(dense or kind.intermediate)
        else:
            lengths.append(0)
    dense_only = {
        g.feed_forward.intermediate for g in layers.values() if isinstance(g.feed_forward, DenseFeedForward)
    }
    per_layer = name in ("nemotron_h", "nemotron_h_moe", "deci", "gemma3n", "gemma4")
    if not per_layer and len(dense_only) == 1:
        lengths = [*dense_only]
    writer.add_feed_forward_length(lengths if len(set(lengths)) > 1 else lengths[0])
    experts = [g.feed_forward for g in layers.values() if isinstance(g.feed_forward, MixtureOfExperts)]
    if not experts:
        return
    writer.add_expert_feed_forward_length(experts[0].intermediate)
    if experts[0].shared_intermediate:
        writer.add_expert_shared_feed_forward_length(experts[0].shared_intermediate)
    where = [il for il, g in layers.items() if isinstance(g.feed_forward, MixtureOfExperts)]
    writer.add_leading_dense_block_count(where[0])
    step = where[1] - where[0] if len(where) > 1 else 1
    writer.add_interleave_moe_layer_step(step)
    writer.add_moe_every_n_layers(step)


def _heads(
    writer: gguf.GGUFWriter,
    attention: Mapping[int, object],
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
        writer.add_value_length(compressed[0].head_dim)
        writer.add_sliding_window(compressed[0].window)
        writer.add_array(f"{name}.attention.compress_ratios", [c.ratio for c in compressed])
        _indexer(writer, name, next((c.indexer for c in compressed if c.indexer), None))
        return
    some = full or sliding
    absent = 0 if some is None or name == "deci" else some.n_head
    heads = [c.n_head if isinstance(c, Attention) else absent for c in attention.values()]
    kv = [c.n_head_kv if isinstance(c, Attention) else 0 for c in attention.values()]
    delta_net = recurrent is not None and recurrent.kind in ("gated_delta_net", "lightning")
    if some is None:
        return
    writer.add_head_count(heads if len(set(heads)) > 1 else heads[0])
    writer.add_head_count_kv(some.n_head_kv if len(set(kv)) == 1 or delta_net else kv)
    writer.add_key_length(some.head_dim_k)
    writer.add_value_length(some.head_dim_v)
    indexed = [c.indexer for c in attention.values() if isinstance(c, FullAttention) and c.indexer]
    _indexer(writer, name, indexed[0] if indexed else None)
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
    writer: gguf.GGUFWriter, name: str, c: LatentAttention, attention: Mapping[int, object], n_layer: int
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
    _indexer(writer, name, c.indexer)
    if c.indexer and c.indexer.rows > 1:
        writer.add_uint32(f"{name}.attention.indexer.kpool", 4)


def _indexer(writer: gguf.GGUFWriter, name: str, c: Indexer | None) -> None:
    if c is not None:
        writer.add_uint32(f"{name}.attention.indexer.head_count", c.n_head)
        writer.add_uint32(f"{name}.attention.indexer.key_length", c.head_dim)
        writer.add_uint32(f"{name}.attention.indexer.top_k", c.top_k)


def _recurrent(
    writer: gguf.GGUFWriter, name: str, state: RecurrentState, layers: dict[int, LayerGroup]
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
    shapes = {t.name: t.shape for g in layers.values() for t in g.tensors}
    dt_rank = shapes["ssm_x.weight"][1] - 2 * state.d_state if "ssm_x.weight" in shapes else 1
    writer.add_ssm_inner_size(state.d_inner)
    writer.add_ssm_state_size(state.d_state)
    writer.add_ssm_time_step_rank(state.n_head or dt_rank)
    if state.n_group:
        writer.add_ssm_group_count(state.n_group)


def _vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([f"t{i}" for i in range(size)])
    writer.add_token_types([1] * size)
    writer.add_token_merges(["t 1", "t 2"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


# Required by some architectures, read by no rule of memory. An unknown key is ignored by the engine.
_FLOATS: Final = {
    "attention.layer_norm_rms_epsilon": 1e-6,
    "attention.layer_norm_epsilon": 1e-6,
    "attention.group_norm_epsilon": 1e-6,
    "attention.clamp_kqv": 0.0,
    "attention.max_alibi_bias": 0.0,
    "attention.scale": 1.0,
    "attention.output_scale": 1.0,
    "attention.compress_rope_freq_base": 10000.0,
    "attn_logit_softcapping": 1.0,
    "router_logit_softcapping": 1.0,
    "final_logit_softcapping": 1.0,
    "logit_scale": 1.0,
    "residual_scale": 1.0,
    "embedding_scale": 1.0,
    "expert_weights_scale": 1.0,
    "rope.freq_base_swa": 10000.0,
    "swiglu_clamp_exp": 1.0,
    "hyper_connection.epsilon": 1e-6,
    "activation.situ_beta": 1.0,
    "activation.situ_linear_beta": 1.0,
    "kda.gate_lower_bound": -5.0,
}
_INTEGERS: Final = {
    "expert_shared_count": 0,
    "leading_dense_block_count": 0,
    "attention.indexer.block_size": 128,
    "attention.indexer.local_blocks": 1,
    "hyper_connection.sinkhorn_iterations": 20,
    "attn_res.block_size": 8,
    "embedding_length_per_layer_input": 0,
}


def _incidentals(writer: gguf.GGUFWriter, arch: Architecture, layers: dict[int, LayerGroup]) -> None:
    """Add what an engine insists on, as far as the shape doesn't say it already."""
    name = str(arch.gguf_arch)
    present = set(writer.kv_data[0])
    shapes = {t.name: t.shape for t in arch.tensors}
    for g in layers.values():
        shapes.update({t.name: t.shape for t in g.tensors})
    integers = dict(_INTEGERS)
    integers["expert_gating_func"] = 4 if name == "deepseek4" else 2
    if "per_layer_token_embd.weight" in shapes:
        integers["embedding_length_per_layer_input"] = shapes["per_layer_token_embd.weight"][0] // len(layers)
    if "index_q_proj.weight" in shapes or "indexer.q_proj.weight" in shapes:
        key, query = shapes["indexer.k_proj.weight"][1], shapes["indexer.q_proj.weight"][1]
        integers |= {"attention.indexer.key_length": key, "attention.indexer.head_count": query // key}
        integers["attention.indexer.top_k"] = 16
    if "attn_output_a.weight" in shapes:
        _, rank, groups = shapes["attn_output_a.weight"]
        integers |= {"attention.output_lora_rank": rank, "attention.output_group_count": groups}
        integers["attention.q_lora_rank"] = shapes["attn_q_a.weight"][1]
        hashed = [
            il for il, g in layers.items() if any(t.name == "ffn_gate_tid2eid.weight" for t in g.tensors)
        ]
        integers["hash_layer_count"] = len(hashed)
    if "output_hc_fn.weight" in shapes:
        integers["hyper_connection.count"] = shapes["output_hc_fn.weight"][1]
    elif "output_hc_down.weight" in shapes:
        wide, integers["hyper_connection.low_rank"] = shapes["output_hc_down.weight"]
        integers["hyper_connection.count"] = wide // arch.hidden_size
    for field, value in integers.items():
        if f"{name}.{field}" not in present:
            writer.add_uint32(f"{name}.{field}", value)
    for field, number in _FLOATS.items():
        if f"{name}.{field}" not in present:
            writer.add_float32(f"{name}.{field}", number)
    writer.add_bool(f"{name}.expert_weights_norm", True)
    writer.add_array(f"{name}.rope.dimension_sections", [11, 11, 10, 0])
    for part in ("alpha_n", "alpha_p", "beta", "eps"):
        writer.add_array(f"xielu.{part}", [1.0] * len(layers))
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
