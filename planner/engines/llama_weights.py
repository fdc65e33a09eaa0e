"""Weights of a GGUF model in llama.cpp: bytes a layer, and where a placement puts them.

create_tensor in src/llama-model-loader.cpp, LLM_TENSOR_INFOS in src/llama-arch.cpp and
ggml_repack_get_optimal_repack_type in ggml/src/ggml-cpu/repack.cpp, llama.cpp b11434.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Final

from planner.engines.base import Stored
from planner.engines.llama_placement import HOST, LayerPlacement, is_expert_name
from planner.errors import InputError
from planner.hardware.machine import Backend, Cpu
from planner.models.architecture import Architecture, LayerGroup
from planner.models.tensors import Role, TensorInfo
from planner.quant.formats import cuda_bytes, ggml_format, host_bytes, tensor_bytes
from planner.quant.mixes import GroupTypes, Mix, MixTypes, find_mix, mix_types, nearest_mix
from planner.records import dataclass
from planner.units import round_up

# LLM_TENSOR_LAYER_INPUT: always on the host
_INPUT: Final = frozenset({"token_embd", "position_embd", "token_types", "per_layer_token_embd"})
# LLM_TENSOR_LAYER_REPEATING without a layer number: created for layer 0
_FIRST_LAYER: Final = frozenset({"token_embd_norm", "per_layer_model_proj", "per_layer_proj_norm"})
# created for every layer: one copy on each device that has one
_EVERY_LAYER: Final = frozenset({"rope_freqs", "rope_factors_long", "rope_factors_short"})
# The output is created before the embeddings, so that a shared tensor is held twice on the host too.
_TWO_COPIES: Final = frozenset({"gemma3n", "gemma4"})
_X86_REPACKED: Final = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})  # AVX2; Q2_K with AVX-512
_ARM_REPACKED: Final = frozenset({"Q4_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "MXFP4", "Q8_0"})  # dotprod

_METADATA: Final = 8 << 20  # a header's vocabulary and tensor list: 2 to 16 MiB


@lru_cache(maxsize=16384)
def _sizes(shape: tuple[int, ...], kind: str) -> tuple[int, int, int]:
    """Bytes in a CUDA buffer, in a host buffer, in a file."""
    fmt = ggml_format(kind)
    return cuda_bytes(shape, fmt), host_bytes(shape, fmt), tensor_bytes(shape, fmt)


@lru_cache(maxsize=8192)
def _repackable(shape: tuple[int, ...], kind: str, expert: bool, arm: bool, avx512: bool) -> bool:
    dims = len(shape) - (len(shape) > 2 and shape[2] == 1)
    if dims != (3 if expert else 2) or shape[1] % 8:
        return False
    if arm:
        return kind in _ARM_REPACKED
    return kind in _X86_REPACKED or (kind == "Q2_K" and avx512)


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
            self._scaled(_sizes(t.shape, self.kind(layer, t.name))[0 if cuda else 1])
            for t in group.tensors
            if t.name in wanted
        )

    def _scaled(self, size: int) -> int:
        return size if self.scale == 1.0 else round_up(int(size * self.scale), 128)

    def outside(self) -> Iterable[tuple[TensorInfo, str]]:
        """Tensors outside the layers with their types."""
        return zip(self.arch.tensors, self.types.outside, strict=True)


@dataclass(frozen=True, slots=True)
class PlacedWeights:
    """Bytes that each device, the host's plain buffer and its repacked buffer hold."""

    devices: tuple[int, ...]
    host: int
    repacked: int = 0


_tables: dict[tuple[int, str, int | None, int, bool | None], tuple[object, object, WeightTable]] = {}


def weight_table(
    arch: Architecture, quant: str, stored: Stored | None = None, *, imatrix: bool | None = None
) -> WeightTable:
    """Return the table for a quantisation's name, or for a file's own tensors.

    Raises UnsupportedError for a quantisation that isn't llama.cpp's, InputError for a file that doesn't
    belong to the architecture.
    """
    tensors = stored.tensors if stored else None
    key = (id(arch), quant, stored.file_bytes if stored else None, id(tensors), imatrix)
    hit = _tables.get(key)
    if hit is not None:
        return hit[2]
    if len(_tables) > 4096:
        _tables.clear()
    table = _build(arch, quant, stored, imatrix)
    _tables[key] = (arch, tensors, table)  # holding both keeps their ids from being used again
    return table


