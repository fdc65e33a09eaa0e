"""The rotary embedding's tables, as vLLM builds them (get_rope in 0.33.0,
model_executor/layers/rotary_embedding/__init__.py and its classes).

One table of `max_position` rows of `rotary_dim` elements a distinct configuration; which scaling stretches
the rows: linear × factor, yarn original × factor, long rope short and long side by side, mrope × 4.
"""

from __future__ import annotations

from planner.models.architecture import Rope
from planner.models.config.dims import Dims
from planner.models.config.reader import Reader

_KINDS = ("full_attention", "sliding_attention", "chunked_attention", "global", "local")


def read_rope(c: Reader, d: Dims, *, head_dim: int | None = None, float32: bool = False) -> Rope | None:
    """Return the tables of a model whose rope parameters are given once or a layer kind.

    None where the file says that there is no rotary embedding.
    """
    kind = c.data.get("position_embedding_type")
    if c.data.get("rope_theta", 0) is False or (
        isinstance(kind, str) and kind in ("nope", "learned_absolute")
    ):
        return None
    size = head_dim or d.head_dim
    parameters = c.section("rope_parameters", "rope_scaling")
    if parameters is not None:
        nested = [p for k in _KINDS if k in parameters.data and (p := parameters.section(k)) is not None]
        if nested:
            tables = [table(p, c, size, d.context) for p in nested]
            distinct = list(dict.fromkeys((t, repr(p.data)) for t, p in zip(tables, nested, strict=True)))
            (dim, rows), others = distinct[0][0], tuple(t for t, _ in distinct[1:])
            return Rope(dim, rows, kinds=len(distinct), float32=float32, others=others)
    dim, rows = table(parameters, c, size, d.context)
    return Rope(dim, rows, float32=float32)


def table(parameters: Reader | None, c: Reader, head_dim: int, context: int) -> tuple[int, int]:
    """Return (rotary_dim, rows) of one table."""
    rows = context
    partial = c.number("partial_rotary_factor", "rotary_pct", "rope_pct", default=1.0, high=1.0)
    if parameters is not None:
        partial = parameters.number("partial_rotary_factor", default=partial, high=1.0)
        kind = parameters.text("rope_type", "type", default="default")
        factor = parameters.number("factor", default=1.0, high=1e6)
        original = parameters.integer(
            "original_max_position_embeddings",
            default=c.integer("original_max_position_embeddings", default=context, high=1 << 31),
            high=1 << 31,
        )
        if kind in ("yarn", "deepseek_yarn", "deepseek_llama_scaling"):
            rows = int(original * factor)
        elif kind == "linear":
            rows = int(context * factor)
        elif kind in ("longrope", "su"):
            rows = original + context
        elif kind == "proportional":
            partial = 1.0  # Gemma 4: the dimensions that don't rotate are in the table
        if parameters.has("mrope_section"):
            rows *= 4
    return int(c.integer("rotary_dim", default=int(head_dim * partial), low=0)), rows
