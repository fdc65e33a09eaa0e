"""How the graphs of llama.cpp's architectures differ where their tensors don't show it.

Each entry names what src/models/*.cpp and src/llama-arch.cpp of llama.cpp b11434 do for an architecture;
everything else is read off the tensors that a layer has.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from planner.fast_dataclass import dataclass
from planner.models.architecture import LayerGroup, MixtureOfExperts
from planner.models.cache import SlidingWindow


class Late(Enum):
    """Where rows without an output are dropped."""

    LAST_LAYER = auto()  # after the last attention
    BEFORE_NORM = auto()  # before the output norm
    AFTER_NORM = auto()


class Rope(Enum):
    """Which layers rotate queries and keys."""

    ALWAYS = auto()
    NEVER = auto()
    SLIDING = auto()  # layers with a sliding window alone
    SLIDING_IF_ANY = auto()  # the same, but all of them where no layer has one
    SLIDING_OR_DENSE = auto()  # layers with a sliding window, and those without experts
    THREE_OF_FOUR = auto()


@dataclass(frozen=True, slots=True)
class Style:
    """What an architecture's graph does."""

    norm: str = "rms_norm"
    late: Late = Late.LAST_LAYER
    embedding_scale: bool = False  # a factor on all embeddings
    token_scale: bool = False  # a factor on token embeddings only: an input of one number a token
    mrope: bool = False  # four positions a token
    mixed: bool = True  # batches of tokens and vectors (llm_arch_supports_mixed_batch)
    sliding: bool = False  # any sliding-window layer: K is written before V
    embedding_norm: str = ""  # operation that normalises the embeddings
    parallel: bool = False  # attention and feed-forward from the same norm
    residual_last: bool = False  # under parallel: feed-forward + attention, then the residual
    rope_first: bool = False  # queries and keys are rotated before they are normalised
    norm_first: bool = False  # the norm after attention comes before rows without an output are dropped
    precise_down: bool = False  # the experts' last product needs F32: no GPU kernel
    bounded_gate: bool = False  # both halves of gated blocks pass a tanh
    squared: bool = False  # squared ReLU
    gating: str = "softmax"  # softmax | sigmoid | softmax_weight | softplus (its root)
    normed_weights: bool = True  # weights of the chosen experts sum to one
    scaled_weights: bool = False  # … times a factor
    biased_routing: bool = (
        False  # the above holds where a bias chooses experts; plain softmax where none does
    )
    weights_first: bool = False  # experts' inputs are weighted, not their outputs
    repeated_keys: bool = False  # a delta net's keys are repeated for each value head
    bounded_decay: bool = False  # KDA's decay is a sigmoid times its lower bound
    normed_values: bool = False  # V is normalised without a weight
    full_factors: bool = False  # rope frequency factors for layers without a window only
    residual_scale: bool = False  # a factor on what each block adds
    residual_first: bool = False  # residual + block instead of block + residual
    soft_caps: tuple[str, ...] = ()  # operations that cap attention scores where no flash attention does
    attention_scale: bool = False  # an input that scales Q by position
    sparse_until: int = 0  # layers before this one keep only the largest activations
    rope: Rope = Rope.ALWAYS

    def experts_used(self, group: LayerGroup) -> int:
        """Experts that each token is routed to."""
        feed = group.feed_forward
        assert isinstance(feed, MixtureOfExperts)
        return feed.n_expert_used

    def rotates(self, index: int, group: LayerGroup) -> bool:
        """True where a layer rotates its queries and keys."""
        if self.rope is Rope.ALWAYS or (self.rope is Rope.SLIDING_IF_ANY and not self.sliding):
            return True
        if self.rope is Rope.THREE_OF_FOUR:
            return (index + 1) % 4 != 0
        if self.rope is Rope.SLIDING_OR_DENSE and not isinstance(group.feed_forward, MixtureOfExperts):
            return True
        return self.rope is not Rope.NEVER and any(isinstance(c, SlidingWindow) for c in group.caches)


