"""What may be known of an architecture under llama.cpp that its tensors and hyperparameters don't show.

The columns of the table in planner.engines.llama_cpp.architectures; each says where in llama.cpp b11434 it was
read. A default is what most architectures do.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from planner.fast_dataclass import dataclass
from planner.models.architecture import LayerGroup, MixtureOfExperts
from planner.models.cache import SlidingWindow


class Rule(Enum):
    """What the engine does with an architecture, and whether it is followed here."""

    FOLLOWED = auto()
    NOT_FOLLOWED = auto()  # the engine does it, by rules that are not known here
    REFUSED = auto()  # the engine says that it doesn't


class RowsDropped(Enum):
    """Where rows without an output are dropped."""

    AFTER_LAST_ATTENTION = auto()
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
class Prediction:
    """The graph of a multi-token-prediction layer: graph_mtp in src/models/*.cpp."""

    followed: bool = True
    own_vocabulary: bool = True  # embeddings and head of its own are used where the file has them
    early: bool = False  # rows without an output pass no feed-forward
    state_before_norm: bool = False  # the next step's hidden state is taken before the norm
    rotates: bool = False  # rotates queries and keys, whatever the model's other layers do
    joint_block: bool = False  # attention and experts in one layer, which the main layers keep apart
    norm: str = ""  # operation of its own output norm; empty: the model's
    fused_qkv: bool = False  # asks for attn_qkv in one tensor


@dataclass(frozen=True, slots=True)
class Traits:
    """One architecture's row."""

    known: bool = True  # False: llama.cpp's code for it was not read, it is taken for an ordinary decoder

    # The main graph: src/models/*.cpp and src/llama-graph.cpp
    graph: Rule = Rule.FOLLOWED
    encoder: bool = False  # every token sees all others: nothing is kept, no logits are made
    norm: str = "rms_norm"
    rows_dropped: RowsDropped = RowsDropped.AFTER_LAST_ATTENTION
    crops_early: bool = False  # … since b11549 after the last attention, where none is drafted from
    embedding_scale: bool = False  # a factor on all embeddings
    token_scale: bool = False  # a factor on token embeddings only: an input of one number a token
    mrope: bool = False  # four positions a token (llama_model_rope_type)
    mrope_if_said: bool = False  # … where the file's rope has sections
    mixed: bool = True  # batches of tokens and vectors (llm_arch_supports_mixed_batch)
    embedding_norm: str = ""  # operation that normalises the embeddings
    parallel: bool = False  # attention and feed-forward from the same norm
    residual_last: bool = False  # under parallel: feed-forward + attention, then the residual
    normed_residuals: bool = False  # what is added to a block's result is its input after the norm
    pruned_blocks: bool = False  # layers lack attention, or have a matrix in its place
    rope_first: bool = False  # queries and keys are rotated before they are normalised
    norm_first: bool = False  # the norm after attention comes before rows without an output are dropped
    precise_down: bool = False  # the experts' last product needs F32: no GPU kernel
    bounded_gate: bool = False  # both halves of gated blocks pass a tanh
    clamps_if_said: bool = False  # experts' halves are bounded one by one where the file bounds them
    squared: bool = False  # squared ReLU
    gating: str = "softmax"  # softmax | sigmoid | softmax_weight | softplus (its root)
    normed_weights: bool = True  # weights of the chosen experts sum to one
    scaled_weights: bool = False  # … times a factor
    biased_routing: bool = False  # these hold where a bias chooses experts; plain softmax where none does
    weights_first: bool = False  # experts' inputs are weighted, not their outputs
    expanded_norm: bool = True  # with a delta net, the attention's norm joins the graph before the layer
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
    optional_rope: bool = False  # the file says whether anything is rotated (rope.scaling.finetuned)

    # Flash attention is off whatever is asked: llama_context in src/llama-context.cpp
    flash_attention: bool = True
    # Snapshots of the recurrent state to go back to: llm_arch_supports_rs_rollback in src/llama-arch.cpp
    rollback: bool = False

    # Where weights lie: load_arch_tensors in src/models/*.cpp and src/llama-model-loader.cpp
    output_first: bool = (
        False  # the output is made before the embeddings: shared, it is held twice on the host
    )
    embedding_norm_last: bool = False  # token_embd_norm is the norm before the output
    factors_where_full: bool = (
        False  # rope factors lie where layers without a window do, not with every layer
    )
    predictions_skipped: bool = False  # prediction layers are never loaded, nobody can draft with them
    predictions_loaded: tuple[
        str, ...
    ] = ()  # beginnings of their tensors that are loaded though nobody drafts
    # The main cache has rows for prediction layers too: llama_memory_hybrid without a filter
    predictions_cached: bool = False
    # The graph of a draft context: LLM_GRAPH_TYPE_DECODER_MTP in src/models; None: there is none
    prediction: Prediction | None = None

    # -sm tensor: llm_arch_supports_sm_tensor in src/llama-arch.cpp, and
    # llama_meta_device_get_split_state in src/llama-model.cpp
    tensor_split: Rule = Rule.FOLLOWED
    gated_queries: bool = False  # a gate beside each query head is cut with it (TAG_SPLIT_QGATE_QWEN)
    mirrored_state: bool = False  # recurrent states lie on every device whole
    split_apart: bool = False  # a delta net's keys and values are cut each by itself, not by groups

    def rotates(self, index: int, group: LayerGroup, *, sliding: bool) -> bool:
        """True where a layer rotates its queries and keys; `sliding`: any layer of the model has a window."""
        if self.rope is Rope.ALWAYS or (self.rope is Rope.SLIDING_IF_ANY and not sliding):
            return True
        if self.rope is Rope.THREE_OF_FOUR:
            return (index + 1) % 4 != 0
        if self.rope is Rope.SLIDING_OR_DENSE and not isinstance(group.feed_forward, MixtureOfExperts):
            return True
        return self.rope is not Rope.NEVER and any(isinstance(c, SlidingWindow) for c in group.caches)


ORDINARY: Final = Traits()
UNREAD: Final = Traits(known=False)
