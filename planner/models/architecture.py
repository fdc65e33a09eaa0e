"""Architecture: the shape that decides memory, as groups of identical layers.

Built from a Hugging Face config.json, from a GGUF header, or from a catalogue card (which holds a config):
one constructor each, one result. Everything is computed per group, never per layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from planner.fast_dataclass import dataclass
from planner.models.cache import CacheSpec
from planner.models.tensors import Role, TensorInfo
from planner.models.vendor_checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class DenseFeedForward:
    """An ordinary feed-forward block."""

    intermediate: int
    gated: bool = True  # gate and up projections (SwiGLU); False: up only (GPT-2, Nemotron)


@dataclass(frozen=True, slots=True)
class MixtureOfExperts:
    """Routed experts, with shared experts or a dense block beside them where the model has them."""

    n_expert: int
    n_expert_used: int
    intermediate: int  # of one routed expert
    gated: bool = True
    n_shared: int = 0
    shared_intermediate: int = 0  # of all shared experts together
    dense_intermediate: int = 0  # a dense block in parallel (Gemma 4 MoE, Arctic)
    latent: int = 0  # experts work in a latent space of this size (Nemotron 3 Super); 0: hidden_size


@dataclass(frozen=True, slots=True)
class NoFeedForward:
    """A layer that is only attention or only a state-space block (Nemotron-H)."""


FeedForward = DenseFeedForward | MixtureOfExperts | NoFeedForward


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """Identical layers: the same caches, the same feed-forward, the same tensors."""

    layers: tuple[int, ...]  # indices in the model, ascending
    caches: tuple[CacheSpec, ...]  # usually one; none for a feed-forward-only layer; two for Falcon-H1
    feed_forward: FeedForward
    tensors: tuple[TensorInfo, ...]  # of one layer, names without "blk.N."
    mtp: bool = False  # multi-token-prediction layers: after the last, not loaded by default in llama.cpp
    in_gguf: bool = (
        True  # False: llama.cpp's converter leaves these layers out (DeepSeek V3's prediction layer)
    )

    @property
    def count(self) -> int:
        """Number of layers."""
        return len(self.layers)


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary embedding, as far as memory needs it (vLLM counts its cos/sin cache)."""

    rotary_dim: int  # dimensions rotated of each head; 0 without rope
    max_position: int  # positions in the table: original × factor for yarn
    kinds: int = 1  # distinct rope configurations (Gemma 3: local and global)
    float32: bool = False
    others: tuple[tuple[int, int], ...] = ()  # (rotary_dim, max_position) of the further kinds, where known

    @property
    def table_elements(self) -> int:
        """Elements of all cos/sin tables together; those of a kind not listed are as large as the first's."""
        listed = sum(dim * positions for dim, positions in self.others)
        alike = max(self.kinds - len(self.others), 1)
        return alike * self.rotary_dim * self.max_position + listed


@dataclass(frozen=True, slots=True)
class Vision:
    """A vision (or audio) tower and its projector, as far as memory needs them."""

    parameters: int  # of tower and projector together; 0 when not known
    n_layer: int = 0
    hidden_size: int = 0
    intermediate: int = 0
    n_head: int = 0
    kind: str = ""  # the model_type whose tower it is, for example "qwen3_5"
    patch: int = 0  # side of a patch, pixels
    image: int = 0  # side of the picture that its positions were trained for, pixels; 0: not stated
    merge: int = 1  # patches of one side that make one token
    deep: int = 0  # layers whose outputs the text model takes besides the last one's


@dataclass(frozen=True, slots=True)
class Architecture:
    """The shape of one model."""

    model_type: str  # Hugging Face model_type, for example "qwen3_moe"
    gguf_arch: str | None  # llama.cpp's general.architecture, for example "qwen3moe"; None: not run by it
    hf_class: str | None  # for example "Qwen3MoeForCausalLM"
    hidden_size: int
    vocab_size: int
    n_ctx_train: int
    tied_embeddings: bool
    groups: tuple[LayerGroup, ...]
    tensors: tuple[TensorInfo, ...]  # outside the layers: embeddings, output norm, output head …
    rope: Rope | None = None
    vision: Vision | None = None
    dtype: str = "bfloat16"  # of the original checkpoint
    quantization: dict[str, Any] | None = field(
        default=None, compare=False, hash=False
    )  # quantization_config
    # What the vendor publishes in other formats, by the format's name (planner.models.vendor_checkpoints).
    published: Mapping[str, Checkpoint] | None = field(default=None, compare=False, hash=False, repr=False)
    position_parts: bool = False  # a GGUF whose rope has sections: text, time, height, width
    clamped_experts: bool = False  # a GGUF that bounds what every layer's experts pass on
    exact: bool = True  # False: some dimension is assumed (stated in the notes)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def n_layer(self) -> int:
        """Layers that run for every token, without MTP."""
        return sum(g.count for g in self.groups if not g.mtp)

    @property
    def n_layer_mtp(self) -> int:
        """Multi-token-prediction layers."""
        return sum(g.count for g in self.groups if g.mtp)

    @property
    def is_moe(self) -> bool:
        """True where any layer has routed experts."""
        return any(isinstance(g.feed_forward, MixtureOfExperts) for g in self.groups)

    def parameters(self, *, mtp: bool = False) -> int:
        """Elements of all tensors, tied embeddings counted once; with `mtp`, of the MTP layers too.

        Vision towers are not in it.
        """
        inner = sum(g.count * sum(t.elements for t in g.tensors) for g in self.groups if mtp or not g.mtp)
        return inner + sum(t.elements for t in self.tensors)

    def active_parameters(self) -> int:
        """Elements that one token's forward pass multiplies with: routed experts by their share.

        The input embedding is a look-up and is not counted, the output head is (also where it is tied).
        """
        total = 0
        for group in self.groups:
            if group.mtp:
                continue
            share = 1.0
            if isinstance(group.feed_forward, MixtureOfExperts):
                share = group.feed_forward.n_expert_used / group.feed_forward.n_expert
            total += group.count * sum(
                int(t.elements * share) if t.is_expert else t.elements for t in group.tensors
            )
        lookups = {Role.POS_EMBD, Role.PER_LAYER_EMBD} | (
            set() if self.tied_embeddings else {Role.TOKEN_EMBD}
        )
        return total + sum(t.elements for t in self.tensors if t.role not in lookups)
