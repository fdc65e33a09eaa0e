"""A compute graph without numbers: shapes, strides, sources and views, as ggml.c builds them.

Only what decides memory is kept. Shapes are ggml's ne (four numbers, row length first), strides its nb in
bytes. Read in ggml/src/ggml.c, llama.cpp b11434.
"""

from __future__ import annotations

from typing import Final

from planner.quant.formats import QuantFormat, ggml_format

Shape = tuple[int, int, int, int]

F32: Final = ggml_format("F32")
F16: Final = ggml_format("F16")
I32: Final = QuantFormat("I32", 1, 4)
I64: Final = QuantFormat("I64", 1, 8)

# ggml_op_can_inplace in ggml-alloc.c, by the names used here; glu, norm and l2_norm are not among them
_INPLACE: Final = frozenset({"add", "add_id", "sub", "mul", "div", "scale", "unary", "rope", "rms_norm"})
INPLACE: Final = _INPLACE | {"clamp", "soft_max", "sqr", "sqrt", "fill", "log"}
VIEWS: Final = frozenset({"view", "reshape", "permute", "transpose"})


def strides(kind: QuantFormat, ne: Shape) -> Shape:
    """Strides of a contiguous tensor."""
    row = ne[0] // kind.block * kind.bytes
    return kind.bytes, row, row * ne[1], row * ne[1] * ne[2]


def shape(*ne: int) -> Shape:
    """Fill up a shape to four dimensions."""
    a, b, c, d = (*ne, 1, 1, 1)[:4]
    return a, b, c, d


class Tensor:
    """One node or leaf of a graph.

    `home` is the index of the backend whose memory already holds it (weights, caches), None for what the
    graph's allocator places; `backend` is what the scheduler decides.
    """

    __slots__ = (
        "backend",
        "children",
        "home",
        "input",
        "kind",
        "lives",
        "nb",
        "ne",
        "offset",
        "op",
        "output",
        "place",
        "root",
        "src",
        "use_count",
        "views",
        "visited",
        "weight",
    )

    def __init__(self, op: str, kind: QuantFormat, ne: Shape, src: tuple[Tensor, ...] = ()) -> None:
        self.op = op
        self.kind = kind
        self.ne = ne
        self.nb = strides(kind, ne)
        self.src: list[Tensor] = list(src)
        self.root: Tensor | None = None  # view_src
        self.offset = 0  # of a view in its root, bytes
        self.input = False
        self.output = False
        self.weight = False
        self.home: int | None = None
        self.backend = -1
        self.visited = False
        self.use_count = 0
        # the allocator's own
        self.children = 0
        self.views = 0
        self.lives = False
        self.place = 0

    @property
    def elements(self) -> int:
        """Number of elements."""
        a, b, c, d = self.ne
        return a * b * c * d

    @property
    def nbytes(self) -> int:
        """Bytes from the first element to the last (ggml_nbytes)."""
        kind, ne, nb = self.kind, self.ne, self.nb
        if 0 in ne:
            return 0
        size = kind.bytes if kind.block == 1 else ne[0] // kind.block * nb[0]
        if kind.block == 1:
            size += (ne[0] - 1) * nb[0]
        return size + (ne[1] - 1) * nb[1] + (ne[2] - 1) * nb[2] + (ne[3] - 1) * nb[3]

    @property
    def contiguous(self) -> bool:
        """True where the elements lie in order without gaps (ggml_is_contiguous)."""
        expected = self.kind.bytes
        if self.ne[0] != self.kind.block and self.nb[0] != expected:
            return False
        expected *= self.ne[0] // self.kind.block
        for n, stride in zip(self.ne[1:], self.nb[1:], strict=True):
            if n != 1:
                if stride != expected:
                    return False
                expected *= n
        return True

    def same_layout(self, other: Tensor) -> bool:
        """True where both have the same type, shape and strides (ggml_are_same_layout)."""
        return self.kind is other.kind and self.ne == other.ne and self.nb == other.nb

    def like(self) -> Tensor:
        """Return an unplaced copy with the same layout (ggml_dup_tensor_layout)."""
        copy = Tensor("none", self.kind, self.ne)
        copy.nb = self.nb
        return copy


class Graph:
    """Nodes and leaves in evaluation order, grown as ggml_build_forward_expand does."""

    __slots__ = ("bounds", "leaves", "nodes", "pinned")

    def __init__(self) -> None:
        self.nodes: list[Tensor] = []
        self.leaves: list[Tensor] = []
        self.pinned: list[tuple[Tensor, int]] = []  # set_tensor_backend
        self.bounds: list[int] = []  # number of nodes before the layers, and up to the end of each

    def expand(self, tensor: Tensor) -> Tensor:
        """Add a tensor after everything that it depends on, left to right."""
        if not tensor.visited:
            tensor.visited = True
            for src in tensor.src:
                if not src.visited:
                    self.expand(src)
                src.use_count += 1
            (self.nodes if tensor.op != "none" else self.leaves).append(tensor)
        return tensor


def leaf(kind: QuantFormat, *ne: int) -> Tensor:
    """Return a new tensor without a source."""
    return Tensor("none", kind, shape(*ne))


