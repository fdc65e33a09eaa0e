"""Weights of a GGUF model in llama.cpp: bytes a layer under one quantisation.

Where a placement puts them is in planner.engines.llama_cpp.placing.loading.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final

from planner.engines.llama_cpp.placing.placement import is_expert_name
from planner.errors import InputError
from planner.fast_dataclass import dataclass, replace
from planner.models.architecture import Architecture
from planner.models.model import Model
from planner.models.published import possible_excess, published_gguf
from planner.models.tensors import TensorInfo
from planner.quant.formats import cuda_bytes, ggml_format, host_bytes, tensor_bytes
from planner.quant.mixes import GroupTypes, MixTypes, find_mix, mix_types, nearest_mix
from planner.units import round_up

_METADATA: Final = 8 << 20  # a header's vocabulary and tensor list: 2 to 16 MiB


@lru_cache(maxsize=16384)
def tensor_sizes(shape: tuple[int, ...], kind: str) -> tuple[int, int, int]:
    """Return bytes in a CUDA buffer, in a host buffer, in a file."""
    fmt = ggml_format(kind)
    return cuda_bytes(shape, fmt), host_bytes(shape, fmt), tensor_bytes(shape, fmt)


@dataclass(frozen=True, slots=True)
class Bytes:
    """The same tensors measured for a CUDA buffer and for a host buffer."""

    cuda: tuple[int, ...]
    host: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WeightTable:
    """Bytes of every layer's weights under one quantisation."""

    arch: Architecture
    types: MixTypes
    layers: Bytes  # a value a layer, prediction layers too
    experts: Bytes  # of those, the routed experts and their biases
    file_bytes: int  # tensors in a file, without the header
    scale: float  # applied where only the published file's size is known
    exact: bool  # False where the mix is no public rule
    group_of: tuple[int, ...]  # layer -> group
    file: tuple[TensorInfo, ...] | None = None  # the file's own tensors in their order, where it is known
    excess: float = 0.0  # share of the weights by which the real file may be larger

    def kind(self, layer: int, name: str) -> str:
        """Type of one layer's tensor, for example kind(3, "ffn_down.weight")."""
        at = self.group_of[layer]
        group, types = self.arch.groups[at], self.types.groups[at]
        for tensor, kind in zip(group.tensors, types, strict=True):
            if tensor.name == name:
                return kind if isinstance(kind, str) else kind[group.layers.index(layer)]
        raise KeyError(name)

    @property
    def quantised(self) -> bool:
        """True where the layers' matrices are in block types."""
        kinds = (k if isinstance(k, str) else k[0] for group in self.types.groups for k in group)
        return any(ggml_format(k).quantised for k in kinds)

    def kinds_of(self, layer: int) -> tuple[str, ...]:
        """Types of one layer's tensors, in the order of its group."""
        at = self.group_of[layer]
        index = self.arch.groups[at].layers.index(layer)
        return tuple(k if isinstance(k, str) else k[index] for k in self.types.groups[at])

    def bytes_of(self, layer: int, names: Iterable[str], *, cuda: bool) -> int:
        """Bytes of some tensors of one layer."""
        group = self.arch.groups[self.group_of[layer]]
        wanted = set(names)
        return sum(
            self._scaled(tensor_sizes(t.shape, self.kind(layer, t.name))[0 if cuda else 1])
            for t in group.tensors
            if t.name in wanted
        )

    def _scaled(self, size: int) -> int:
        return size if self.scale == 1.0 else round_up(int(size * self.scale), 128)

    def outside(self) -> Iterable[tuple[TensorInfo, str]]:
        """Tensors outside the layers with their types."""
        return zip(self.arch.tensors, self.types.outside, strict=True)


_tables: dict[tuple[int, str, int | None, int, bool | None, bool], tuple[object, object, WeightTable]] = {}


def weight_table(
    arch: Architecture,
    quant: str,
    *,
    file_bytes: int | None = None,
    tensors: tuple[TensorInfo, ...] | None = None,
    imatrix: bool | None = None,
    published: bool = False,
) -> WeightTable:
    """Return the table for a quantisation's name, or for a file's own tensors.

    `file_bytes`: size of the file(s), which scales a mix that is no public rule (UD-Q4_K_XL). `published`: of the
    file as publishers make it (see planner.quant.mixes.mix_types).

    Raises UnsupportedError for a quantisation that isn't llama.cpp's, InputError for a file that doesn't
    belong to the architecture.
    """
    key = (id(arch), quant, file_bytes, id(tensors), imatrix, published)
    hit = _tables.get(key)
    if hit is not None:
        return hit[2]
    if len(_tables) > 4096:
        _tables.clear()
    types, exact = _types(arch, quant, tensors, imatrix, published=published)
    table = _build(arch, types, file_bytes, tensors, exact=exact)
    _tables[key] = (arch, tensors, table)  # holding both keeps their ids from being used again
    return table


