"""What each layer of a GGUF keeps and computes: caches and feed-forward, from metadata and tensors.

Follows load_hparams in llama.cpp b11434 (src/llama-model.cpp) and load_arch_hparams of each architecture
(src/models/*.cpp); what a layer is (recurrent, latent, mixture of experts) is read off its tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from planner.errors import InputError, UnsupportedError
from planner.models.architecture import DenseFeedForward, FeedForward, MixtureOfExperts, NoFeedForward
from planner.models.cache import (
    CacheSpec,
    CompressedAttention,
    FullAttention,
    Indexer,
    LatentAttention,
    RecurrentState,
    SlidingWindow,
)
from planner.models.gguf.architectures import Rotation, gguf_traits
from planner.models.gguf.header import GgufHeader

MAX_LAYERS: Final = 1024  # LLAMA_MAX_LAYERS is 512; Nanbeige's loops are counted on top of it
Shapes = Mapping[str, tuple[int, ...]]  # a layer's tensors by name without "blk.N."


class Hparams:
    """A model's hyperparameters as llama.cpp reads them: checked, per layer where they vary."""

    def __init__(self, header: GgufHeader) -> None:
        self.header = header
        self.arch = header.architecture
        self.traits = gguf_traits(self.arch)
        self.n_layer = self.integer("block_count", low=1, high=MAX_LAYERS)
        self.n_embd = self.integer("embedding_length", low=1)
        self.n_mtp = self.integer("nextn_predict_layers", 0)
        if self.n_mtp >= self.n_layer:
            raise InputError(f"{header.source}: {self.n_mtp} prediction layers of {self.n_layer} layers")
        self.n_head = self.per_layer("attention.head_count", 0)
        self.n_head_kv = self.per_layer("attention.head_count_kv", None) or self.n_head
        head0 = max(self.n_head[0], 1)
        self.head_k = self.integer("attention.key_length", self.n_embd // head0)
        self.head_v = self.integer("attention.value_length", self.n_embd // head0)
        self.head_k_swa = self.integer("attention.key_length_swa", self.head_k)
        self.head_v_swa = self.integer("attention.value_length_swa", self.head_v)
        self.n_rot = self.integer("rope.dimension_count", self.head_k)
        finetuned = header.find(self.key("rope.scaling.finetuned"), bool)
        rope = self.traits.rope
        self.rotates = rope is Rotation.ALWAYS or (rope is Rotation.IF_SAID and finetuned is not False)
        self.window, self.swa = self._sliding()
        self.owners = self._cache_owners()

    def key(self, name: str) -> str:
        """Return the metadata key of an architecture's own parameter."""
        return f"{self.arch}.{name}"

    @property
    def position_parts(self) -> bool:
        """True where the rope has sections (llama_hparams::use_mrope in src/llama-hparams.cpp)."""
        sections = self.header.metadata.get(self.key("rope.dimension_sections"))
        if not isinstance(sections, tuple) or len(sections) < 2:
            return False
        return all(isinstance(n, int) and n > 0 for n in sections[:2])

    @property
    def clamped_experts(self) -> bool:
        """True where every layer's experts are bounded (build_moe_ffn in src/llama-graph.cpp)."""
        limits = self.header.metadata.get(self.key("swiglu_clamp_exp"))
        each = limits if isinstance(limits, tuple) else (limits,)
        return all(isinstance(limit, float) and limit > 1e-6 for limit in each)

    def integer(self, name: str, default: int | None = None, low: int = 0, high: int = 1 << 31) -> int:
        """Return one integer; InputError where it is required and absent, or out of bounds."""
        key = self.key(name)
        value = self.header.get(key, int) if default is None else self.header.find(key, int)
        if value is None:
            assert default is not None
            return default
        if not low <= value <= high:
            raise InputError(f"{self.header.source}: {key} is {value}, expected {low} to {high}")
        return value

    def per_layer(self, name: str, default: int | None) -> tuple[int, ...]:
        """Return one integer a layer, from a scalar or an array; () where absent without a default."""
        key = self.key(name)
        value = self.header.metadata.get(key)
        if value is None:
            return () if default is None else (default,) * self.n_layer
        if isinstance(value, tuple):
            if len(value) < self.n_layer or not all(isinstance(v, int) and 0 <= v < 1 << 31 for v in value):
                raise InputError(f"{self.header.source}: {key} must hold {self.n_layer} whole numbers")
            return tuple(int(v) for v in value[: self.n_layer])
        return (self.integer(name),) * self.n_layer

    def _sliding(self) -> tuple[int, tuple[bool, ...]]:
        """Return the window and which layers slide."""
        none = 0, (False,) * self.n_layer
        rule = self.traits.windows
        if rule is None:
            return none  # also where the file has a window that llama.cpp ignores (Mistral, Phi-3, Qwen 2)
        said = self.header.find(self.key("attention.sliding_window"), int)
        window = said if said is not None else rule.window or 0
        if window <= 0 or rule.of_layers not in (0, self.n_layer - self.n_mtp):
            return none
        if rule.fixed and rule.window:
            window = rule.window
        if rule.by_heads:
            return window, tuple(n > 0 for n in self.n_head_kv)
        if rule.listed:
            pattern = self.per_layer("attention.sliding_window_pattern", None)
            if not pattern:
                raise InputError(
                    f"{self.header.source}: {self.arch}.attention.sliding_window_pattern is missing"
                )
            return window, tuple(map(bool, pattern))
        listed = self.header.metadata.get(self.key("attention.sliding_window_pattern"))
        if isinstance(listed, tuple):
            return window, tuple(map(bool, self.per_layer("attention.sliding_window_pattern", None)))
        period = self.integer("attention.sliding_window_pattern", rule.period)
        main = self.n_layer - self.n_mtp
        return window, tuple(
            il < main
            and (period == 0 or (il % period != 0 if rule.dense_first else il % period < period - 1))
            for il in range(self.n_layer)
        )

    def _cache_owners(self) -> int:
        """Return how many layers, from the first, keep a cache of their own (n_layer_kv_from_start)."""
        if self.traits.shared_caches:
            return self.n_layer - self.integer("attention.shared_kv_layers", 0)
        return self.traits.first_caches or self.n_layer

    def caches(self, il: int, shapes: Shapes) -> tuple[CacheSpec, ...]:
        """Return what layer `il` keeps."""
        recurrent = self._recurrent(il, shapes)
        attention = self._attention(il, shapes)
        return tuple(c for c in (attention, recurrent) if c is not None)

    def _recurrent(self, il: int, shapes: Shapes) -> RecurrentState | None:
        if "shortconv.conv.weight" in shapes:
            return RecurrentState(
                kind="short_conv",
                conv_kernel=self.integer("shortconv.l_cache", low=1),
                conv_channels=self.n_embd,
                state_elements=0,
            )
        if self.traits.lightning and "attn_norm_2.weight" in shapes:
            n_head = self.n_head[0]
            return RecurrentState(
                kind="lightning",
                conv_kernel=1,
                conv_channels=0,
                state_elements=self.head_k * self.head_k * n_head,
                n_head=n_head,
                head_dim=self.head_k,
                d_state=self.head_k,
                d_inner=n_head * self.head_k,
            )
        if "ssm_conv1d_q.weight" in shapes:
            head_dim, n_head = self.integer("kda.head_dim", low=1), self.n_head[0]
            return RecurrentState(
                kind="kda",
                conv_kernel=self.integer("ssm.conv_kernel", 4, low=1),
                conv_channels=3 * n_head * head_dim,
                state_elements=head_dim * head_dim * n_head,
                n_head=n_head,
                head_dim=head_dim,
                d_state=head_dim,
                n_group=n_head,
                d_inner=n_head * head_dim,
            )
        if "ssm_conv1d.weight" not in shapes:
            return None
        d_inner, d_state = self.integer("ssm.inner_size", low=1), self.integer("ssm.state_size", low=1)
        n_head, n_group = self.integer("ssm.time_step_rank", low=1), self.integer("ssm.group_count", 0)
        mamba1 = "ssm_x.weight" in shapes and self.traits.mamba1
        kind = "gated_delta_net" if self.traits.delta_net else "mamba1" if mamba1 else "mamba2"
        return RecurrentState(
            kind=kind,
            conv_kernel=self.integer("ssm.conv_kernel", low=1),
            conv_channels=d_inner + 2 * n_group * d_state,
            state_elements=d_state * d_inner,
            n_head=0 if mamba1 else n_head,
            head_dim=0 if mamba1 else d_inner // n_head,
            d_state=d_state,
            n_group=n_group,
            d_inner=d_inner,
        )

    def _attention(self, il: int, shapes: Shapes) -> CacheSpec | None:
        n_head, n_head_kv = self.n_head[il], self.n_head_kv[il]
        if self.traits.compressed:
            return self._compressed(il, n_head)
        if "attn_kv_a_mqa.weight" in shapes and self.integer("attention.key_length_mla", 0):
            rank = self.integer("attention.kv_lora_rank", low=1)
            rope = shapes["attn_kv_a_mqa.weight"][-1] - rank
            if not 0 <= rope <= self.integer("attention.key_length_mla"):
                raise InputError(
                    f"{self.header.source}: blk.{il}.attn_kv_a_mqa.weight contradicts the metadata"
                )
            return LatentAttention(
                n_head=n_head,
                kv_lora_rank=rank,
                qk_rope_head_dim=rope,
                qk_nope_head_dim=self.integer("attention.key_length_mla") - rope,
                v_head_dim=self.integer("attention.value_length_mla"),
                q_lora_rank=self.integer("attention.q_lora_rank", 0) or None,
                indexer=self._indexer(self.traits.index_rows) if self._has_indexer(il, shapes) else None,
            )
        if not any(name in shapes for name in ("attn_q.weight", "attn_qkv.weight", "attn_kv_a_mqa.weight")):
            return None
        if self.traits.lightning and "attn_norm_2.weight" in shapes:
            return None
        if n_head_kv == 0 or ("ssm_conv1d_q.weight" in shapes):
            return None
        if self.traits.delta_net and "ssm_conv1d.weight" in shapes:
            return None  # attn_qkv is the input projection of the delta net
        owns = il < self.owners and not self.traits.encoder
        v_from_k = "attn_k.weight" in shapes and "attn_v.weight" not in shapes
        if self.swa[il]:
            return SlidingWindow(
                n_head,
                n_head_kv,
                self.head_k_swa,
                self.head_v_swa,
                self.window,
                chunked=self.traits.windows is not None and self.traits.windows.chunked,
                owns_cache=owns,
                v_from_k=v_from_k,
            )
        indexed = "indexer.k_proj.weight" in shapes
        return FullAttention(
            n_head,
            n_head_kv,
            self.head_k,
            self.head_v,
            owns_cache=owns,
            v_from_k=v_from_k,
            indexer=self._indexer(self.traits.index_rows) if indexed else None,
        )

    def _has_indexer(self, il: int, shapes: Shapes) -> bool:
        """True where a layer keeps indexer keys: others reuse the choice of the last that does (GLM-5.2)."""
        types = self.header.metadata.get(self.key("attention.indexer.types"))
        if self.traits.index_types and isinstance(types, tuple) and il < len(types) and not types[il]:
            return False
        return "indexer.attn_k.weight" in shapes

    def _indexer(self, rows: int = 1) -> Indexer:
        return Indexer(
            rows=rows,
            n_head=self.integer("attention.indexer.head_count", low=1),
            head_dim=self.integer("attention.indexer.key_length", low=1),
            top_k=self.integer("attention.indexer.top_k", low=1),
        )

    def _compressed(self, il: int, n_head: int) -> CompressedAttention:
        ratio = self.per_layer("attention.compress_ratios", None)
        if not ratio:
            raise InputError(f"{self.header.source}: {self.arch}.attention.compress_ratios is missing")
        return CompressedAttention(
            n_head=n_head,
            head_dim=self.head_k,
            window=self.window,
            ratio=ratio[il],
            indexer=self._indexer() if ratio[il] == 4 else None,
        )

    def feed_forward(self, il: int, shapes: Shapes) -> FeedForward:
        """Return the feed-forward of layer `il`, from its tensors."""
        if "ffn_gate.0.weight" in shapes or "ffn_up.0.weight" in shapes:
            raise UnsupportedError(
                f"{self.header.source}: one tensor an expert (made before April 2024): llama.cpp no longer"
                " loads it; get a current file"
            )
        down, dense = shapes.get("ffn_down_exps.weight"), shapes.get("ffn_down.weight")
        if down is None:
            if dense is None:
                return NoFeedForward()
            up = shapes.get("ffn_up.weight", (0, 0))
            return DenseFeedForward(dense[0], gated="ffn_gate.weight" in shapes or up[-1] == 2 * dense[0])
        if len(down) != 3:
            raise InputError(f"{self.header.source}: blk.{il}.ffn_down_exps.weight has not three dimensions")
        shared = shapes.get("ffn_down_shexp.weight")
        up = shapes.get("ffn_up_exps.weight") or shapes.get("ffn_gate_up_exps.weight") or (self.n_embd,)
        rows = up[0]  # experts may work in a latent space (Nemotron 3 Super, Kimi K3)
        used = self.per_layer("expert_used_count", 0)[il]
        if not 0 < used <= down[2]:
            raise InputError(f"{self.header.source}: {self.arch}.expert_used_count is {used} of {down[2]}")
        return MixtureOfExperts(
            n_expert=down[2],
            n_expert_used=used,
            intermediate=down[0],
            gated="ffn_gate_exps.weight" in shapes or "ffn_gate_up_exps.weight" in shapes,
            n_shared=max(self.integer("expert_shared_count", 1), 1) if shared else 0,
            shared_intermediate=shared[0] if shared else 0,
            dense_intermediate=dense[0] if dense else 0,
            latent=rows if rows != self.n_embd else 0,
        )
