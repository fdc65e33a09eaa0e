"""Recurrent layers in llama.cpp's graphs: Mamba, gated delta nets, KDA, short convolutions.

src/models/mamba-base.cpp, delta-net-base.cpp, qwen35.cpp, qwen3next.cpp, kimi-linear.cpp and lfm2.cpp, and
build_rs in src/llama-graph.cpp, llama.cpp b11434.
"""

from __future__ import annotations

from collections.abc import Callable

from planner.engines.llama_cpp.graph.builder import Builder, Layer
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F32,
    Tensor,
    as_view,
    concat,
    cont,
    copy_into,
    get_rows,
    glu,
    mul_mat,
    repeat,
    reshape,
    same,
    transpose,
    view,
)
from planner.models.cache import RecurrentState


def recurrent(b: Builder, layer: Layer, spec: RecurrentState, cur: Tensor) -> Tensor:
    """Return the layer's output for its kind of state."""
    if spec.kind == "mamba2":
        return mamba2(b, layer, spec, cur)
    if spec.kind == "mamba1":
        return mamba1(b, layer, spec, cur)
    if spec.kind == "short_conv":
        return short_conv(b, layer, spec, cur)
    if spec.kind == "kda":
        return kda(b, layer, spec, cur)
    return delta_net(b, layer, spec, cur)


def states(b: Builder, store: Tensor, rows: Callable[[Tensor, Tensor], Tensor] | None = None) -> Tensor:
    """build_rs: clear one state, gather those of this batch, put the others back.

    `rows` reads the states itself, so that the gather skips the first one.
    """
    n_seqs, total = b.batch.n_seqs, b.context.n_seq_max
    copies, batch, tail = b.state_copies()
    width = store.ne[0]
    table = reshape(store, width, store.ne[1])
    zero = view(table, (width,), ())
    b.graph.expand(as_view("scale", zero, zero.ne, zero.nb))
    if rows is None:
        gathered = get_rows(table, copies)
        result = view(gathered, (width, n_seqs), (gathered.nb[1],))
        extra_at = n_seqs * gathered.nb[1]
    else:
        gathered = get_rows(table, tail)
        result = rows(table, batch)
        extra_at = (n_seqs - 1) * gathered.nb[1]
    b.graph.expand(result)
    extra = view(gathered, (width, total - n_seqs), (gathered.nb[1],), extra_at)
    target = view(store, (width, total - n_seqs), (store.nb[1],), n_seqs * store.nb[1])
    b.graph.expand(copy_into(extra, target))
    return result


def _save_convolution(b: Builder, spec: RecurrentState, source: Tensor, store: Tensor) -> None:
    """Write the last inputs of the convolution back, a snapshot at a time."""
    kept = spec.conv_kernel - 1
    for slot in range(min(b.batch.n_seq_tokens, b.context.n_rs_seq + 1)):
        last = view(
            source,
            (kept, source.ne[1], source.ne[2]),
            source.nb[1:3],
            (source.ne[0] - kept - slot) * source.nb[0],
        )
        target = view(
            store,
            (store.ne[0], b.batch.n_seqs),
            (store.nb[1],),
            slot * b.context.n_seq_max * store.nb[1],
        )
        b.graph.expand(copy_into(last, target))