def graph_input(kind: QuantFormat, *ne: int) -> Tensor:
    """Return a graph input: allocated first, in host memory."""
    tensor = leaf(kind, *ne)
    tensor.input = True
    return tensor


def same(op: str, a: Tensor, *rest: Tensor) -> Tensor:
    """Return an F32-or-alike result of the first source's shape: add, mul, rope, unary …"""
    return Tensor(op, a.kind, a.ne, (a, *rest))


def mul_mat(a: Tensor, b: Tensor) -> Tensor:
    """Return a (transposed) times b, in F32."""
    return Tensor("mul_mat", F32, (a.ne[1], b.ne[1], b.ne[2], b.ne[3]), (a, b))


def mul_mat_id(experts: Tensor, b: Tensor, ids: Tensor) -> Tensor:
    """Return the chosen experts' products: (rows, experts used, tokens)."""
    return Tensor("mul_mat_id", F32, (experts.ne[1], ids.ne[0], b.ne[2], 1), (experts, b, ids))


def get_rows(a: Tensor, ids: Tensor) -> Tensor:
    """Return rows of a, in F32 (I32 for I32)."""
    kind = I32 if a.kind is I32 else F32
    return Tensor("get_rows", kind, (a.ne[0], ids.ne[0], ids.ne[1], ids.ne[2]), (a, ids))


def set_rows(a: Tensor, b: Tensor, ids: Tensor) -> Tensor:
    """Write rows of b into a: a view of a."""
    return as_view("set_rows", a, a.ne, a.nb, 0, (b, ids))


def as_view(
    op: str, a: Tensor, ne: Shape, nb: Shape, offset: int = 0, src: tuple[Tensor, ...] | None = None
) -> Tensor:
    """Return a view of a with this layout; its sources are a and, for an operation, `src` before it."""
    result = Tensor(op, a.kind, ne, (a,) if src is None else (*src, a))
    result.nb = nb
    result.root = a.root if a.root is not None else a
    result.offset = a.offset + offset
    return result


def reshape(a: Tensor, *ne: int) -> Tensor:
    """Return the same elements in another shape."""
    full = shape(*ne)
    return as_view("reshape", a, full, strides(a.kind, full))


def view(a: Tensor, ne: tuple[int, ...], nb: tuple[int, ...], offset: int = 0) -> Tensor:
    """Return a view; strides of the dimensions after the first, the rest follows."""
    full = shape(*ne)
    steps = [a.kind.bytes, *nb]
    if len(steps) == 1:
        steps.append(full[0] // a.kind.block * a.kind.bytes)
    while len(steps) < 4:
        steps.append(steps[-1] * full[len(steps) - 1])
    return as_view("view", a, full, (steps[0], steps[1], steps[2], steps[3]), offset)


def permute(a: Tensor, *axes: int) -> Tensor:
    """Return a with dimension i moved to axes[i]."""
    ne, nb = [0] * 4, [0] * 4
    for i, axis in enumerate(axes):
        ne[axis], nb[axis] = a.ne[i], a.nb[i]
    return as_view("permute", a, (ne[0], ne[1], ne[2], ne[3]), (nb[0], nb[1], nb[2], nb[3]))


def transpose(a: Tensor) -> Tensor:
    """Return a with its first two dimensions exchanged."""
    ne, nb = a.ne, a.nb
    return as_view("transpose", a, (ne[1], ne[0], ne[2], ne[3]), (nb[1], nb[0], nb[2], nb[3]))


def cont(a: Tensor, *ne: int) -> Tensor:
    """Return a contiguous copy, in another shape where one is given."""
    return Tensor("cont", a.kind, shape(*ne) if ne else a.ne, (a,))


def cast(a: Tensor, kind: QuantFormat) -> Tensor:
    """Return a copy in another type."""
    return Tensor("cpy", kind, a.ne, (a,))


def copy_into(a: Tensor, b: Tensor) -> Tensor:
    """Copy a into b: a view of b (ggml_cpy)."""
    return as_view("cpy", b, b.ne, b.nb, 0, (a,))


def concat(a: Tensor, b: Tensor, dim: int) -> Tensor:
    """Return both, one after the other along a dimension."""
    ne = list(a.ne)
    ne[dim] += b.ne[dim]
    return Tensor("concat", a.kind, (ne[0], ne[1], ne[2], ne[3]), (a, b))


def glu(a: Tensor, b: Tensor | None = None) -> Tensor:
    """Return a gated activation of two halves, or of the two halves of one tensor."""
    if b is not None:
        return Tensor("glu", a.kind, a.ne, (a, b))
    return Tensor("glu", a.kind, (a.ne[0] // 2, *a.ne[1:]), (a,))


def top_k(a: Tensor, k: int) -> Tensor:
    """Return the indices of the k largest of each row: a view of a full sort (ggml_argsort_top_k)."""
    order = Tensor("argsort", I32, a.ne, (a,))
    return view(order, (k, *a.ne[1:]), order.nb[1:])


def sum_rows(a: Tensor) -> Tensor:
    """Return each row's sum."""
    return Tensor("sum_rows", a.kind, (1, *a.ne[1:]), (a,))


def repeat(a: Tensor, *ne: int) -> Tensor:
    """Return a repeated to a shape."""
    return Tensor("repeat", a.kind, shape(*ne), (a,))
