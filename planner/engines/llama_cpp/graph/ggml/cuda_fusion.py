"""Tensors that the CUDA backend keeps allocated for its fused kernels.

ggml_backend_cuda_graph_optimize in ggml/src/ggml-cuda/ggml-cuda.cu, llama.cpp b11434: the routing of a
mixture of experts, the weighted sum of its experts, and a shared expert beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from planner.engines.llama_cpp.graph.ggml.tensor import Tensor

_MAX_REDUCED: Final = 15  # MOE_WEIGHTED_REDUCTION_MAX_EXPERTS
_SELECT: Final = ("reshape", "argsort", "view", "get_rows")
_SELECT_BIASED: Final = ("reshape", "add", "argsort", "view", "get_rows")
_NORM: Final = ("reshape", "sum_rows", "clamp", "div", "reshape")


def fuse(nodes: list[Tensor]) -> dict[int, list[Tensor]]:
    """Reorder one split's nodes in place as the backend does; return what each node (by id) keeps alive."""
    kept: dict[int, list[Tensor]] = {}
    ops = [n.op for n in nodes]

    def keep(tensors: list[Tensor], until: Tensor) -> None:
        held = kept.setdefault(id(until), [])
        for tensor in tensors:
            if all(tensor is not h for h in held):
                held.append(tensor)

    _shared_experts(nodes, keep)
    ops = [n.op for n in nodes]
    i = 0
    while i < len(nodes):
        op = ops[i]
        if op == "mul":
            end = _reduction(nodes, ops, i)
            if end:
                first = nodes[i]
                weighted = nodes[i + 1] if ops[i + 1] == "mul" else first
                keep(
                    [
                        s
                        for n in {id(first): first, id(weighted): weighted}.values()
                        for s in n.src
                        if s is not first
                    ],
                    nodes[end - 1],
                )
                i = end
                continue
        elif op in ("soft_max", "unary"):
            end = _routing(nodes, ops, i)
            if end and end < len(nodes):
                held: list[Tensor] = []
                for node in nodes[i:end]:
                    held.append(node)
                    held += node.src
                keep(held, nodes[end])
                i = end
                continue
        i += 1
    return kept


def _routing(nodes: list[Tensor], ops: list[str], i: int) -> int:
    """Return the index behind a fused routing that starts at i; 0 where there is none."""
    at = i + 1
    for pattern in (_SELECT_BIASED, _SELECT):
        if tuple(ops[at : at + len(pattern)]) == pattern:
            order = nodes[at + pattern.index("argsort")]
            at += len(pattern)
            break
    else:
        return 0
    experts = order.ne[0]
    if (experts & (experts - 1) or experts > 512) and experts not in (288, 576):
        return 0
    if len(nodes[i].src) > 1:  # a mask or sinks
        return 0
    if tuple(ops[at : at + len(_NORM)]) == _NORM:
        at += len(_NORM)
    if at < len(ops) and ops[at] == "scale":
        at += 1
    return at


def _reduction(nodes: list[Tensor], ops: list[str], i: int) -> int:
    """Return the index behind a weighted sum of experts that starts at i; 0 where there is none."""
    muls = 2 if i + 1 < len(ops) and ops[i + 1] == "mul" and nodes[i + 1].src[0] is nodes[i] else 1
    used = nodes[i].ne[1]
    if not 2 <= used <= _MAX_REDUCED or nodes[i].src[1].ne[0] != 1 or nodes[i].ne[0] == 1:
        return 0
    end = i + muls + 2 * used - 1
    pattern = ["view"] * used + ["add"] * (used - 1)
    return end if ops[i + muls : end] == pattern else 0


def _shared_experts(nodes: list[Tensor], keep: Callable[[list[Tensor], Tensor], None]) -> None:
    """Move a shared expert's first half beside that of the routed ones."""
    i = 0
    while i + 5 < len(nodes):
        if nodes[i].op == "mul_mat_id" and nodes[i + 1].op == "mul_mat_id" and nodes[i + 2].op == "glu":
            for j in range(i + 3, len(nodes) - 2):
                if nodes[j].op == "mul_mat_id" and nodes[j + 1].op == "mul_mat_id":
                    break
                if nodes[j].op == "mul_mat" and _alike(nodes, i, j):
                    nodes[i + 3 : j + 3] = nodes[j : j + 3] + nodes[i + 3 : j]
                    up = nodes[i + 2].src[1]
                    keep([up.src[1], up.src[2]], nodes[i + 5])
                    i += 5
                    break
        i += 1


def _alike(nodes: list[Tensor], i: int, j: int) -> bool:
    """True where a dense pair of products at j has the routed pair's shape and type (match_shared_expert)."""
    if nodes[j + 1].op != "mul_mat" or nodes[j + 2].op != "glu":
        return False
    routed, shared = nodes[i + 2], nodes[j + 2]
    if len(routed.src) != 2 or len(shared.src) != 2:
        return False
    pairs = {id(s) for s in routed.src} == {id(nodes[i]), id(nodes[i + 1])} and {
        id(s) for s in shared.src
    } == {id(nodes[j]), id(nodes[j + 1])}
    if not pairs:
        return False
    up, gate = routed.src[1], routed.src[0]
    shared_up, shared_gate = shared.src[1], shared.src[0]
    weight, other = up.src[0], shared_up.src[0]
    source = up.src[1]
    return (
        weight.kind is gate.src[0].kind
        and other.kind is shared_gate.src[0].kind
        and weight.kind is other.kind
        and weight.kind.block > 1
        and weight.ne[:2] == other.ne[:2]
        and weight.home is not None
        and source.op == "reshape"
        and source.src[0] is shared_up.src[1]
        and all(n.use_count == 1 for n in (nodes[i], nodes[i + 1], nodes[j], nodes[j + 1]))
    )