_SIGMOID: Final = Style(gating="sigmoid", scaled_weights=True)
_STYLES: Final = {
    "afmoe": Style(
        embedding_scale=True,
        gating="sigmoid",
        scaled_weights=True,
        rope=Rope.THREE_OF_FOUR,
        norm_first=True,
    ),
    "bailingmoe2": _SIGMOID,
    "bailingmoe3": replace(_SIGMOID, late=Late.AFTER_NORM, bounded_decay=True),
    "bloom": Style(norm="norm", embedding_norm="norm", rope=Rope.NEVER),
    "cohere2": Style(norm="norm", parallel=True, rope=Rope.SLIDING),
    "cohere2moe": Style(
        norm="norm",
        parallel=True,
        rope=Rope.SLIDING_OR_DENSE,
        late=Late.AFTER_NORM,
        gating="sigmoid",
        scaled_weights=True,
    ),
    "command-r": Style(norm="norm", parallel=True),
    "deepseek2": Style(gating="sigmoid", scaled_weights=True, biased_routing=True),
    "deepseek32": _SIGMOID,
    "deepseek4": Style(mixed=False, gating="softplus", scaled_weights=True),
    "dots1": _SIGMOID,
    "exaone4": Style(rope=Rope.SLIDING_IF_ANY),
    "exaone-moe": Style(gating="sigmoid", scaled_weights=True, rope=Rope.SLIDING_IF_ANY),
    "falcon": Style(norm="norm", parallel=True, residual_last=True),
    "gemma": Style(embedding_scale=True),
    "gemma2": Style(embedding_scale=True, soft_caps=("scale", "unary", "scale")),
    "gemma3": Style(token_scale=True),
    "gemma3n": Style(token_scale=True, normed_values=True, sparse_until=10),
    "gemma4": Style(token_scale=True, late=Late.AFTER_NORM, normed_values=True, full_factors=True),
    "glm-dsa": _SIGMOID,
    "glm4moe": _SIGMOID,
    "grok": Style(soft_caps=("scale", "unary", "scale")),
    "gpt-oss": Style(late=Late.BEFORE_NORM, gating="softmax_weight", normed_weights=False),
    "gpt2": Style(norm="norm", rope=Rope.NEVER),
    "granite": Style(embedding_scale=True, residual_scale=True),
    "granitehybrid": Style(embedding_scale=True, residual_scale=True),
    "granitemoe": Style(embedding_scale=True, residual_scale=True),
    "hunyuan-dense": Style(rope_first=True),
    "hunyuan-moe": Style(rope_first=True),
    "hy_v3": Style(late=Late.AFTER_NORM, gating="sigmoid", scaled_weights=True),
    "jamba": Style(rope=Rope.NEVER, normed_weights=False, residual_first=True),
    "kimi-linear": Style(gating="sigmoid", scaled_weights=True, rope=Rope.NEVER),
    "kimi-k3": replace(
        _SIGMOID, late=Late.BEFORE_NORM, bounded_decay=True, rope=Rope.NEVER, bounded_gate=True
    ),
    "laguna": _SIGMOID,
    "lfm2": Style(residual_first=True),
    "lfm2moe": Style(gating="sigmoid", residual_first=True),
    "llama4": Style(
        gating="sigmoid",
        normed_weights=False,
        weights_first=True,
        attention_scale=True,
        rope=Rope.THREE_OF_FOUR,
    ),
    "minimax-m2": Style(gating="sigmoid"),
    "minimax-m3": _SIGMOID,
    "mistral4": Style(precise_down=True),
    "muse-glimmer": Style(embedding_norm="rms_norm", rope=Rope.SLIDING, norm_first=True),
    "nemotron": Style(norm="norm"),
    "nemotron_h": Style(late=Late.AFTER_NORM, rope=Rope.NEVER, squared=True),
    "nemotron_h_moe": Style(
        late=Late.AFTER_NORM, rope=Rope.NEVER, squared=True, gating="sigmoid", scaled_weights=True
    ),
    "qwen2moe": Style(normed_weights=False),
    "qwen2vl": Style(mrope=True),
    "qwen35": Style(late=Late.AFTER_NORM, mrope=True),
    "qwen35moe": Style(late=Late.AFTER_NORM, mrope=True),
    "qwen3next": Style(late=Late.AFTER_NORM, repeated_keys=True),
    "qwen3vl": Style(mrope=True),
    "qwen3vlmoe": Style(mrope=True),
    "starcoder": Style(norm="norm", rope=Rope.NEVER),
    "starcoder2": Style(norm="norm"),
    "step35": Style(late=Late.BEFORE_NORM, gating="sigmoid", scaled_weights=True, full_factors=True),
    "smollm3": Style(rope=Rope.THREE_OF_FOUR),
}
_DEFAULT: Final = Style()


@lru_cache(maxsize=256)
def style_of(gguf_arch: str | None, sliding: bool) -> Style:
    """Return an architecture's style; that of an ordinary decoder where nothing else is known."""
    found = _STYLES.get(gguf_arch or "", _DEFAULT)
    return replace(found, sliding=sliding) if sliding else found
