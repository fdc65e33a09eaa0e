"""Feed-forward blocks in llama.cpp's graphs: dense, mixtures of experts, shared experts.

build_ffn and build_moe_ffn in src/llama-graph.cpp, llama.cpp b11434.
"""

from __future__ import annotations

from planner.engines.llama_cpp.graph.builder import Builder, Layer
from planner.engines.llama_cpp.graph.ggml.tensor import (
    Tensor,
    cont,
    get_rows,
    glu,
    mul_mat,
    mul_mat_id,
    repeat,
    reshape,
    same,
    sum_rows,
    top_k,
    view,
)
from planner.models.architecture import MixtureOfExperts


def dense(b: Builder, layer: Layer, cur: Tensor, suffix: str = "") -> Tensor:
    """build_ffn: gated, or an activation alone; `suffix` "_shexp" for shared experts."""
    up = b.linear(layer, "ffn_up" + suffix, cur)
    down = "ffn_down" + suffix
    if "ffn_gate" + suffix + ".weight" in layer:
        gate = b.linear(layer, "ffn_gate" + suffix, cur)
        cur = bounded(gate, up) if b.traits.bounded_gate else glu(gate, up)
    elif up.ne[0] == 2 * layer.need(down + ".weight").ne[0]:
        cur = glu(up)
    else:
        cur = same("unary", up)
        if b.traits.squared:
            cur = same("sqr", cur)
    return b.linear(layer, down, cur)


def bounded(gate: Tensor, up: Tensor) -> Tensor:
    """Kimi K3's activation: tanh times sigmoid of the gate, times tanh of the other half."""

    def squeezed(cur: Tensor) -> Tensor:
        return same("scale", same("unary", same("scale", cur)))

    return same("mul", same("mul", squeezed(gate), same("unary", gate)), squeezed(up))


def experts(
    b: Builder, layer: Layer, cur: Tensor, logits: Tensor | None = None, chosen: Tensor | None = None
) -> Tensor:
    """build_moe_ffn: route, multiply by the chosen experts, add their weighted results up."""
    mixture = layer.group.feed_forward
    assert isinstance(mixture, MixtureOfExperts)
    used = mixture.n_expert_used
    width, n = cur.ne[0], cur.ne[1]
    if logits is None:
        logits = mul_mat(layer.need("ffn_gate_inp.weight"), cur)
        bias = layer.get("ffn_gate_inp.bias")
        if bias is not None:
            logits = same("add", logits, bias)
    n_expert = logits.ne[0]
    gating, normed, scaled = b.traits.gating, b.traits.normed_weights, b.traits.scaled_weights
    if b.traits.biased_routing and "exp_probs_b.bias" not in layer:
        gating, normed, scaled = "softmax", False, False
    probs = logits
    if gating == "softmax":
        probs = same("soft_max", logits)
    elif gating == "sigmoid":
        probs = same("unary", logits)
    elif gating == "softplus":
        probs = same("sqrt", same("unary", logits))
    selection = probs
    bias = layer.get("exp_probs_b.bias") or layer.get("exp_probs_b")
    if bias is not None:
        selection = same("add", probs, bias)
    if b.traits.weights_first:
        selection = logits
    if chosen is None:
        chosen = top_k(selection, used)
    weights = get_rows(reshape(probs, 1, n_expert, n), chosen)
    if gating == "softmax_weight":
        weights = reshape(same("soft_max", reshape(weights, used, n)), 1, used, n)
    if normed:
        flat = reshape(weights, used, n)
        total = same("clamp", sum_rows(flat))
        weights = reshape(same("div", flat, total), 1, used, n)
    if scaled:
        weights = same("scale", weights)
    b.graph.expand(weights)
    cur = reshape(cur, width, 1, n)
    if b.traits.weights_first:
        cur = same("mul", repeat(cur, width, used, n), weights)
    cur = _through(b, layer, cur, chosen)
    if not b.traits.weights_first:
        cur = same("mul", cur, weights)
    b.graph.expand(cur)
    parts = [view(cur, (cur.ne[0], n), (cur.nb[2],), i * cur.nb[1]) for i in range(used)]
    for part in parts:
        b.graph.expand(part)
    total = parts[0]
    for part in parts[1:]:
        total = Tensor("add", total.kind, total.ne, (total, part))
        b.graph.expand(total)
    return cont(total) if used == 1 else total


def _through(b: Builder, layer: Layer, cur: Tensor, chosen: Tensor) -> Tensor:
    """The chosen experts' up, gate and down products."""

    def product(name: str, source: Tensor) -> Tensor:
        result = mul_mat_id(layer.need(name + ".weight"), source, chosen)
        scale, bias = layer.get(name + ".scale"), layer.get(name + ".bias")
        if scale is not None:
            result = _expert_scale(result, scale, chosen)
        return result if bias is None else Tensor("add_id", result.kind, result.ne, (result, bias, chosen))

    if "ffn_gate_up_exps.weight" in layer:
        both = product("ffn_gate_up_exps", cur)
        half = (both.ne[0] // 2, both.ne[1], both.ne[2])
        gate = view(both, half, both.nb[1:3])
        up = view(both, half, both.nb[1:3], half[0] * both.nb[0])
        cur = glu(gate, up)
    else:
        up = product("ffn_up_exps", cur)
        if "ffn_gate_exps.weight" in layer:
            gate = product("ffn_gate_exps", cur)
            if b.traits.clamps_if_said and b.arch.clamped_experts:
                cur = same("mul", same("unary", gate), up)  # clamps are views of what they bound
            else:
                cur = bounded(gate, up) if b.traits.bounded_gate else glu(gate, up)
        else:
            cur = same("unary", up)
            if b.traits.squared:
                cur = same("sqr", cur)
    result = product("ffn_down_exps", cur)
    if b.traits.precise_down:
        result.op = "mul_mat_id_f32"
    return result


def _expert_scale(cur: Tensor, scale: Tensor, chosen: Tensor) -> Tensor:
    """build_lora_mm_id's scale of each expert (NVFP4, Gemma 4)."""
    n = cur.ne[2]
    rows = repeat(reshape(scale, 1, scale.ne[0], 1), 1, scale.ne[0], n)
    return same("mul", cur, get_rows(rows, chosen))


def shared(b: Builder, layer: Layer, cur: Tensor) -> Tensor:
    """The experts that every token passes, with their own gate where the model has one."""
    result = dense(b, layer, cur, "_shexp")
    gate = layer.get("ffn_gate_inp_shexp.weight")
    if gate is not None:
        result = same("mul", result, same("unary", mul_mat(gate, cur)))
    return result


def feed_forward(b: Builder, layer: Layer, cur: Tensor) -> Tensor:
    """The layer's feed-forward, whichever tensors it has."""
    if "ffn_gate_inp.weight" not in layer:
        return dense(b, layer, cur)
    routed = experts(b, layer, cur)
    if "ffn_up_shexp.weight" in layer:
        return same("add", routed, shared(b, layer, cur))
    if "ffn_up.weight" in layer:  # Grok: a dense block beside the experts
        return same("scale", same("add", dense(b, layer, cur), routed))
    return routed
