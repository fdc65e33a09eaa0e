"""What every architecture's graph has in common: inputs, weights, norms, feed-forward's neighbours.

src/llama-graph.cpp, llama.cpp b11434; method names follow its functions where they do the same.
"""

from __future__ import annotations

from collections.abc import Callable

from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.graph.ggml.tensor import (
    F16,
    F32,
    I32,
    I64,
    Graph,
    Tensor,
    get_rows,
    graph_input,
    mul_mat,
    same,
    set_rows,
    view,
)
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.traits import RowsDropped
from planner.fast_dataclass import dataclass, replace
from planner.models.architecture import Architecture, LayerGroup
from planner.models.cache import (
    CacheSpec,
    FullAttention,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.quant.formats import QuantFormat, ggml_format

_ROPE_FACTORS = ("rope_freqs.weight", "rope_factors_long.weight")
_MROPE_SECTIONS = 4  # GGML_MROPE_SECTIONS: positions a token under mrope


@dataclass(frozen=True, slots=True)
class Batch:
    """The micro-batch that the worst-case graph is reserved for (graph_reserve in llama-context.cpp)."""

    n_tokens: int
    n_seqs: int
    n_outputs: int

    @property
    def n_seq_tokens(self) -> int:
        """Tokens of each sequence."""
        return self.n_tokens // self.n_seqs


class AttentionInput:
    """The inputs of one cache: positions to write to, mask, and rotations for quantised caches."""

    __slots__ = ("k_idxs", "k_rot", "mask", "n_kv", "v_idxs", "v_rot")

    def __init__(self, k_idxs: Tensor, v_idxs: Tensor | None, mask: Tensor, n_kv: int) -> None:
        self.k_idxs = k_idxs
        self.v_idxs = v_idxs
        self.mask = mask
        self.n_kv = n_kv
        self.k_rot: Tensor | None = None
        self.v_rot: Tensor | None = None


class Layer:
    """One layer's weights as leaves, made when they are asked for."""

    __slots__ = ("_made", "cache_home", "caches", "group", "home", "index", "last", "weights")

    def __init__(
        self,
        index: int,
        group: LayerGroup,
        weights: dict[str, tuple[tuple[int, ...], str, int]],
        home: int,
        *,
        last: bool,
        cache_home: int | None = None,
    ) -> None:
        self.index = index
        self.group = group
        self.weights = weights  # name -> shape, type, backend that holds it
        self.home = home
        self.cache_home = home if cache_home is None else cache_home  # of another layer's cache
        self.caches: tuple[CacheSpec, ...] = group.caches
        self.last = last
        self._made: dict[str, Tensor] = {}

    def __contains__(self, name: str) -> bool:
        return name in self.weights

    def get(self, name: str) -> Tensor | None:
        """Return a weight's leaf; None where the layer has no such tensor."""
        found = self._made.get(name)
        if found is None and name in self.weights:
            ne, kind, home = self.weights[name]
            found = weight(ne, ggml_format(kind), home)
            self._made[name] = found
        return found

    def need(self, name: str) -> Tensor:
        """Return a weight's leaf; KeyError where the layer has no such tensor."""
        found = self.get(name)
        if found is None:
            raise KeyError(name)
        return found


def weight(ne: tuple[int, ...], kind: QuantFormat, home: int) -> Tensor:
    """Return a leaf that already lies in a backend's memory."""
    a, b, c, d = (*ne, 1, 1, 1)[:4]
    tensor = Tensor("none", kind, (a, b, c, d))
    tensor.home = home
    tensor.weight = True
    return tensor


def has_windows(arch: Architecture) -> bool:
    """True where any layer of the main graph has a sliding window."""
    return any(isinstance(s, SlidingWindow) for g in arch.groups for s in g.caches if not g.mtp)


class Builder:
    """The state of one graph under construction."""

    def __init__(self, run: Run, batch: Batch, outside: Layer) -> None:
        self.arch = arch = run.arch
        self.traits = own = traits(arch)
        if own.crops_early and run.context.build.early_rows and run.settings.spec_type != "draft-mtp":
            self.traits = replace(own, rows_dropped=RowsDropped.AFTER_LAST_ATTENTION)
        self.sliding = has_windows(arch)  # K is written before V then
        self.settings = settings = run.settings
        self.context = context = run.context
        self.batch = batch
        self.outside = outside  # the tensors outside the layers
        self.host = run.placement.n_devices
        self.graph = Graph()
        self.flash = context.flash_attn
        # a cache made before "auto" turned flash attention off keeps V in rows; grok's is off from the start
        self.rows_v = self.flash or (settings.flash_attn == "auto" and self.traits.flash_attention)
        self.kind_k = ggml_format(settings.cache_type_k)
        self.kind_v = ggml_format(settings.cache_type_v)
        self._inputs: dict[str, Tensor] = {}
        self._attention: dict[object, AttentionInput] = {}
        self.flash_nodes: list[tuple[Tensor, int]] = []  # with the backend of their layer
        self.banked: Tensor | None = None  # residuals that later layers attend to
        self.chosen: Tensor | None = None  # tokens that sparse attention attends to
        self._shared: dict[str, Tensor] = {}
        self._factors: dict[int, Tensor] = {}
        self._copies: tuple[Tensor, Tensor, Tensor] | None = None
        # most graphs with a delta net add the attention's norm before anything of the layer
        self.expands_norm = self.traits.expanded_norm and any(
            isinstance(s, RecurrentState) and s.kind in ("gated_delta_net", "kda")
            for g in arch.groups
            for s in g.caches
        )

    # inputs

    def input(self, name: str, kind: QuantFormat, *ne: int) -> Tensor:
        """Return a named graph input, made once."""
        found = self._inputs.get(name)
        if found is None:
            found = self._inputs[name] = graph_input(kind, *ne)
        return found

    def once(self, name: str, make: Callable[[], Tensor]) -> Tensor:
        """Return a tensor that all layers share, made when the first one asks."""
        found = self._shared.get(name)
        if found is None:
            found = self._shared[name] = make()
        return found

    def state_copies(self) -> tuple[Tensor, Tensor, Tensor]:
        """Indices of the states of this batch and of the others: all, the batch's, all but the first."""
        copies = self.input("s_copy", I32, self.context.n_seq_max)
        if self._copies is None:
            batch = view(copies, (self.batch.n_seqs,), ())
            tail = view(copies, (self.context.n_seq_max - 1,), (), copies.nb[0])
            self._copies = (copies, batch, tail)
        return self._copies

    def positions(self) -> Tensor:
        """inp_pos."""
        parted = self.traits.mrope or (self.traits.mrope_if_said and self.arch.position_parts)
        sections = _MROPE_SECTIONS if parted else 1
        return self.input("pos", I32, self.batch.n_tokens * sections)

    def out_ids(self) -> Tensor:
        """inp_out_ids."""
        return self.input("out_ids", I32, self.batch.n_outputs)

    def embeddings(self, table: Tensor) -> Tensor:
        """build_inp_embd: tokens, vectors or both; all three ways have their inputs."""
        n, width = self.batch.n_tokens, self.arch.hidden_size
        tokens = self.graph.expand(get_rows(table, self.input("tokens", I32, n)))
        if not self.context.build.tokens_alone:
            self.graph.expand(self.input("embd", F32, width, n))
        if self.traits.mixed and not self.context.build.one_input:
            copy = Tensor("dup", F32, (width, n, 1, 1), (self.input("mixed_embd", F32, width, n),))
            rows = get_rows(table, self.input("mixed_tokens", I32, n))
            self.graph.expand(set_rows(copy, rows, self.input("mixed_slots", I64, n)))
        if self.traits.embedding_scale:
            tokens = same("scale", tokens)
        if self.traits.token_scale:
            tokens = same("mul", tokens, self.input("scale_rows", F32, 1, n))
        types = self.outside.get("token_types.weight")
        if types is not None:  # of which the first row alone is used
            tokens = same("add", tokens, view(types, (self.arch.hidden_size,), ()))
        places = self.outside.get("position_embd.weight")
        if places is not None:
            tokens = same("add", tokens, self.graph.expand(get_rows(places, self.positions())))
        tokens = self.graph.expand(tokens)
        if self.traits.embedding_norm:
            tokens = self.norm(tokens, self.outside, "token_embd_norm", self.traits.embedding_norm)
        return tokens

    def attention_input(self, spec: CacheSpec) -> AttentionInput:
        """build_attn_inp_kv and its relatives: one set of inputs a kind of cache."""
        window = spec.window if isinstance(spec, SlidingWindow) else 0
        found = self._attention.get(bool(window))
        if found is None:
            cells = self.context.swa_cells(window) if window else self.context.n_ctx_seq
            found = self._attention_inputs(spec, cells, "_swa" if window else "")
            self._attention[bool(window)] = found
        return found

    def _attention_inputs(self, spec: CacheSpec, cells: int, suffix: str) -> AttentionInput:
        n, streams = self.batch.n_tokens, self.context.n_stream
        latent = isinstance(spec, LatentAttention)
        k_idxs = self.input("k_idxs" + suffix, I64, n)
        v_idxs = None
        if not latent:
            v_idxs = self.input("v_idxs" + suffix, I64, n if self.rows_v else n * self.widest_v())
        wide = not self.flash or self.context.build.wide_mask
        mask = self.input("mask" + suffix, F32 if wide else F16, cells, n // streams, 1, streams)
        if wide and self.flash:
            mask = Tensor("cpy", F16, mask.ne, (mask,))
        made = AttentionInput(k_idxs, v_idxs, mask, cells)
        if not latent:
            self._rotations(made, isinstance(spec, SlidingWindow), suffix)
        return made

    def _rotations(self, made: AttentionInput, sliding: bool, suffix: str) -> None:
        """Hadamard rotations of quantised caches (llama_kv_cache in src/llama-kv-cache.cpp)."""
        specs = [
            s
            for g in self.arch.groups
            for s in g.caches
            if not g.mtp and isinstance(s, FullAttention | SlidingWindow)
        ]
        wanted = SlidingWindow if sliding else FullAttention
        mine = [s for s in specs if isinstance(s, wanted) and s.owns_cache]
        keys = {s.head_dim_k for s in mine}
        if self.kind_k.quantised and len(keys) == 1 and specs[0].head_dim_k % 64 == 0:
            (width,) = keys
            size = 64
            while width % (2 * size) == 0:
                size *= 2
            made.k_rot = self.input("k_rot" + suffix, F32, size, size)
        if self.kind_v.quantised and len({s.head_dim_v for s in mine}) == 1 and specs[0].head_dim_v % 64 == 0:
            made.v_rot = self.input("v_rot" + suffix, F32, 64, 64)

    def widest_v(self) -> int:
        """Elements of the widest V row (hparams.n_embd_v_gqa_max)."""
        return max(
            s.v_elements
            for g in self.arch.groups
            for s in g.caches
            if isinstance(s, FullAttention | SlidingWindow)
        )

    def cache_home(self, layer: Layer) -> int:
        """Backend that holds the cache that a layer's attention reads, or its state."""
        return layer.cache_home if self.settings.kv_offload else self.host

    def state(self, spec: RecurrentState, layer: Layer, *, convolution: bool) -> Tensor:
        """Return the memory of a layer's recurrent state, one row a sequence and snapshot."""
        width = spec.conv_elements if convolution else spec.state_elements
        rows = self.context.n_seq_max * (1 + self.context.n_rs_seq)
        tensor = Tensor("none", F32, (width, rows, 1, 1))
        tensor.home = self.cache_home(layer)
        return tensor

    # building blocks

    def norm(self, cur: Tensor, layer: Layer | None, name: str, op: str = "") -> Tensor:
        """build_norm: normalise, then multiply by the weight and add the bias that exist."""
        op = op or self.traits.norm
        cur = same(op, cur)
        if layer is None:
            return cur
        scale, bias = layer.get(name + ".weight"), layer.get(name + ".bias")
        if scale is not None:
            cur = same("mul", cur, scale)
        if bias is not None:
            cur = same("add", cur, bias)
        return cur

    def linear(self, layer: Layer, name: str, cur: Tensor) -> Tensor:
        """Multiply by a weight, then add the bias that exists."""
        cur = mul_mat(layer.need(name + ".weight"), cur)
        scale = layer.get(name + ".scale")
        if scale is not None:
            cur = same("mul", cur, scale)
        bias = layer.get(name + ".bias")
        return cur if bias is None else same("add", cur, bias)

    def rotates(self, layer: Layer) -> bool:
        """True where a layer rotates its queries and keys."""
        return self.traits.rotates(layer.index, layer.group, sliding=self.sliding)

    def rope(self, cur: Tensor, layer: Layer) -> Tensor:
        """ggml_rope_ext: a new tensor unless the source can be overwritten."""
        if not self.rotates(layer) or (self.traits.optional_rope and self.arch.rope is None):
            return cur
        factors = self._rope_factors(layer)
        src = (cur, self.positions()) if factors is None else (cur, self.positions(), factors)
        return Tensor("rope", cur.kind, cur.ne, src)

    def _rope_factors(self, layer: Layer) -> Tensor | None:
        """get_rope_factors: one copy of the frequency factors on each device."""
        name = next((n for n in _ROPE_FACTORS if n in self.outside), None)
        if name is None or (self.traits.full_factors and not isinstance(layer.caches[0], FullAttention)):
            return None
        found = self._factors.get(layer.home)
        if found is None:
            ne, kind, _ = self.outside.weights[name]
            found = self._factors[layer.home] = weight(ne, ggml_format(kind), layer.home)
        return found

    def select(self, *tensors: Tensor) -> list[Tensor]:
        """Keep the rows of the tokens that have an output."""
        return [get_rows(t, self.out_ids()) for t in tensors]
