"""The dimensions that every decoder's configuration states, under whichever names."""

from __future__ import annotations

from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.models.config.reader import MAX_LAYERS, Reader


@dataclass(frozen=True, slots=True)
class Dims:
    """What every decoder states."""

    hidden: int
    layers: int
    vocab: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    v_dim: int = 0  # of one V head, where it is not head_dim

    @property
    def q(self) -> int:
        """Elements of a token's Q row."""
        return self.heads * self.head_dim

    @property
    def kv(self) -> int:
        """Elements of a token's K row."""
        return self.kv_heads * self.head_dim

    @property
    def v(self) -> int:
        """Elements of a token's V row."""
        return self.kv_heads * (self.v_dim or self.head_dim)

    @property
    def out(self) -> int:
        """Elements of the attention's output before its projection."""
        return self.heads * (self.v_dim or self.head_dim)


def read_dims(c: Reader, *, head_dim: int | None = None, context: int | None = None) -> Dims:
    """Read a decoder's dimensions under any of the names that model families use for them."""
    hidden = c.integer("hidden_size", "n_embd", "d_model")
    heads = c.integer("num_attention_heads", "n_head", "num_heads", "n_heads", high=1 << 14)
    if head_dim is None and not c.has("head_dim") and not c.has("kv_channels") and hidden % heads:
        raise InputError(f"{c.where}: hidden_size {hidden} is not a multiple of {heads} heads")
    return Dims(
        hidden=hidden,
        layers=c.integer("num_hidden_layers", "n_layer", "num_layers", "n_layers", high=MAX_LAYERS),
        vocab=c.integer("vocab_size", "padded_vocab_size"),
        heads=heads,
        kv_heads=c.integer(
            "num_key_value_heads",
            "num_kv_heads",
            "n_head_kv",
            "num_attention_groups",
            default=heads,
            high=1 << 14,
        ),
        head_dim=head_dim or c.integer("head_dim", "kv_channels", default=hidden // heads, high=1 << 14),
        context=context
        or c.integer(
            "max_position_embeddings",
            "max_seq_len",
            "max_sequence_length",
            "seq_length",
            "n_positions",
            "n_ctx",
            "model_max_length",  # Kimi Linear states nothing else; read last by llama.cpp's converter too
            default=4096,
            high=1 << 31,
        ),
    )