def weights_of(model: Model, quant: str) -> WeightTable:
    """Return the table of a model, with what is known of the file that is fetched. Raises as `weight_table` does.

    A published size counts where it isn't that of llama-quantize's mix; where none is known, by how much files of
    that name exceed the mix.
    """
    if model.tensors is not None or model.path is not None:
        return weight_table(model.architecture, quant, file_bytes=model.file_bytes, tensors=model.tensors)
    found = published_gguf(model, quant)
    named = found.quant if found else quant
    table = weight_table(model.architecture, named, file_bytes=model.file_bytes, published=True)
    if model.file_bytes is not None or model.entry is None:
        return table
    if found is not None and found.size is not None:
        return _as_published(table, found.size, found.rounding)
    return replace(table, excess=possible_excess(found.quant if found else quant))


def _as_published(table: WeightTable, size: int, rounding: int) -> WeightTable:
    """The table scaled to a published size; as it is where that is the mix's own, to what a header may take."""
    total = max(size - _METADATA, 1)
    if table.exact and abs(total - table.file_bytes) <= rounding + _METADATA:
        return table
    scale = total / table.file_bytes
    return replace(
        table,
        layers=_scale(table.layers, scale),
        experts=_scale(table.experts, scale),
        file_bytes=total,
        scale=scale,
        exact=False,
        excess=rounding / total,
    )


def _types(
    arch: Architecture,
    quant: str,
    tensors: tuple[TensorInfo, ...] | None,
    imatrix: bool | None,
    *,
    published: bool,
) -> tuple[MixTypes, bool]:
    """Every tensor's type, and whether it is known: a file's own, or those of a public mix."""
    if tensors is not None:
        return _file_types(arch, tensors), True
    mix, exact = nearest_mix(quant)
    return mix_types(arch, mix, imatrix=imatrix, published=published), exact


def _build(
    arch: Architecture,
    types: MixTypes,
    file_bytes: int | None,
    tensors: tuple[TensorInfo, ...] | None,
    *,
    exact: bool,
) -> WeightTable:
    scale = 1.0
    total, per_layer, experts, group_of = _sums(arch, types)
    if not exact and file_bytes:
        scale = max(file_bytes - _METADATA, 1) / total
        total = max(file_bytes - _METADATA, 1)
        per_layer, experts = _scale(per_layer, scale), _scale(experts, scale)
    return WeightTable(arch, types, per_layer, experts, total, scale, exact, group_of, tensors)


def _scale(sizes: Bytes, scale: float) -> Bytes:
    return Bytes(tuple(int(s * scale) for s in sizes.cuda), tuple(int(s * scale) for s in sizes.host))


def _sums(arch: Architecture, types: MixTypes) -> tuple[int, Bytes, Bytes, tuple[int, ...]]:
    n = sum(g.count for g in arch.groups)
    cuda, host, expert_cuda, expert_host = [0] * n, [0] * n, [0] * n, [0] * n
    group_of = [0] * n
    total = sum(tensor_sizes(t.shape, k)[2] for t, k in zip(arch.tensors, types.outside, strict=True))
    for at, (group, kinds) in enumerate(zip(arch.groups, types.groups, strict=True)):
        fixed = [0, 0, 0, 0]
        for tensor, kind in zip(group.tensors, kinds, strict=True):
            if isinstance(kind, str):
                a, b, c = tensor_sizes(tensor.shape, kind)
                fixed[0] += a
                fixed[1] += b
                total += c * group.count
                if is_expert_name(tensor.name):
                    fixed[2] += a
                    fixed[3] += b
                continue
            for i, each in zip(group.layers, kind, strict=True):
                a, b, c = tensor_sizes(tensor.shape, each)
                cuda[i] += a
                host[i] += b
                total += c
                if is_expert_name(tensor.name):
                    expert_cuda[i] += a
                    expert_host[i] += b
        for i in group.layers:
            cuda[i] += fixed[0]
            host[i] += fixed[1]
            expert_cuda[i] += fixed[2]
            expert_host[i] += fixed[3]
            group_of[i] = at
    layers = Bytes(tuple(cuda), tuple(host))
    return total, layers, Bytes(tuple(expert_cuda), tuple(expert_host)), tuple(group_of)


def _file_types(arch: Architecture, tensors: Sequence[TensorInfo]) -> MixTypes:
    """Types as a file stores them."""
    kinds = {t.name: t.type for t in tensors}

    def kind(name: str) -> str:
        found = kinds.get(name)
        if found is None:
            raise InputError(f"the file has no tensor {name}: it doesn't belong to this architecture")
        return found

    groups: list[GroupTypes] = []
    for group in arch.groups:
        row: list[str | tuple[str, ...]] = []
        for tensor in group.tensors:
            each = tuple(kind(f"blk.{i}.{tensor.name}") for i in group.layers)
            row.append(each if len(set(each)) > 1 else each[0])
        groups.append(tuple(row))
    return MixTypes(tuple(kind(t.name) for t in arch.tensors), tuple(groups))


def cumulative(sizes: Sequence[int]) -> list[int]:
    """Prefix sums: cumulative(x)[k] is the sum of the first k."""
    return [0, *accumulate(sizes)]


__all__ = [
    "Bytes",
    "WeightTable",
    "cumulative",
    "find_mix",
    "weight_table",
    "weights_of",
]
