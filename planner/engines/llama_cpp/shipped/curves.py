"""Compute buffers of catalogue models as shipped figures, so that common questions build no graph.

buffers.json beside this module holds, for every shape of a model (a fingerprint of what the graph depends
on) and every kind of placement, the exact buffers over the context: as lines between corners where every
figure in between lies on them, else as single figures. ``python -m benchmarks.build_buffers`` makes it with the
engine's graph and stamps it with a hash of the graph's sources; a test fails where the two differ. What isn't
in the file is computed.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from planner.engines.llama_cpp.graph.buffers import ComputeBuffers
from planner.engines.llama_cpp.placing.placement import HOST, LayerPlacement, Moved
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import WeightTable
from planner.models.architecture import Architecture, MixtureOfExperts
from planner.quant.formats import ggml_format

FILE: Final = Path(__file__).with_name("buffers.json")
STEP: Final = 256  # a context is a multiple of this many tokens a sequence
LINES, POINTS = 1, 0  # how a row is stored
ROWS: Final = b',"rows":[\n'  # ends the first line; each further line holds one architecture


class Curve:
    """Buffers of one kind of placement over the context; rows of (n_ctx, devices …, host), ascending."""

    __slots__ = ("contexts", "linear", "rows")

    def __init__(self, linear: bool, rows: list[list[int]]) -> None:
        self.linear = linear
        self.rows = rows
        self.contexts = [row[0] for row in rows]

    def at(self, n_ctx: int) -> ComputeBuffers | None:
        """Return the exact buffers; None where this context isn't covered."""
        i = bisect_left(self.contexts, n_ctx)
        if i == len(self.contexts):
            return None
        high = self.rows[i]
        if high[0] == n_ctx:
            return ComputeBuffers(tuple(high[1:-1]), high[-1])
        if not i or not self.linear or n_ctx % STEP:
            return None
        low = self.rows[i - 1]
        part, whole = n_ctx - low[0], high[0] - low[0]
        values = [a + (b - a) * part // whole for a, b in zip(low[1:], high[1:], strict=True)]
        return ComputeBuffers(tuple(values[:-1]), values[-1])


def hash64(text: str) -> str:
    """Return 16 hex digits: two checksums, read forwards and backwards (hashlib takes longer to import)."""
    data = text.encode()
    return f"{crc32(data):08x}{crc32(data[::-1]):08x}"


def fingerprint(arch: Architecture) -> str:
    """Return what tells one architecture's graphs from another's."""
    groups = [
        (g.layers, g.caches, g.feed_forward, g.mtp, [(t.name, t.shape) for t in g.tensors])
        for g in arch.groups
    ]
    outside = [(t.name, t.shape) for t in arch.tensors]
    sizes = (arch.hidden_size, arch.vocab_size, arch.n_ctx_train, arch.tied_embeddings)
    return hash64(repr((arch.gguf_arch, sizes, arch.rope, groups, outside)))


def kind_of(run: Run) -> str | None:
    """Return the key of one kind of placement: all that the buffers depend on but the shape and the context.

    None where settings are not among those that the file is made for.
    """
    table, placement, settings, context = run.table, run.placement, run.settings, run.context
    unusual = (
        settings.embeddings
        or settings.load_mtp
        or settings.swa_full
        or settings.n_rs_seq
        or not settings.kv_offload
        or context.unified
    )
    if unusual or not _usual_types(table):
        return None
    return hash64(
        repr(
            (
                _layers(table, placement),
                (placement.output, placement.n_devices, placement.overridden),
                placement.n_gpu_layers > len(placement.layers),
                tuple(k for _, k in table.outside()) if placement.output == HOST else (),
                (settings.cache_type_k, settings.cache_type_v, settings.op_offload, settings.split_mode),
                (context.n_ubatch, context.n_outputs_max, context.n_seq_max, context.flash_attn),
                run.cuda if placement.n_devices else None,
            )
        )
    )


def _layers(table: WeightTable, placement: LayerPlacement) -> tuple[object, ...]:
    """Which kinds of layers there are, and which stand beside which."""
    signs = []
    last: tuple[object, ...] | None = None
    memory: dict[tuple[object, ...], str] = {}
    for i, home in enumerate(placement.layers):
        at, moved = table.group_of[i], placement.moved.get(i, ())
        typed = home == HOST or moved or _shares_experts(table.arch, at)
        last = (at, home, moved, table.kinds_of(i) if typed else ())
        text = memory.get(last)
        if text is None:
            text = memory[last] = repr((at, home, tuple(_moved(m) for m in moved), last[3]))
        signs.append(text)
    known = {text: n for n, text in enumerate(sorted(memory.values()))}
    order = [-1, *(known[s] for s in signs), -1]
    return tuple(known), tuple(sorted(set(zip(order, order[1:], order[2:], strict=False))))


def _shares_experts(arch: Architecture, group: int) -> bool:
    feed = arch.groups[group].feed_forward
    return isinstance(feed, MixtureOfExperts) and feed.n_shared > 0


@lru_cache(maxsize=4096)
def _moved(moved: Moved) -> tuple[object, ...]:
    return (*sorted(moved.names), moved.device)


_types: dict[int, tuple[WeightTable, bool]] = {}


def _usual_types(table: WeightTable) -> bool:
    """True where the layers' matrices are in block types that every backend multiplies with."""
    hit = _types.get(id(table))
    if hit is None:
        kinds = {
            k for g in table.types.groups for each in g for k in ([each] if isinstance(each, str) else each)
        }
        usual = any(ggml_format(k).quantised for k in kinds) and not any(k.startswith("TQ") for k in kinds)
        if len(_types) > 4096:
            _types.clear()
        hit = _types[id(table)] = (table, usual)  # holding the table keeps its id from being used again
    return hit[1]


@lru_cache(maxsize=1)
def _index() -> dict[str, Any]:
    """The file's first line: the sources' hash, and where each architecture's line lies behind it."""
    try:
        with FILE.open("rb") as file:
            header: dict[str, Any] = json.loads(file.readline().removesuffix(ROWS) + b"}")
            return {**header, "start": file.tell()}
    except FileNotFoundError:
        return {"shapes": {}}


@lru_cache(maxsize=512)
def curves(shape: str) -> dict[str, list[int]]:
    """Return the rows of one architecture by kind of placement; empty where it isn't in the file."""
    index = _index()
    at = index["shapes"].get(shape)
    if at is None:
        return {}
    with FILE.open("rb") as file:
        file.seek(index["start"] + at[0])
        rows: dict[str, list[int]] = json.loads(file.read(at[1]))
    return rows


_shapes: dict[int, tuple[Architecture, dict[str, list[int]]]] = {}


def curve(run: Run) -> Curve | None:
    """Return the shipped buffers for such a placement, over the context; None where there are none."""
    arch = run.arch
    hit = _shapes.get(id(arch))
    if hit is None:
        if len(_shapes) > 4096:
            _shapes.clear()
        hit = _shapes[id(arch)] = (arch, curves(fingerprint(arch)))
    if not hit[1]:
        return None
    key = kind_of(run)
    row = hit[1].get(key) if key else None
    return None if row is None else unpacked(row, run.placement.n_devices + 2)


def packed(curve: Curve) -> list[int]:
    """Return a curve as it is stored: how, then the rows one after the other."""
    return [LINES if curve.linear else POINTS, *(n for row in curve.rows for n in row)]


def unpacked(row: list[int], width: int) -> Curve:
    """Return the curve of a stored row; `width`: numbers a context."""
    return Curve(row[0] == LINES, [row[i : i + width] for i in range(1, len(row), width)])
