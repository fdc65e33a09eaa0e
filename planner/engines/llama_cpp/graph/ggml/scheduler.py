"""Which backend computes which node, and what is copied between them.

ggml_backend_sched_split_graph in ggml/src/ggml-backend.cpp, llama.cpp b11434, pass by pass. Backends are
indices: the devices in order, the host last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import Final

from planner.engines.llama_cpp.graph.ggml.allocator import Allocator, BufferType, NotRepeatable, Repeat
from planner.engines.llama_cpp.graph.ggml.supported_ops import device_supports
from planner.engines.llama_cpp.graph.ggml.tensor import VIEWS, Graph, Tensor
from planner.fast_dataclass import dataclass

# A backend's graph_optimize: reorders one split's nodes in place, returns what each node (by id) keeps alive
Optimise = Callable[[list[Tensor]], dict[int, list[Tensor]]]
_COPIES: Final = 4  # GGML_SCHED_MAX_COPIES
_OFFLOAD_BATCH: Final = 32  # GGML_OP_OFFLOAD_MIN_BATCH


@dataclass(slots=True)
class _Split:
    backend: int
    start: int
    end: int = 0
    inputs: list[Tensor] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)  # the node that each is first wanted by


class Scheduler:
    """Splits a graph over backends and measures the compute buffers."""

    def __init__(
        self,
        buffers: tuple[BufferType, ...],
        *,
        cuda: bool,
        pipelined: bool,
        op_offload: bool,
        optimise: Optimise | None,
    ) -> None:
        self.buffers = buffers
        self.host = len(buffers) - 1
        self.cuda = cuda
        self.copies = _COPIES if pipelined else 1
        self.op_offload = op_offload
        self.optimise = optimise

    def measure(self, graph: Graph, repeats: Sequence[Repeat] = ()) -> list[int]:
        """Return the size of each backend's compute buffer in bytes; the graph can't be used again.

        Raises NotRepeatable where layers that are left out would have tensors allocated from the start.
        """
        self.assign(graph)
        splits, copies = self._split(graph)
        if self.copies > 1:
            for repeat in repeats:
                begin, end = graph.bounds[repeat.start], graph.bounds[repeat.start + repeat.length]
                if any(begin <= at < end for s in splits for at in s.wanted):
                    raise NotRepeatable
        leaves, sections = self._order(graph, splits, copies)
        return Allocator(self.buffers).run(leaves, sections, repeats)

    def assign(self, graph: Graph) -> None:
        """Decide every node's backend."""
        self._assign(graph)
        self._expand(graph)
        self._settle(graph)

    # pass 1

    def _of_buffer(self, tensor: Tensor, op: Tensor) -> int:
        home = tensor.home if tensor.root is None else tensor.root.home
        if home is None:
            return -1
        return home if self._supports(home, op) else -1

    def _supports(self, backend: int, op: Tensor) -> bool:
        return backend == self.host or device_supports(backend, self.host, op, self.cuda)

    def _assign(self, graph: Graph) -> None:
        for tensor, backend in graph.pinned:
            tensor.backend = backend
        for tensor in graph.leaves:
            tensor.backend = self._current(tensor)
        for tensor in graph.nodes:
            if tensor.backend < 0:
                tensor.backend = self._current(tensor)

    def _current(self, tensor: Tensor) -> int:
        own = self._of_buffer(tensor, tensor)
        if own >= 0:
            return own
        if tensor.input:
            return self.host
        if tensor.op in ("rope", "flash_attn"):
            return -1
        for src in tensor.src:
            if src.weight:
                at = self._of_buffer(src, tensor)
                if self.op_offload and at == self.host and _batch(tensor) >= _OFFLOAD_BATCH:
                    for device in range(self.host):
                        if device_supports(device, self.host, tensor, self.cuda):
                            return device
                return at
        return -1

    # pass 2

    def _expand(self, graph: Graph) -> None:
        nodes = [n for n in graph.nodes if n.op not in VIEWS]
        backwards = nodes[::-1]
        for order, devices_only in ((nodes, True), (backwards, True), (nodes, False), (backwards, False)):
            current = -1
            for node in order:
                at = node.backend
                if at >= 0:
                    current = -1 if devices_only and at == self.host else at
                elif current >= 0 and self._supports(current, node):
                    node.backend = current

    # passes 3 and 4

    def _holds(self, tensor: Tensor, backend: int) -> bool:
        """True where a backend can read a tensor where it is (ggml_backend_sched_buffer_supported)."""
        root = tensor.root
        home = tensor.home if root is None else root.home
        if home is None:
            home = tensor.backend
            if home < 0 and root is not None:
                home = root.backend
        return home == backend

    def _settle(self, graph: Graph) -> None:
        for node in graph.nodes:
            if node.backend < 0 and node.op not in VIEWS:
                best = -1
                for backend in range(self.host + 1):
                    if self._supports(backend, node):
                        held = sum(self._holds(s, backend) for s in node.src)
                        if held > best:
                            best, node.backend = held, backend
        for node in graph.nodes:
            if node.root is not None and node.backend < 0:
                node.backend = node.root.backend
            for src in node.src:
                if src.backend < 0:
                    src.backend = src.root.backend if src.root is not None else node.backend
            if node.backend < 0:
                node.backend = next(b for b in range(self.host + 1) if self._supports(b, node))

    # pass 5

    def _split(self, graph: Graph) -> tuple[list[_Split], dict[tuple[int, int], list[Tensor]]]:
        nodes = graph.nodes
        first = next(i for i, n in enumerate(nodes) if n.op not in VIEWS)
        split = _Split(nodes[first].backend, 0)
        splits = [split]
        copies: dict[tuple[int, int], list[Tensor]] = {}
        current = split.backend
        for i in range(first, len(nodes)):
            node = nodes[i]
            if node.op in VIEWS:
                continue
            fresh = node.backend != current
            if not fresh and split.inputs:
                fresh = any(
                    s.weight and s.backend != current and not self._holds(s, current) for s in node.src
                )
            if fresh:
                split.end = i
                current = node.backend
                split = _Split(current, i)
                splits.append(split)
            for j, src in enumerate(node.src):
                if src.backend == current or self._holds(src, current):
                    continue
                key = (id(src), current)
                made = copies.get(key)
                if made is None:
                    made = copies[key] = [src.like() for _ in range(self.copies)]
                    if self.copies > 1:
                        for copy in made:
                            copy.input = copy.output = True
                    split.inputs.append(src)
                    split.wanted.append(i)
                node.src[j] = made[0]
        split.end = len(nodes)
        return splits, copies

    # pass 6 and the graph that is allocated

    def _order(
        self, graph: Graph, splits: list[_Split], copies: dict[tuple[int, int], list[Tensor]]
    ) -> tuple[list[tuple[Tensor, int]], list[list[tuple[Tensor, int]]]]:
        """Return the leaves, and the nodes by section: before the layers, each layer, after them."""
        leaves: list[tuple[Tensor, int]] = []
        if self.copies > 1:
            for leaf in graph.leaves:
                if leaf.input:
                    leaf.output = True
                    leaves.append((leaf, leaf.backend))
                    for _ in range(self.copies - 1):
                        copy = leaf.like()
                        copy.input = copy.output = True
                        leaves.append((copy, leaf.backend))
            for split in splits:
                for src in split.inputs:
                    leaves += [(c, split.backend) for c in copies[id(src), split.backend]]
        leaves += [(leaf, leaf.backend) for leaf in graph.leaves]
        order: list[tuple[Tensor, int]] = []
        sections = [order]
        bounds = [*graph.bounds, len(graph.nodes) + 1]
        number = 0
        for split in splits:
            while split.start >= bounds[number]:
                number += 1
                order = []
                sections.append(order)
            for src in split.inputs:
                order.append((_dependency(src, [src]), src.backend))
                order.append((copies[id(src), split.backend][0], split.backend))
            piece = graph.nodes[split.start : split.end]
            kept = self.optimise(piece) if self.optimise and split.backend != self.host else {}
            for index, node in enumerate(piece, split.start):
                while index >= bounds[number]:
                    number += 1
                    order = []
                    sections.append(order)
                order.append((node, node.backend))
                held = kept.get(id(node)) if kept else None
                if held:
                    order.append((_dependency(held[0], held), split.backend))
        while len(sections) < len(bounds):
            sections.append([])
        return leaves, sections


def _dependency(tensor: Tensor, kept: list[Tensor]) -> Tensor:
    """Return a node without a computation that keeps tensors allocated until here."""
    node = Tensor("none", tensor.kind, tensor.ne, tuple(kept))
    node.root = tensor.root if tensor.root is not None else tensor
    return node


def _batch(tensor: Tensor) -> int:
    """Rows that an operation computes at once (get_op_batch_size in ggml-cuda.cu)."""
    if tensor.op == "get_rows":
        return 0
    if tensor.op == "mul_mat":
        return tensor.ne[1]
    if tensor.op in ("mul_mat_id", "rope"):
        return tensor.ne[2]
    return tensor.ne[1] * tensor.ne[2] * tensor.ne[3]