def mamba2(b: Builder, layer: Layer, spec: RecurrentState, cur: Tensor) -> Tensor:
    """build_mamba2_layer."""
    tokens, seqs = b.batch.n_seq_tokens, b.batch.n_seqs
    inner, groups, d_state = spec.d_inner, spec.n_group, spec.d_state
    heads, width = spec.n_head, spec.head_dim
    channels = inner + 2 * groups * d_state
    history, memory = b.state(spec, layer, convolution=True), b.state(spec, layer, convolution=False)
    conv = reshape(states(b, history), spec.conv_kernel - 1, channels, seqs)
    mixed = b.linear(layer, "ssm_in", cur)
    mixed = reshape(mixed, mixed.ne[0], tokens, seqs)
    e, row, sheet = mixed.nb[0], mixed.nb[1], mixed.nb[2]
    z = view(mixed, (width, heads, tokens, seqs), (width * e, row, sheet))
    x_b_c = view(mixed, (channels, tokens, seqs), (row, sheet), inner * e)
    dt = view(mixed, (heads, tokens, seqs), (row, sheet), (inner + channels) * e)
    joined = concat(conv, transpose(x_b_c), 0)
    _save_convolution(b, spec, joined, history)
    passed = convolve(layer, "ssm_conv1d", joined, spec, tokens, seqs)
    passed = same("unary", passed)
    e, row, sheet = passed.nb[0], passed.nb[1], passed.nb[2]
    x = view(passed, (width, heads, tokens, seqs), (width * e, row, sheet))
    in_b = view(passed, (d_state, groups, tokens, seqs), (d_state * e, row, sheet), inner * e)
    in_c = view(
        passed, (d_state, groups, tokens, seqs), (d_state * e, row, sheet), (inner + groups * d_state) * e
    )
    dt = same("add", cont(dt), layer.need("ssm_dt.bias"))
    decay = layer.need("ssm_a")
    y = _scan(b, spec, memory, (x, dt, decay, in_b, in_c), (width, heads))
    flow = view(y, (width, heads, tokens, seqs), (x.nb[1], heads * x.nb[1], tokens * heads * x.nb[1]))
    flow = same("add", flow, same("mul", x, layer.need("ssm_d")))
    flow = glu(cont(z), flow)
    if "ssm_norm.weight" in layer:
        flow = b.norm(reshape(flow, inner // groups, groups, tokens, seqs), layer, "ssm_norm")
    return b.linear(layer, "ssm_out", reshape(flow, inner, tokens * seqs))


def _scan(
    b: Builder,
    spec: RecurrentState,
    memory: Tensor,
    inputs: tuple[Tensor, ...],
    shape: tuple[int, int],
) -> Tensor:
    """ggml_ssm_scan of x, dt, A, B and C over the cached states; its result holds outputs and new states."""
    x, (width, heads) = inputs[0], shape
    d_state, seqs = spec.d_state, b.batch.n_seqs
    snapshots = b.context.n_rs_seq + 1

    def scan(table: Tensor, ids: Tensor) -> Tensor:
        every = reshape(table, d_state, width, heads, table.ne[1])
        size = x.elements + snapshots * spec.state_elements * seqs
        return Tensor("ssm_scan", F32, (size, 1, 1, 1), (every, *inputs, ids))

    y = states(b, memory, scan)
    row, written = 4 * spec.state_elements, min(b.batch.n_seq_tokens, snapshots)
    fresh = view(y, (spec.state_elements, seqs, written), (row, row * seqs), 4 * x.elements)
    target = view(
        memory,
        (spec.state_elements, seqs, written),
        (memory.nb[1], b.context.n_seq_max * row),
    )
    b.graph.expand(copy_into(fresh, target))
    return y


def convolve(layer: Layer, name: str, joined: Tensor, spec: RecurrentState, tokens: int, seqs: int) -> Tensor:
    """ggml_ssm_conv with its bias where there is one."""
    kernel = layer.need(name + ".weight")
    passed = Tensor("ssm_conv", F32, (joined.ne[1], tokens, seqs, 1), (joined, kernel))
    bias = layer.get(name + ".bias")
    return passed if bias is None else same("add", passed, bias)


def mamba1(b: Builder, layer: Layer, spec: RecurrentState, cur: Tensor) -> Tensor:
    """build_mamba_layer (Jamba normalises dt, B and C)."""
    tokens, seqs = b.batch.n_seq_tokens, b.batch.n_seqs
    inner, d_state = spec.d_inner, spec.d_state
    history, memory = b.state(spec, layer, convolution=True), b.state(spec, layer, convolution=False)
    conv = reshape(states(b, history), spec.conv_kernel - 1, inner, seqs)
    cur = reshape(cur, cur.ne[0], tokens, seqs)
    both = mul_mat(layer.need("ssm_in.weight"), cur)
    x = view(both, (inner, tokens, seqs), both.nb[1:3])
    z = view(both, (inner, tokens, seqs), both.nb[1:3], inner * both.nb[0])
    joined = concat(conv, transpose(x), 0)
    _save_convolution(b, spec, joined, history)
    x = same("unary", convolve(layer, "ssm_conv1d", joined, spec, tokens, seqs))
    mixed = mul_mat(layer.need("ssm_x.weight"), x)
    rank = mixed.ne[0] - 2 * d_state
    e, row, sheet = mixed.nb[0], mixed.nb[1], mixed.nb[2]
    dt = view(mixed, (rank, tokens, seqs), (row, sheet))
    in_b = view(mixed, (d_state, 1, tokens, seqs), (d_state * e, row, sheet), rank * e)
    in_c = view(mixed, (d_state, 1, tokens, seqs), (d_state * e, row, sheet), (rank + d_state) * e)
    if "ssm_dt_norm.weight" in layer:
        dt = b.norm(dt, layer, "ssm_dt_norm")
        in_b, in_c = b.norm(in_b, layer, "ssm_b_norm"), b.norm(in_c, layer, "ssm_c_norm")
    else:
        dt = cont(dt)
    dt = same("add", mul_mat(layer.need("ssm_dt.weight"), dt), layer.need("ssm_dt.bias"))
    x4 = reshape(x, 1, inner, tokens, seqs)
    y = _scan(b, spec, memory, (x4, dt, layer.need("ssm_a"), in_b, in_c), (1, inner))
    flow = view(y, (inner, tokens, seqs), (x.nb[1], x.nb[2]))
    flow = same("add", flow, same("mul", x, layer.need("ssm_d")))
    flow = glu(cont(z), flow)
    cur = mul_mat(layer.need("ssm_out.weight"), flow)
    return reshape(cur, cur.ne[0], tokens * seqs)


def short_conv(b: Builder, layer: Layer, spec: RecurrentState, cur: Tensor) -> Tensor:
    """LFM2's gated short convolution."""
    tokens, seqs, width = b.batch.n_seq_tokens, b.batch.n_seqs, b.arch.hidden_size
    cur = reshape(cur, cur.ne[0], tokens, seqs)
    mixed = mul_mat(layer.need("shortconv.in_proj.weight"), cur)
    in_b, in_c, x = (
        view(mixed, (width, tokens, seqs), mixed.nb[1:3], i * width * mixed.nb[0]) for i in range(3)
    )
    gated = transpose(same("mul", in_b, x))
    history = b.state(spec, layer, convolution=True)
    conv = reshape(states(b, history), spec.conv_kernel - 1, width, seqs)
    joined = concat(conv, gated, 0)
    _save_convolution(b, spec, joined, history)
    passed = convolve(layer, "shortconv.conv", joined, spec, tokens, seqs)
    out = mul_mat(layer.need("shortconv.out_proj.weight"), same("mul", in_c, passed))
    return reshape(out, out.ne[0], tokens * seqs)


def _delta_rule(
    b: Builder,
    spec: RecurrentState,
    memory: Tensor,
    sources: tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor],
) -> Tensor:
    """build_recurrent_attn with the fused kernel; the last of `sources` is the gathered state."""
    width, heads, tokens, seqs = spec.head_dim, spec.n_head, b.batch.n_seq_tokens, b.batch.n_seqs
    snapshots = b.context.n_rs_seq + 1
    rows = tokens * seqs + snapshots * width * seqs
    result = Tensor("gated_delta_net", F32, (width * heads, rows, 1, 1), sources)
    e = 4 * width
    flow = view(result, (width, heads, tokens, seqs), (e, e * heads, e * heads * tokens))
    written = min(tokens, snapshots)
    size = spec.state_elements
    fresh = view(
        result, (size, seqs, written), (4 * size, 4 * size * seqs), 4 * width * heads * tokens * seqs
    )
    target = view(memory, (size, seqs, written), (memory.nb[1], b.context.n_seq_max * memory.nb[1]))
    b.graph.expand(copy_into(fresh, target))
    return flow


def _unit(cur: Tensor) -> Tensor:
    """build_gdn_l2_norm."""
    return same("scale", same("rms_norm", cur))


def delta_net(b: Builder, layer: Layer, spec: RecurrentState, cur: Tensor) -> Tensor:
    """build_layer_attn_linear of Qwen3-Next and Qwen3.5."""
    tokens, seqs = b.batch.n_seq_tokens, b.batch.n_seqs
    keys, heads, width_k, width_v = spec.n_group, spec.n_head, spec.d_state, spec.head_dim
    mixed = b.linear(layer, "attn_qkv", cur)
    mixed = reshape(mixed, mixed.ne[0], tokens, seqs)
    z = b.linear(layer, "attn_gate", cur)
    beta, alpha = _gates(b, layer, spec, cur)
    gate = same("add", alpha, layer.need("ssm_dt.bias"))
    gate = same("mul", same("unary", gate), layer.need("ssm_a"))
    gate = reshape(gate, 1, heads, tokens, seqs)
    history, memory = b.state(spec, layer, convolution=True), b.state(spec, layer, convolution=False)
    conv = reshape(states(b, history), spec.conv_kernel - 1, spec.conv_channels, seqs)
    joined = concat(conv, transpose(mixed), 0)
    _save_convolution(b, spec, joined, history)
    state = reshape(states(b, memory), width_v, width_v, heads, seqs)
    passed = same("unary", convolve(layer, "ssm_conv1d", joined, spec, tokens, seqs))
    row = passed.nb[1]
    q, k = (
        view(
            passed,
            (width_k, keys, tokens, seqs),
            (4 * width_k, row, row * tokens),
            i * 4 * width_k * keys,
        )
        for i in range(2)
    )
    v = view(passed, (width_v, heads, tokens, seqs), (4 * width_v, row, row * tokens), 8 * width_k * keys)
    q, k = _unit(q), _unit(k)
    if b.traits.repeated_keys and keys != heads:
        q, k = (
            reshape(
                repeat(
                    reshape(t, width_k, 1, keys, tokens * seqs), width_k, heads // keys, keys, tokens * seqs
                ),
                width_k,
                heads,
                tokens,
                seqs,
            )
            for t in (q, k)
        )
    flow = _delta_rule(b, spec, memory, (q, k, v, gate, beta, state))
    z = reshape(z, width_v, heads, tokens, seqs)
    flow = same("mul", b.norm(flow, layer, "ssm_norm"), same("unary", z))
    flow = reshape(flow, width_v * heads, tokens, seqs)
    out = b.linear(layer, "ssm_out", flow)
    return reshape(out, b.arch.hidden_size, tokens * seqs)


def _gates(b: Builder, layer: Layer, spec: RecurrentState, cur: Tensor) -> tuple[Tensor, Tensor]:
    """Beta and alpha of a delta net, from one projection or two."""
    tokens, seqs, heads, keys = b.batch.n_seq_tokens, b.batch.n_seqs, spec.n_head, spec.n_group
    if "ssm_ba.weight" in layer:
        both = mul_mat(layer.need("ssm_ba.weight"), cur)
        each = heads // keys
        both = reshape(both, 2 * each, keys, tokens, seqs)
        beta = cont(view(both, (each, keys, tokens, seqs), both.nb[1:]))
        alpha = cont(
            view(both, (each, keys, tokens, seqs), both.nb[1:], each * both.nb[0]), heads, tokens, seqs
        )
        return reshape(same("unary", beta), 1, heads, tokens, seqs), alpha
    beta = reshape(b.linear(layer, "ssm_beta", cur), 1, heads, tokens, seqs)
    alpha = reshape(mul_mat(layer.need("ssm_alpha.weight"), cur), heads, tokens, seqs)
    return same("unary", beta), alpha


def kda(b: Builder, layer: Layer, spec: RecurrentState, cur: Tensor) -> Tensor:
    """Kimi's delta attention: three convolutions, a gate a channel."""
    tokens, seqs, n = b.batch.n_seq_tokens, b.batch.n_seqs, b.batch.n_tokens
    width, heads = spec.head_dim, spec.n_head
    inner, kept = width * heads, spec.conv_kernel - 1
    history, memory = b.state(spec, layer, convolution=True), b.state(spec, layer, convolution=False)
    gathered = states(b, history)
    parts: list[Tensor] = []
    for i, name in enumerate("qkv"):
        at = i * kept * inner * 4
        conv = view(gathered, (kept, inner, seqs), (kept * 4, gathered.nb[1]), at)
        x = mul_mat(layer.need(f"attn_{name}.weight"), cur)
        joined = concat(conv, transpose(reshape(x, inner, tokens, seqs)), 0)
        for slot in range(min(tokens, b.context.n_rs_seq + 1)):
            last = view(joined, (kept, inner, seqs), joined.nb[1:3], (tokens - slot) * joined.nb[0])
            target = view(history, (kept, inner, seqs), (kept * 4, history.nb[1]), at)
            b.graph.expand(copy_into(last, target))
        kernel = reshape(layer.need(f"ssm_conv1d_{name}.weight"), spec.conv_kernel, inner)
        passed = Tensor("ssm_conv", F32, (inner, tokens, seqs, 1), (joined, kernel))
        passed = same("unary", reshape(passed, inner, n))
        parts.append(reshape(passed, width, heads, tokens, seqs))
    gate = same("add", _low_rank(layer, "ssm_f", cur), layer.need("ssm_dt.bias"))
    decay = reshape(layer.need("ssm_a"), 1, heads, 1)
    if b.traits.bounded_decay:
        gate = same("scale", same("unary", same("mul", reshape(gate, width, heads, n), decay)))
    else:
        gate = same("mul", reshape(same("unary", gate), width, heads, n), decay)
    gate = reshape(gate, width, heads, tokens, seqs)
    beta = same("unary", reshape(mul_mat(layer.need("ssm_beta.weight"), cur), 1, heads, tokens, seqs))
    state = reshape(states(b, memory), width, width, heads, seqs)
    flow = _delta_rule(b, spec, memory, (_unit(parts[0]), _unit(parts[1]), parts[2], gate, beta, state))
    flow = reshape(cont(flow), width, heads, n)
    out_gate = same("unary", reshape(_low_rank(layer, "ssm_g", cur), width, heads, n))
    flow = same("mul", b.norm(flow, layer, "ssm_norm"), out_gate)
    return mul_mat(layer.need("attn_output.weight"), cont(flow, inner, n))


def _low_rank(layer: Layer, name: str, cur: Tensor) -> Tensor:
    """A projection in two steps, or in one."""
    whole = layer.get(f"{name}.weight")
    if whole is not None:
        return mul_mat(whole, cur)
    low, up = mul_mat(layer.need(f"{name}_a.weight"), cur), layer.get(f"{name}_b.weight")
    return low if up is None else mul_mat(up, low)