def _build(arch: Architecture, quant: str, stored: Stored | None, imatrix: bool | None) -> WeightTable:
    exact, scale = True, 1.0
    if stored is not None and stored.tensors is not None:
        types = _file_types(arch, stored.tensors)
    else:
        mix, exact = nearest_mix(quant)
        types = mix_types(arch, mix, imatrix=imatrix)
    total, per_layer, experts, group_of = _sums(arch, types)
    if not exact and stored is not None and stored.file_bytes:
        scale = max(stored.file_bytes - _METADATA, 1) / total
        total = max(stored.file_bytes - _METADATA, 1)
        per_layer, experts = _scale(per_layer, scale), _scale(experts, scale)
    return WeightTable(arch, types, per_layer, experts, total, scale, exact, group_of)


def _scale(sizes: Bytes, scale: float) -> Bytes:
    return Bytes(tuple(int(s * scale) for s in sizes.cuda), tuple(int(s * scale) for s in sizes.host))


def _sums(arch: Architecture, types: MixTypes) -> tuple[int, Bytes, Bytes, tuple[int, ...]]:
    n = sum(g.count for g in arch.groups)
    cuda, host, expert_cuda, expert_host = [0] * n, [0] * n, [0] * n, [0] * n
    group_of = [0] * n
    total = sum(_sizes(t.shape, k)[2] for t, k in zip(arch.tensors, types.outside, strict=True))
    for at, (group, kinds) in enumerate(zip(arch.groups, types.groups, strict=True)):
        fixed = [0, 0, 0, 0]
        for tensor, kind in zip(group.tensors, kinds, strict=True):
            if isinstance(kind, str):
                a, b, c = _sizes(tensor.shape, kind)
                fixed[0] += a
                fixed[1] += b
                total += c * group.count
                if is_expert_name(tensor.name):
                    fixed[2] += a
                    fixed[3] += b
                continue
            for i, each in zip(group.layers, kind, strict=True):
                a, b, c = _sizes(tensor.shape, each)
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


def place_weights(
    table: WeightTable,
    placement: LayerPlacement,
    backend: Backend = Backend.CUDA,
    *,
    load_mtp: bool = False,
    repack: Cpu | None = None,
) -> PlacedWeights:
    """Return what each device and the host hold; `repack`: the processor that repacks, None for none."""
    cuda = backend in (Backend.CUDA, Backend.ROCM)
    devices, host = [0] * placement.n_devices, 0
    sizes = table.layers.cuda if cuda else table.layers.host
    skipped = frozenset(() if load_mtp else (i for g in table.arch.groups if g.mtp for i in g.layers))
    for i, device in enumerate(placement.layers):
        if i in skipped:
            continue
        if device == HOST:
            host += table.layers.host[i]
        else:
            devices[device] += sizes[i]
        for moved in placement.moved.get(i, ()):
            out, into = _moved_bytes(table, i, device, moved.names, moved.device, cuda)
            if device == HOST:
                host -= out
            else:
                devices[device] -= out
            if moved.device == HOST:
                host += into
            else:
                devices[moved.device] += into
    host += _place_outside(table, placement, devices, cuda)
    repacked = 0
    if repack is not None and placement.n_devices == 0:
        again, repacked = _repacked(table, repack, skipped)
        host -= again
    return PlacedWeights(tuple(devices), host, repacked)


def _moved_bytes(
    table: WeightTable, layer: int, home: int, names: frozenset[str], target: int, cuda: bool
) -> tuple[int, int]:
    """Bytes that leave a layer's home, and that they take where they go."""
    group = table.arch.groups[table.group_of[layer]]
    out_cuda, into_cuda = cuda and home != HOST, cuda and target != HOST
    if names == _expert_names(group):
        at_cuda, at_host = table.experts.cuda[layer], table.experts.host[layer]
        return at_cuda if out_cuda else at_host, at_cuda if into_cuda else at_host
    return (
        table.bytes_of(layer, names, cuda=out_cuda),
        table.bytes_of(layer, names, cuda=into_cuda),
    )


