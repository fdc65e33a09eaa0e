"""A GGUF header of an encoder, made from its Architecture: what the real llama.cpp sizes without its weights."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from planner.models.architecture import Architecture, MixtureOfExperts
from planner.models.cache import FullAttention, SlidingWindow
from planner.models.gguf.header import read_gguf

_F32 = ("norm", "bias", "position_embd", "token_types", "ffn_gate_inp")
_MEAN = 1


def write_encoder(path: Path, arch: Architecture, *, whole: bool = False) -> None:
    """Write a header in F16 with the architecture's tensors and what llama.cpp asks of its metadata.

    `whole`: with data as long as it says, all zeros, so that it is loaded and answers.
    """
    assert arch.gguf_arch is not None
    writer = gguf.GGUFWriter(path, arch.gguf_arch)
    writer.add_name("encoder")
    writer.add_block_count(arch.n_layer)
    writer.add_context_length(arch.n_ctx_train)
    writer.add_embedding_length(arch.hidden_size)
    writer.add_vocab_size(arch.vocab_size)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType(_MEAN))
    writer.add_layer_norm_eps(1e-12)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    specs = [s for g in arch.groups for s in g.caches]
    first = specs[0]
    assert isinstance(first, FullAttention | SlidingWindow)
    writer.add_head_count(first.n_head)
    writer.add_head_count_kv(first.n_head_kv)
    writer.add_key_length(first.head_dim_k)
    writer.add_value_length(first.head_dim_v)
    if window := next((s.window for s in specs if isinstance(s, SlidingWindow)), 0):
        writer.add_sliding_window(window)
    feeds = [g.feed_forward for g in arch.groups]
    writer.add_feed_forward_length(max(f.intermediate for f in feeds if hasattr(f, "intermediate")))
    for feed in feeds:
        if isinstance(feed, MixtureOfExperts):
            writer.add_expert_count(feed.n_expert)
            writer.add_expert_used_count(feed.n_expert_used)
            writer.add_moe_every_n_layers(2)
    kinds = next((t.shape[1] for t in arch.tensors if t.name == "token_types.weight"), 0)
    writer.add_token_type_count(kinds)
    _vocabulary(writer, arch.vocab_size)
    for tensor in arch.tensors:
        _tensor(writer, tensor.name, tensor.shape)
    for group in arch.groups:
        for layer in group.layers:
            for tensor in group.tensors:
                _tensor(writer, f"blk.{layer}.{tensor.name}", tensor.shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    if whole:
        header = read_gguf(path)
        last = header.tensors[-1]
        with path.open("r+b") as file:
            file.truncate(header.data_offset + last.offset + last.nbytes)


def _tensor(writer: gguf.GGUFWriter, name: str, shape: tuple[int, ...]) -> None:
    kind = np.dtype(np.float32 if any(part in name for part in _F32) else np.float16)
    size = int(np.prod(shape)) * kind.itemsize
    writer.add_tensor_info(name, list(reversed(shape)), kind, size)


def _vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    special = [b"[PAD]", b"[UNK]", b"[CLS]", b"[SEP]", b"[MASK]"]
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([*special, *(f"▁w{i}".encode() for i in range(size - len(special)))])
    writer.add_token_types([3] * len(special) + [1] * (size - len(special)))
    writer.add_pad_token_id(0)
    writer.add_unk_token_id(1)
    writer.add_bos_token_id(2)
    writer.add_sep_token_id(3)
