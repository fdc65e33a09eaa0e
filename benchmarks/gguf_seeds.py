"""Small GGUF headers of the shapes that take different paths through the reader, built in memory."""

from __future__ import annotations

import struct
from collections.abc import Sequence

STRING, ARRAY, U32, BOOL = 8, 9, 4, 7


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def _pair(key: str, value: int | str | Sequence[int] | Sequence[str]) -> bytes:
    if isinstance(value, str):
        return _text(key) + struct.pack("<I", STRING) + _text(value)
    if isinstance(value, int):
        return _text(key) + struct.pack("<II", U32, value)
    texts = [v for v in value if isinstance(v, str)]
    if texts:
        return _text(key) + struct.pack("<IIQ", ARRAY, STRING, len(texts)) + b"".join(_text(v) for v in texts)
    numbers = [v for v in value if isinstance(v, int)]
    return _text(key) + struct.pack(f"<IIQ{len(numbers)}I", ARRAY, U32, len(numbers), *numbers)


def _seed(arch: str, keys: dict[str, int | Sequence[int]], tensors: dict[str, tuple[int, ...]]) -> bytes:
    pairs = [
        _pair("general.architecture", arch),
        _pair("general.file_type", 15),
        _pair("tokenizer.ggml.tokens", ["a", "bc", "def"]),
        *(_pair(f"{arch}.{key}", value) for key, value in keys.items()),
    ]
    infos, offset = b"", 0
    for name, shape in tensors.items():
        infos += _text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        infos += struct.pack("<IQ", 0, offset)
        size = 4
        for extent in shape:
            size *= extent
        offset += -(-size // 32) * 32
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    return head + b"".join(pairs) + infos


def seeds() -> list[bytes]:
    """Small headers of the shapes that take different paths: dense, experts, latent, recurrent, sliding."""
    base: dict[str, int | Sequence[int]] = {
        "block_count": 1,
        "embedding_length": 8,
        "context_length": 64,
        "attention.head_count": 2,
        "attention.head_count_kv": 1,
    }
    outside = {"token_embd.weight": (8, 3), "output_norm.weight": (8,)}
    attention = {"blk.0.attn_q.weight": (8, 8), "blk.0.attn_k.weight": (8, 4), "blk.0.attn_v.weight": (8, 4)}
    dense = {"blk.0.ffn_up.weight": (8, 16), "blk.0.ffn_down.weight": (16, 8)}
    experts = {"blk.0.ffn_up_exps.weight": (8, 4, 2), "blk.0.ffn_down_exps.weight": (4, 8, 2)}
    return [
        _seed("llama", base, {**outside, **attention, **dense}),
        _seed("qwen3moe", {**base, "expert_used_count": 1}, {**outside, **attention, **experts}),
        _seed(
            "gpt-oss",
            {**base, "attention.sliding_window": 4, "expert_used_count": [1]},
            {**outside, **attention, **experts},
        ),
        _seed(
            "deepseek2",
            {
                **base,
                "attention.kv_lora_rank": 4,
                "attention.key_length_mla": 4,
                "attention.value_length_mla": 4,
                "rope.dimension_count": 2,
            },
            {**outside, "blk.0.attn_kv_a_mqa.weight": (8, 6), **dense},
        ),
        _seed(
            "granitehybrid",
            {
                **base,
                "attention.head_count_kv": [0],
                "ssm.inner_size": 16,
                "ssm.state_size": 4,
                "ssm.time_step_rank": 2,
                "ssm.group_count": 1,
                "ssm.conv_kernel": 4,
            },
            {**outside, "blk.0.ssm_conv1d.weight": (4, 24), **dense},
        ),
        _seed("clip", {"vision.block_count": 2}, {"v.patch_embd.weight": (4, 4)}),
    ]
