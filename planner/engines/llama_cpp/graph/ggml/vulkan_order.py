"""The order in which the Vulkan backend computes a split's nodes, and what its fused kernels keep allocated.

ggml_vk_graph_optimize in ggml/src/ggml-vulkan/ggml-vulkan.cpp, and its patterns in ggml-vulkan-types.h, llama.cpp
b11434: independent nodes of a window are computed together, views behind them; patterns that a kernel fuses stay
as they are. Patterns of operations that no graph here has are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from planner.engines.llama_cpp.graph.ggml.tensor import VIEWS, Tensor

_WINDOW: Final = 20  # NUM_TO_CHECK
_FURTHER: Final = 15  # nodes behind one in which its companion is looked for
_NORM: Final = ("reshape", "sum_rows", "clamp", "div", "reshape")
_SELECT: Final = ("argsort", "view", "get_rows")
_ROUTING: Final = (
    ("soft_max", "reshape", *_SELECT, *_NORM),
    ("unary", "reshape", "add", *_SELECT, *_NORM),
    ("unary", "sqrt", "reshape", "add", *_SELECT, *_NORM),
    ("soft_max", "reshape", *_SELECT),
    ("argsort", "view", "get_rows", "reshape", "soft_max", "reshape"),
)
_KEPT: Final = (
    ("rms_norm", "mul", "add", "mul"),
    ("rms_norm", "mul", "add"),
    ("rms_norm", "mul", "rope", "view", "set_rows"),
    ("rms_norm", "view", "set_rows"),
    ("rope", "view", "set_rows"),
)
# what may follow its source at once, as a kernel computes both: (source, then)
_ADJACENT: Final = frozenset(
    {
        *(("mul_mat", "add"), ("mul_mat_id", "add_id"), ("mul_mat_id", "mul"), ("add", "add")),
        *(("ssm_conv", "add"), ("ssm_conv", "unary")),
    }
)
_JOINED: Final = frozenset({("rms_norm", "mul"), ("unary", "mul")})


def reorder(nodes: list[Tensor]) -> dict[int, list[Tensor]]:
    """Reorder one split's nodes in place as the backend does; return what each node (by id) keeps alive."""
    order = _Order(nodes)
    order.run()
    nodes[:] = [nodes[i] for i in order.chosen]
    return order.kept


def _empty(node: Tensor) -> bool:
    return node.op == "none" or node.op in VIEWS


def _base(tensor: Tensor) -> Tensor:
    return tensor.root if tensor.root is not None else tensor


def _depends(later: Tensor, earlier: Tensor) -> bool:
    """is_src_of: True where a node must stay behind another one."""
    real = not (_empty(later) or _empty(earlier))
    for src in later.src:
        if src is earlier or (real and _base(src) is _base(earlier)):
            return True
    if real and any(_base(src) is _base(later) for src in earlier.src):
        return True
    return _base(later) is _base(earlier)


