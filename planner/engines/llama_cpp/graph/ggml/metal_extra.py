"""Bytes that Metal's buffers hold behind a tensor for what its operation needs in passing.

ggml_backend_metal_buffer_type_get_alloc_size in ggml/src/ggml-metal/ggml-metal.cpp and the sizes in
ggml-metal-ops.cpp, llama.cpp b11434 and b11549. All of it is always reserved, so that no graph is allocated anew:
flash attention's F16 copy of a layer's whole cache too, which only quantised caches use.
"""

from __future__ import annotations

from typing import Final

from planner.engines.llama_cpp.graph.ggml.tensor import Tensor
from planner.units import round_up

_QUERIES, _CELLS = 8, 64  # OP_FLASH_ATTN_EXT_NQPSG, OP_FLASH_ATTN_EXT_NCPSG
_VECTOR_CELLS: Final = 32  # OP_FLASH_ATTN_EXT_VEC_NCPSG, of a batch below 20 tokens
_GROUPS: Final = 32  # work groups that each leave a partial result
_PARTS: Final = 256  # N_MM_NPART_AMAX


def extra(tensor: Tensor, *, copies: bool) -> int:
    """Return the bytes beside the tensor's own; `copies`: with F16 copies of the cache, as since pull request 27390."""
    if tensor.op == "mul_mat_id":
        experts, tokens = tensor.src[0].ne[2], tensor.src[2].ne[1]
        return 4 * experts + 4 * experts * tokens + 8 + 4 * _PARTS
    if tensor.op == "argsort":
        return tensor.nbytes
    if tensor.op == "top_k":
        return max(8 * tensor.src[0].elements - tensor.nbytes, 0)
    return _flash(tensor, copies) if tensor.op == "flash_attn" else 0


def _flash(tensor: Tensor, copies: bool) -> int:
    query, k, v, mask = tensor.src[:4]
    tokens, heads, sequences = query.ne[1:]
    pad = _CELLS * (
        k.nb[1] * k.ne[2] * k.ne[3] + v.nb[1] * v.ne[2] * v.ne[3] + 2 * mask.ne[1] * mask.ne[2] * mask.ne[3]
    )
    small = tokens < 20 and query.ne[0] % 32 == 0
    rows, columns = (1, _VECTOR_CELLS) if small else (_QUERIES, _CELLS)
    blocks = round_up(-(-mask.ne[0] // columns) * -(-tokens // rows) * mask.ne[2] * mask.ne[3], 32)
    partial = 4 * min(tokens, 32) * heads * sequences * _GROUPS * (v.ne[0] + 2)
    copied = 0
    if copies:
        copied = round_up(2 * k.elements, 16)
        if not (v.root is not None and (v.root is k or (v.root is k.root and v.offset == k.offset))):
            copied += round_up(2 * v.elements, 16)
    return pad + blocks + partial + copied
