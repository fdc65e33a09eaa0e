"""What Gemma 3n's and Gemma 4's graphs add: per-layer inputs, alternating updates, two feed-forwards.

src/models/gemma3n.cpp and gemma4.cpp, llama.cpp b11434. Operations that always overwrite their source are
left out where another one follows.
"""

from __future__ import annotations

from planner.engines.llama_cpp.graph.attention import attention
from planner.engines.llama_cpp.graph.builder import Builder, Layer
from planner.engines.llama_cpp.graph.feed_forward import dense, experts
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F32,
    I32,
    Tensor,
    concat,
    cont,
    get_rows,
    mul_mat,
    permute,
    repeat,
    reshape,
    same,
    sum_rows,
    transpose,
    view,
)
from planner.engines.llama_cpp.traits import RowsDropped
from planner.models.cache import FullAttention, SlidingWindow


def per_layer_inputs(b: Builder, cur: Tensor) -> Tensor:
    """build_inp_per_layer and project_per_layer_inputs: (width, tokens, layers)."""
    n, outside = b.batch.n_tokens, b.outside
    width = outside.need("per_layer_proj_norm.weight").ne[0]
    if b.context.build.inputs_first and b.traits.crops_early:
        rows = looked_up(b)
        layers = rows.ne[0] // width
        rows = reshape(same("scale", rows), width, layers, n)
    else:
        rows = get_rows(outside.need("per_layer_token_embd.weight"), b.input("per_layer_tokens", I32, n))
        layers = rows.ne[0] // width
        rows = b.graph.expand(same("scale", reshape(rows, width, layers, n)))
    projected = same("scale", mul_mat(outside.need("per_layer_model_proj.weight"), cur))
    projected = b.norm(reshape(projected, width, layers, n), outside, "per_layer_proj_norm")
    joined = same("scale", same("add", projected, rows))
    return cont(permute(joined, 0, 2, 1, 3))


def looked_up(b: Builder) -> Tensor:
    """The rows of the layers' own embeddings; b11549 asks for them before all else, so that they stay on the host."""

    def make() -> Tensor:
        tokens = b.input("per_layer_tokens", I32, b.batch.n_tokens)
        return b.graph.expand(get_rows(b.outside.need("per_layer_token_embd.weight"), tokens))

    return b.once("per_layer_rows", make)


def slice_2d(cur: Tensor, index: int) -> Tensor:
    """Return one matrix of a stack."""
    return view(cur, cur.ne[:2], (cur.nb[1],), index * cur.nb[2])


def _through_inputs(
    b: Builder, layer: Layer, cur: Tensor, inputs: Tensor, *, cropped: bool = False
) -> Tensor:
    """Gate this layer's own inputs by the hidden state and project them back; `cropped`: of some tokens alone."""
    cur = same("unary", mul_mat(layer.need("inp_gate.weight"), cur))
    own = slice_2d(inputs, min(layer.index, inputs.ne[2] - 1))
    if cropped:
        (own,) = b.select(own)
    cur = same("mul", cur, own)
    return b.norm(mul_mat(layer.need("proj.weight"), cur), layer, "post_norm")


def two_feed_forwards(b: Builder, layer: Layer, joined: Tensor) -> Tensor:
    """Gemma 4's dense block beside its experts, each between norms of its own."""
    fed = dense(b, layer, b.norm(joined, layer, "ffn_norm"))
    fed = b.norm(fed, layer, "post_ffw_norm_1")
    entered = b.norm(joined, layer, "pre_ffw_norm_2")
    routed = same("mul", same("scale", same("rms_norm", joined)), layer.need("ffn_gate_inp.scale"))
    logits = mul_mat(layer.need("ffn_gate_inp.weight"), routed)
    chosen = experts(b, layer, entered, logits)
    return same("add", fed, b.norm(chosen, layer, "post_ffw_norm_2"))


def gemma4_tail(b: Builder, layer: Layer, cur: Tensor, inputs: Tensor | None) -> Tensor:
    """The layer's own inputs and its scale, after the feed-forward."""
    if inputs is not None:
        cropped = layer.last and b.traits.rows_dropped is RowsDropped.AFTER_LAST_ATTENTION
        cur = same("add", cur, _through_inputs(b, layer, cur, inputs, cropped=cropped))
    scale = layer.get("layer_output_scale.weight")
    return cur if scale is None else same("mul", cur, scale)


# Gemma 3n


def _magnitude(cur: Tensor) -> Tensor:
    return same("sqrt", sum_rows(same("sqr", cur)))