class _Order:
    def __init__(self, nodes: Sequence[Tensor]) -> None:
        self.nodes = nodes
        self.ops = [n.op for n in nodes]
        self.used = [False] * len(nodes)
        self.done: set[int] = set()  # ids of nodes in the new order
        self.chosen: list[int] = []
        self.kept: dict[int, list[Tensor]] = {}
        self.first = 0

    def run(self) -> None:
        while self.first < len(self.nodes):
            if self._keep_routing() or self._keep_pattern():
                continue
            self._take(self._window())

    def _take(self, indices: Sequence[int]) -> None:
        for i in indices:
            self.chosen.append(i)
            self.done.add(id(self.nodes[i]))
            self.used[i] = True
        while self.first < len(self.nodes) and self.used[self.first]:
            self.first += 1

    def _matches(self, pattern: tuple[str, ...], start: int) -> bool:
        end = start + len(pattern)
        return (
            end <= len(self.nodes) and tuple(self.ops[start:end]) == pattern and not any(self.used[start:end])
        )

    def _keep_routing(self) -> bool:
        for pattern in _ROUTING:
            if not self._matches(pattern, self.first):
                continue
            last = self.first + len(pattern) - 1
            if last + 1 < len(self.nodes) and self.ops[last + 1] == "scale":
                last += 1
            seen: dict[int, Tensor] = {}
            held = self.kept.setdefault(id(self.nodes[last]), [])
            for i in range(self.first, self.first + len(pattern)):
                for src in self.nodes[i].src:
                    if id(src) not in seen:
                        seen[id(src)] = src
                        held.append(src)
                seen[id(self.nodes[i])] = self.nodes[i]
            self._take(range(self.first, self.first + len(pattern)))
            return True
        return False

    def _keep_pattern(self) -> bool:
        for pattern in _KEPT:
            if self._matches(pattern, self.first):
                self._take(range(self.first, self.first + len(pattern)))
                return True
        return False

    def _window(self) -> list[int]:
        first, nodes, ops = self.first, self.nodes, self.ops
        current = [first]
        end = min(first + _WINDOW, len(nodes))
        for j in range(first + 1, end):
            if self.used[j] or _empty(nodes[j]):
                continue
            if any(self._matches(p, j) for p in (*_ROUTING, *_KEPT)):
                continue
            if all(
                self.used[c] or not _depends(nodes[j], nodes[c]) or self._together(c, j, current)
                for c in range(first, j)
            ):
                current.append(j)
                self._companions(j, current)
        if ops[current[-1]] == "add":
            return current
        for j in range(first + 1, end):
            if self.used[j] or not _empty(nodes[j]):
                continue
            if all(self.used[c] or c in current or not _depends(nodes[j], nodes[c]) for c in range(first, j)):
                current.append(j)
        return current

    def _together(self, c: int, j: int, current: list[int]) -> bool:
        """True where a node may follow the one it depends on, as both are one kernel."""
        if c != current[-1]:
            return False
        pair = self.ops[c], self.ops[j]
        if pair in _JOINED:
            return all(self.used[v] or _empty(self.nodes[v]) for v in range(c + 1, j))
        return j == c + 1 and pair in _ADJACENT

    def _pull(self, current: list[int], *indices: int) -> None:
        for i in indices:
            current.append(i)
            self.used[i] = True

    def _companions(self, j: int, current: list[int]) -> None:
        """Bring what a kernel fuses with the node just taken up to it."""
        nodes, ops = self.nodes, self.ops
        behind = range(j + 1, min(j + _FURTHER, len(nodes)))
        before = ops[j - 1]
        rope = j
        if ops[j] == "mul" and before == "rms_norm":
            for k in behind:
                if (
                    ops[k] == "rope"
                    and nodes[k].src[0] is nodes[j]
                    and all(s.op == "none" for s in nodes[k].src[1:])
                ):
                    rope = k
                    self._pull(current, k)
                    break
        if ops[rope] in ("rope", "rms_norm"):
            self._written(rope, current)
        if ops[j] == "add_id" and before == "mul_mat_id":
            self._consumer(j, "mul", current)
        if ops[j] == "add" and before == "mul_mat":
            self._consumer(j, "add", current)
        if ops[j] == "add" and before == "ssm_conv":
            for k in behind:
                if ops[k] == "unary" and nodes[k].src[0] is nodes[j]:
                    self._pull(current, k)
                    break
        if ops[j] == "unary":
            for k in behind:
                if ops[k] != "mul" or all(s is not nodes[j] for s in nodes[k].src[:2]):
                    continue
                other = nodes[k].src[1] if nodes[k].src[0] is nodes[j] else nodes[k].src[0]
                if other.op == "none" or id(other) in self.done:
                    self._pull(current, k)
                    break

    def _consumer(self, j: int, op: str, current: list[int]) -> None:
        for k in range(j + 1, min(j + _FURTHER, len(self.nodes))):
            if self.ops[k] != op or self.nodes[k].src[0] is not self.nodes[j]:
                continue
            other = self.nodes[k].src[1]
            if other.op == "none" or id(other) in self.done:
                self._pull(current, k)
                return

    def _written(self, at: int, current: list[int]) -> None:
        """Bring the view and the write of a rotated or normalised tensor up to it."""
        nodes, view = self.nodes, -1
        for k in range(at + 1, min(at + _FURTHER, len(nodes))):
            if self.used[k]:
                continue
            if view < 0 and self.ops[k] == "view" and nodes[k].src[0] is nodes[at]:
                view = k
            elif view >= 0 and self.ops[k] == "set_rows" and nodes[k].src[0] is nodes[view]:
                blocked = any(
                    not self.used[c] and c != view and not _empty(nodes[c]) and _depends(nodes[k], nodes[c])
                    for c in range(at + 1, k)
                )
                alone = nodes[at].use_count == 1 and nodes[view].use_count == 1
                if not blocked and alone:
                    self._pull(current, view, k)
                return
