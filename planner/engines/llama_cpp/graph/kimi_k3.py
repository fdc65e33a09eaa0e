"""Kimi K3's layers in llama.cpp's graphs: attention over residuals that earlier layers left behind.

src/models/kimi-k3.cpp, llama.cpp b11434. Every eighth layer banks what goes into it; each block starts from a
weighted mean of the banked residuals and of the current one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from planner.engines.llama_cpp.graph.builder import Builder, Layer
from planner.engines.llama_cpp.graph.feed_forward import experts, feed_forward, shared
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F32,
    Tensor,
    concat,
    cont,
    mul_mat,
    reshape,
    same,
    sum_rows,
    view,
)

BANKED_EVERY: Final = 8  # attn_res.block_size of the released model
Mix = Callable[[Builder, Layer, Tensor], Tensor]


def kimi_k3_layer(b: Builder, layer: Layer, inp: Tensor, mix: Mix) -> Tensor:
    """One layer; `mix` is its attention."""
    cur = mean(b, inp, layer.need("attn_res_score.weight"))
    banks = layer.index % BANKED_EVERY == 0
    if banks:
        banked = reshape(inp, inp.ne[0], 1, inp.ne[1])
        b.banked = banked if b.banked is None else concat(b.banked, banked, 1)
    cur = b.graph.expand(b.norm(cur, layer, "attn_norm"))
    cur = mix(b, layer, cur)
    total = cur if banks else same("add", inp, cur)
    cur = b.norm(mean(b, total, layer.need("ffn_res_score.weight")), layer, "ffn_norm")
    down = layer.get("ffn_routed_down.weight")
    if down is None:
        return same("add", total, feed_forward(b, layer, cur))
    narrow = mul_mat(down, cur)
    logits = mul_mat(layer.need("ffn_gate_inp.weight"), cur)
    routed = b.norm(experts(b, layer, narrow, logits), layer, "ffn_routed_norm")
    routed = mul_mat(layer.need("ffn_routed_up.weight"), routed)
    return same("add", total, same("add", routed, shared(b, layer, cur)))


def mean(b: Builder, cur: Tensor, score: Tensor) -> Tensor:
    """res_mix: the banked residuals and the current one, weighted by their scores."""
    bank = b.banked
    if bank is None:
        return cur
    n = cur.ne[1]
    banked = sum_rows(same("mul", same("rms_norm", bank), score))
    banked = reshape(banked, bank.ne[1], n)
    current = sum_rows(same("mul", same("rms_norm", cur), score))
    shares = same("soft_max", concat(banked, current, 0))
    row, end = shares.nb[1], bank.ne[1] * shares.nb[0]
    of_bank, of_cur = cont(view(shares, (bank.ne[1], n), (row,))), cont(view(shares, (1, n), (row,), end))
    total = Tensor("hc_pre", F32, (bank.ne[0], n, 1, 1), (bank, of_bank))
    return same("add", total, same("mul", cur, of_cur))