def spread(b: Builder, cur: Tensor) -> Tensor:
    """Make the stack of alternating inputs from the embeddings."""
    stack = b.outside.need("altup_proj.weight")
    n, width = b.batch.n_tokens, cur.ne[0]
    target = _magnitude(cur)
    added = mul_mat(stack, repeat(cur, width, n, stack.ne[2]))
    fresh = _magnitude(added)
    return concat(cur, same("div", same("mul", added, target), fresh), 2)


def gather(b: Builder, cur: Tensor) -> Tensor:
    """Join the stack again before the output norm."""
    target = _magnitude(slice_2d(cur, 0))
    rest = view(cur, (cur.ne[0], cur.ne[1], cur.ne[2] - 1), cur.nb[1:3], cur.nb[2])
    back = mul_mat(b.outside.need("altup_unembd_proj.weight"), rest)
    fresh = _magnitude(back)
    back = same("div", same("mul", back, target), fresh)
    total = slice_2d(cur, 0)
    for i in range(back.ne[2]):
        total = same("add", total, slice_2d(back, i))
    (picked,) = b.select(same("scale", total))
    return picked


def _modalities(b: Builder, layer: Layer, cur: Tensor) -> Tensor:
    routed = same("scale", b.norm(cur, layer, "altup_router_norm"))
    return same("unary", mul_mat(layer.need("altup_router.weight"), routed))


def _predict(b: Builder, layer: Layer, stack: Tensor) -> Tensor:
    n, ways = b.batch.n_tokens, stack.ne[2]
    coefficients = mul_mat(layer.need("altup_predict_coef.weight"), _modalities(b, layer, slice_2d(stack, 0)))
    coefficients = reshape(coefficients, ways, ways, n)
    turned = cont(permute(stack, 1, 2, 0, 3))
    return same("add", cont(permute(mul_mat(turned, coefficients), 0, 2, 1, 3)), stack)


def _correct(b: Builder, layer: Layer, predictions: Tensor, activated: Tensor) -> Tensor:
    n, ways = b.batch.n_tokens, predictions.ne[2]
    modalities = _modalities(b, layer, activated)
    innovation = same("sub", activated, slice_2d(predictions, 0))
    coefficients = same("scale", mul_mat(layer.need("altup_correct_coef.weight"), modalities))
    coefficients = cont(transpose(coefficients), 1, n, ways)
    innovation = repeat(innovation, activated.ne[0], n, ways)
    return same("add", same("mul", innovation, coefficients), predictions)


def _sparse(cur: Tensor) -> Tensor:
    """gaussian_topk: keep what lies well above the mean."""
    mean = Tensor("mean", F32, (1, *cur.ne[1:]), (cur,))
    spread_out = same("sqrt", same("scale", sum_rows(same("sqr", same("sub", cur, mean)))))
    cutoff = same("add", mean, same("scale", spread_out))
    return same("unary", same("sub", cur, cutoff))


def gemma3n_layer(b: Builder, layer: Layer, stack: Tensor, inputs: Tensor) -> Tensor:
    """One layer of Gemma 3n over the stack of alternating inputs."""
    predictions = _predict(b, layer, stack)
    active = slice_2d(predictions, 0)
    cur = b.norm(active, layer, "attn_norm")
    laurel = mul_mat(layer.need("laurel_r.weight"), mul_mat(layer.need("laurel_l.weight"), cur))
    laurel = same("add", b.norm(laurel, layer, "laurel_post_norm"), cur)
    spec = layer.caches[0]
    assert isinstance(spec, FullAttention | SlidingWindow)
    cur = b.norm(attention(b, layer, spec, cur), layer, "post_attention_norm")
    cur = same("scale", same("add", same("add", cur, active), laurel))
    entered = b.norm(cur, layer, "ffn_norm")
    up = mul_mat(layer.need("ffn_up.weight"), entered)
    gate = mul_mat(layer.need("ffn_gate.weight"), entered)
    if layer.index < b.traits.sparse_until:
        gate = _sparse(gate)
    fed = mul_mat(layer.need("ffn_down.weight"), same("mul", up, same("unary", gate)))
    fed = same("add", b.norm(fed, layer, "post_ffw_norm"), cur)
    corrected = _correct(b, layer, predictions, fed)
    first = same("mul", slice_2d(corrected, 0), layer.need("altup_correct_scale.weight"))
    first = _through_inputs(b, layer, first, inputs)
    rest = view(
        corrected, (corrected.ne[0], corrected.ne[1], corrected.ne[2] - 1), corrected.nb[1:3], corrected.nb[2]
    )
    return concat(slice_2d(corrected, 0), same("add", rest, first), 2)
