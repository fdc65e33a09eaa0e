"""A real model of a few MB with random weights, small enough to be loaded and run in a test."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

HIDDEN, HEADS, KV_HEADS, FEED_FORWARD, LAYERS, VOCAB, CONTEXT = 256, 4, 2, 512, 4, 300, 2048


def write_tiny(path: Path, *, layers: int = LAYERS, header_only: bool = False) -> None:
    """Write a Llama of four layers (or so many) in F16 that llama.cpp loads and answers with (nonsense)."""
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_string("general.base_model.0.repo_url", "https://huggingface.co/someone/tiny")
    writer.add_block_count(layers)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_vocab_size(VOCAB)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    _vocabulary(writer)

    def tensor(name: str, *shape: int) -> None:
        kind = np.float16 if len(shape) > 1 else np.float32
        writer.add_tensor(name, (rng.standard_normal(shape) * 0.02).astype(kind))

    tensor("token_embd.weight", VOCAB, HIDDEN)
    tensor("output_norm.weight", HIDDEN)
    tensor("output.weight", VOCAB, HIDDEN)
    kv = KV_HEADS * HIDDEN // HEADS
    for il in range(layers):
        tensor(f"blk.{il}.attn_norm.weight", HIDDEN)
        tensor(f"blk.{il}.attn_q.weight", HIDDEN, HIDDEN)
        tensor(f"blk.{il}.attn_k.weight", kv, HIDDEN)
        tensor(f"blk.{il}.attn_v.weight", kv, HIDDEN)
        tensor(f"blk.{il}.attn_output.weight", HIDDEN, HIDDEN)
        tensor(f"blk.{il}.ffn_norm.weight", HIDDEN)
        tensor(f"blk.{il}.ffn_gate.weight", FEED_FORWARD, HIDDEN)
        tensor(f"blk.{il}.ffn_up.weight", FEED_FORWARD, HIDDEN)
        tensor(f"blk.{il}.ffn_down.weight", HIDDEN, FEED_FORWARD)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    if header_only:
        writer.write_ti_data_to_file()
    else:
        writer.write_tensors_to_file()
    writer.close()


def _vocabulary(writer: gguf.GGUFWriter) -> None:
    words = [f"▁w{i}".encode() for i in range(VOCAB - 259)]
    tokens = [b"<unk>", b"<s>", b"</s>", *(f"<0x{i:02X}>".encode() for i in range(256)), *words]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * VOCAB)
    writer.add_token_types([2, 3, 3, *[6] * 256, *[1] * len(words)])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
