"""CacheSpec: what one layer keeps per token or per sequence, one frozen dataclass a kind.

A spec knows shapes (elements); an engine multiplies by its own cell counts, types and padding. Heads are
those of the whole model, before any tensor parallel split.
"""

from __future__ import annotations

from dataclasses import field

from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class FullAttention:
    """Attention over the whole context: K and V rows for every token."""

    n_head: int
    n_head_kv: int
    head_dim_k: int
    head_dim_v: int
    owns_cache: bool = True  # False: the layer reads another layer's cache (Gemma 3n and 4 shared KV)
    v_from_k: bool = False  # attention_k_eq_v: no V projection of its own (Gemma 4); V is still cached
    indexer: Indexer | None = None  # block-sparse attention's index beside it (MiniMax-M3, Qwen4-Exp)
    # A window that the configuration states and llama.cpp ignores, while vLLM slides (Mistral 7B v0.1, Phi-3);
    # a GGUF header doesn't say it.
    window: int = field(default=0, compare=False)

    @property
    def k_elements(self) -> int:
        """Elements of one token's K row (llama.cpp's n_embd_k_gqa)."""
        return self.n_head_kv * self.head_dim_k

    @property
    def v_elements(self) -> int:
        """Elements of one token's V row (llama.cpp's n_embd_v_gqa)."""
        return self.n_head_kv * self.head_dim_v


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """Attention over the last `window` tokens (or inside a chunk of that length)."""

    n_head: int
    n_head_kv: int
    head_dim_k: int
    head_dim_v: int
    window: int
    chunked: bool = False  # Llama 4: chunks of `window` tokens instead of a sliding window
    owns_cache: bool = True
    v_from_k: bool = False

    @property
    def k_elements(self) -> int:
        """Elements of one token's K row."""
        return self.n_head_kv * self.head_dim_k

    @property
    def v_elements(self) -> int:
        """Elements of one token's V row."""
        return self.n_head_kv * self.head_dim_v


@dataclass(frozen=True, slots=True)
class LatentAttention:
    """MLA: one compressed row of kv_lora_rank + qk_rope_head_dim elements a token, shared by all heads."""

    n_head: int
    kv_lora_rank: int
    qk_rope_head_dim: int
    qk_nope_head_dim: int
    v_head_dim: int
    q_lora_rank: int | None = None
    indexer: Indexer | None = None  # DeepSeek sparse attention (V3.2, GLM-5 …)

    @property
    def k_elements(self) -> int:
        """Elements of one token's cached row (576 for DeepSeek V2/V3 and Kimi K2); there is no V."""
        return self.kv_lora_rank + self.qk_rope_head_dim


@dataclass(frozen=True, slots=True)
class Indexer:
    """The sparse-attention indexer beside an attention layer: one key of `head_dim` elements a token."""

    n_head: int
    head_dim: int
    top_k: int
    rows: int = 1  # rows that llama.cpp keeps a token: GLM-5.3 three (key, gate, pooled key), MiniMax-M3 two
    # Tokens that share one key in vLLM (GLM-5.3-Flash); llama.cpp keeps rows for each.
    pool: int = field(default=1, compare=False, repr=False)

    @property
    def row_elements(self) -> int:
        """Elements that llama.cpp keeps of one token."""
        return self.head_dim * self.rows


@dataclass(frozen=True, slots=True)
class CompressedAttention:
    """DeepSeek V4: a sliding window beside entries that each stand for `ratio` tokens (0: window only)."""

    n_head: int
    head_dim: int
    window: int
    ratio: int
    indexer: Indexer | None = None


@dataclass(frozen=True, slots=True)
class RecurrentState:
    """A state per sequence, independent of the context: Mamba, gated delta net, KDA, lightning, short conv.

    `conv_channels` × (conv_kernel - 1) elements of convolution history and `state_elements` of recurrent
    state. For Mamba-2 conv_channels = d_inner + 2 × n_group × d_state and state = d_inner × d_state; for a
    gated delta net conv_channels = 2 × key heads × key dim + value heads × value dim and
    state = value heads × key dim × value dim; a short convolution (LFM2) has no state.
    """

    kind: str  # mamba1 | mamba2 | gated_delta_net | kda | lightning | short_conv
    conv_kernel: int
    conv_channels: int
    state_elements: int
    n_head: int = 0  # Mamba-2 heads, value heads of a delta net
    head_dim: int = 0  # elements a head of the value/inner dimension
    d_state: int = 0  # Mamba d_state; key head dimension of a delta net
    n_group: int = 0  # Mamba groups; key heads of a delta net
    d_inner: int = 0  # n_head × head_dim
    # KDA's decay has a lower bound, which faster kernels ask for; a GGUF header doesn't say it.
    bounded_gate: bool = field(default=False, compare=False, repr=False)

    @property
    def conv_elements(self) -> int:
        """Elements of convolution history a sequence."""
        return (self.conv_kernel - 1) * self.conv_channels


CacheSpec = FullAttention | SlidingWindow | LatentAttention | CompressedAttention | RecurrentState
AttentionSpec = FullAttention | SlidingWindow | LatentAttention | CompressedAttention
