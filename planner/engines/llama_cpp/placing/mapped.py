"""What Metal holds of a file that is mapped into memory: the whole span between a device's first and last tensor.

load_tensors in src/llama-model.cpp and get_mapping_range in src/llama-model-loader.cpp, llama.cpp b11434 and b11549:
with mmap, which is the default, a backend that can use the file's own pages as its buffer is given one range a
file, and everything that lies between counts too. Of those planned for here Metal alone can
(caps.buffer_from_host_ptr). The order of the tensors is the file's own where it is known, else llama-quantize's
(weight_name_comparer): those without a layer first, by name, then layer by layer.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.engines.llama_cpp.placing.loading import PlacedWeights, left_out, outside_homes
from planner.engines.llama_cpp.placing.placement import HOST, LayerPlacement
from planner.engines.llama_cpp.placing.weights import WeightTable, tensor_sizes
from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class _Stored:
    """One tensor in its file: where it begins and ends, bytes."""

    name: str
    shard: int
    first: int
    last: int


def mapped_weights(table: WeightTable, placement: LayerPlacement, *, load_mtp: bool = False) -> PlacedWeights:
    """Return the bytes that each device maps, and those that the host alone reads.

    What lies inside a device's span is the same memory whoever reads it: the host doesn't hold it again.
    """
    homes = _homes(table, placement, load_mtp=load_mtp)
    spans: dict[tuple[int, int], tuple[int, int]] = {}  # (device, shard) -> its first and last byte
    host: list[_Stored] = []
    for tensor in _stored(table):
        for home in homes.get(tensor.name, ()):
            if home == HOST:
                host.append(tensor)
                continue
            first, last = spans.get((home, tensor.shard), (tensor.first, tensor.last))
            spans[home, tensor.shard] = min(first, tensor.first), max(last, tensor.last)
    devices = [0] * placement.n_devices
    for (home, _), (first, last) in spans.items():
        devices[home] += last - first
    alone = {
        (t.shard, t.first): t.last - t.first
        for t in host
        if not any(
            shard == t.shard and first <= t.first and t.last <= last
            for (_, shard), (first, last) in spans.items()
        )
    }
    return PlacedWeights(tuple(devices), sum(alone.values()))


def _homes(table: WeightTable, placement: LayerPlacement, *, load_mtp: bool) -> dict[str, tuple[int, ...]]:
    """The devices that use each tensor, by its name in the file; none where it isn't loaded."""
    homes = {tensor.name: tuple(at) for tensor, _, at in outside_homes(table, placement)}
    for group in table.arch.groups:
        unused = left_out(table.arch, group, load_mtp=load_mtp)
        for i in group.layers:
            moved = {n: m.device for m in reversed(placement.moved.get(i, ())) for n in m.names}
            for tensor in group.tensors:
                if tensor.name not in unused:
                    home = moved.get(tensor.name, placement.layers[i])
                    homes[f"blk.{i}.{tensor.name}"] = (home,)
    return homes


def _stored(table: WeightTable) -> Iterator[_Stored]:
    """The tensors of the file in their order, one behind the other."""
    if table.file is not None:
        at: dict[int, int] = {}
        for tensor in table.file:
            first = at.get(tensor.shard, 0)
            at[tensor.shard] = first + tensor_sizes(tensor.shape, tensor.type or "F16")[2]
            yield _Stored(tensor.name, tensor.shard, first, at[tensor.shard])
        return
    named = [(-1, t.name, tensor_sizes(t.shape, kind)[2]) for t, kind in table.outside()]
    for group, kinds in zip(table.arch.groups, table.types.groups, strict=True):
        for t, kind in zip(group.tensors, kinds, strict=True):
            for at_layer, i in enumerate(group.layers):
                each = kind if isinstance(kind, str) else kind[at_layer]
                named.append((i, f"blk.{i}.{t.name}", tensor_sizes(t.shape, each)[2]))
    end = 0
    for _, name, size in sorted(named):
        first, end = end, end + int(size * table.scale)
        yield _Stored(name, 0, first, end)