_expert_sets: dict[int, tuple[LayerGroup, frozenset[str]]] = {}


def _expert_names(group: LayerGroup) -> frozenset[str]:
    hit = _expert_sets.get(id(group))
    if hit is None:
        if len(_expert_sets) > 8192:
            _expert_sets.clear()
        hit = (group, frozenset(t.name for t in group.tensors if is_expert_name(t.name)))
        _expert_sets[id(group)] = hit
    return hit[1]


def _place_outside(table: WeightTable, placement: LayerPlacement, devices: list[int], cuda: bool) -> int:
    """Add embeddings, output and shared tables to the devices; return the host's part."""
    host = 0
    scaled = (lambda s: s) if table.scale == 1.0 else (lambda s: int(s * table.scale))
    lfm2 = (table.arch.gguf_arch or "").startswith("lfm2")
    for tensor, kind in table.outside():
        in_cuda, in_host, _ = (scaled(s) for s in _sizes(tensor.shape, kind))
        stem = tensor.name.removesuffix(".weight").removesuffix(".bias")
        if stem in _INPUT:
            host += in_host
            if stem == "token_embd" and table.arch.tied_embeddings:
                if placement.output != HOST:
                    devices[placement.output] += in_cuda if cuda else in_host
                elif table.arch.gguf_arch in _TWO_COPIES:
                    host += in_host
            continue
        if stem in _EVERY_LAYER:
            homes = set(placement.layers)
        elif stem in _FIRST_LAYER and not (lfm2 and stem == "token_embd_norm"):
            homes = {placement.layers[0]}
        else:
            homes = {placement.output}
        for home in homes:
            if home == HOST:
                host += in_host
            else:
                devices[home] += in_cuda if cuda else in_host
    return host


def _repacked(table: WeightTable, cpu: Cpu, skipped: frozenset[int]) -> tuple[int, int]:
    """Bytes that leave the plain host buffer for the repacked one, and what that one holds."""
    arm = (cpu.architecture or "").startswith(("arm", "aarch"))
    avx512 = "avx512f" in cpu.features
    moved = repacked = 0
    for group, kinds in zip(table.arch.groups, table.types.groups, strict=True):
        if group.layers[0] in skipped:
            continue
        for tensor, kind in zip(group.tensors, kinds, strict=True):
            for each, times in [(kind, group.count)] if isinstance(kind, str) else [(k, 1) for k in kind]:
                if _repackable(tensor.shape, each, tensor.is_expert, arm, avx512):
                    moved += times * _sizes(tensor.shape, each)[1]
    repacked = moved
    for tensor, kind in table.outside():
        is_output = tensor.role is Role.OUTPUT and tensor.name == "output.weight"
        is_tied = table.arch.tied_embeddings and tensor.role is Role.TOKEN_EMBD
        if (is_output or is_tied) and _repackable(tensor.shape, kind, False, arm, avx512):
            size = _sizes(tensor.shape, kind)[1]
            repacked += size
            moved += size if is_output else 0  # the input table stays where it is
    return moved, repacked


def cumulative(sizes: Sequence[int]) -> list[int]:
    """Prefix sums: cumulative(x)[k] is the sum of the first k."""
    return [0, *accumulate(sizes)]


def quant_names(arch: Architecture) -> tuple[Mix, ...]:
    """Mixes that make sense for an architecture, by bits: MXFP4 only where experts hold most weights."""
    from planner.quant.mixes import MIXES

    return tuple(m for m in MIXES.values() if m.name != "MXFP4_MOE" or arch.is_moe)


__all__ = [
    "Bytes",
    "PlacedWeights",
    "WeightTable",
    "cumulative",
    "find_mix",
    "place_weights",
    "quant_names",
    "weight_table",
]
