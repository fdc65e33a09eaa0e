"""Where llama.cpp loads which weights: devices, plain host memory, repacked host memory.

create_tensor in src/llama-model-loader.cpp, LLM_TENSOR_INFOS in src/llama-arch.cpp, load_arch_tensors in
src/models/*.cpp and ggml_repack_get_optimal_repack_type in ggml/src/ggml-cpu/repack.cpp, llama.cpp b11434.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.placing.placement import HOST, LayerPlacement, is_expert_name
from planner.engines.llama_cpp.placing.weights import WeightTable, tensor_sizes
from planner.engines.llama_cpp.tensor_types import type_traits
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Backend, Cpu
from planner.models.architecture import Architecture, LayerGroup
from planner.models.cache import SlidingWindow
from planner.models.tensors import Role, TensorInfo

# LLM_TENSOR_LAYER_INPUT: always on the host
_INPUT: Final = frozenset({"token_embd", "position_embd", "token_types", "per_layer_token_embd"})
# LLM_TENSOR_LAYER_REPEATING without a layer number: created for layer 0
_FIRST_LAYER: Final = frozenset({"token_embd_norm", "per_layer_model_proj", "per_layer_proj_norm"})
# created for every layer: one copy on each device that has one
_EVERY_LAYER: Final = frozenset({"rope_freqs", "rope_factors_long", "rope_factors_short"})


@lru_cache(maxsize=8192)
def _repackable(shape: tuple[int, ...], kind: str, expert: bool, arm: bool, avx512: bool) -> bool:
    dims = len(shape) - (len(shape) > 2 and shape[2] == 1)
    if dims != (3 if expert else 2) or shape[1] % 8:
        return False
    own = type_traits(kind)
    return own.repacked_arm if arm else own.repacked_avx512 if avx512 else own.repacked_avx2


@dataclass(frozen=True, slots=True)
class PlacedWeights:
    """Bytes that each device, the host's plain buffer and its repacked buffer hold."""

    devices: tuple[int, ...]
    host: int
    repacked: int = 0


def left_out(arch: Architecture, group: LayerGroup, *, load_mtp: bool) -> frozenset[str]:
    """Names of a group's tensors that the engine doesn't load: those of prediction layers, mostly."""
    own = traits(arch)
    if not group.mtp or (load_mtp and not own.predictions_skipped):
        return frozenset()
    kept = own.predictions_loaded if group.in_gguf else ()
    return frozenset(t.name for t in group.tensors if not (kept and t.name.startswith(kept)))


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
    skipped: set[int] = set()
    for group in table.arch.groups:
        unused = left_out(table.arch, group, load_mtp=load_mtp)
        if not unused:
            continue
        skipped.update(group.layers)
        if len(unused) < len(group.tensors):
            host += _place_some(table, placement, group, unused, devices, cuda)
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
        again, repacked = _repacked(table, repack, frozenset(skipped))
        host -= again
    return PlacedWeights(tuple(devices), host, repacked)


def _place_some(
    table: WeightTable,
    placement: LayerPlacement,
    group: LayerGroup,
    out: frozenset[str],
    devices: list[int],
    cuda: bool,
) -> int:
    """Add what is loaded of layers that are mostly left out to the devices; return the host's part."""
    host = 0
    for i in group.layers:
        moved = {n: m.device for m in reversed(placement.moved.get(i, ())) for n in m.names}
        for tensor in group.tensors:
            if tensor.name in out:
                continue
            home = moved.get(tensor.name, placement.layers[i])
            size = table.bytes_of(i, [tensor.name], cuda=cuda and home != HOST)
            if home == HOST:
                host += size
            else:
                devices[home] += size
    return host


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


def outside_homes(
    table: WeightTable, placement: LayerPlacement
) -> Iterable[tuple[TensorInfo, str, Iterable[int]]]:
    """Yield the tensors outside the layers with their types and the devices that each has a copy on."""
    own = traits(table.arch)
    for tensor, kind in table.outside():
        stem = tensor.name.removesuffix(".weight").removesuffix(".bias")
        homes: Iterable[int]
        if stem in _INPUT:
            homes = [HOST]
            if stem == "token_embd" and table.arch.tied_embeddings:
                if placement.output != HOST:
                    homes = [HOST, placement.output]
                elif own.output_first:
                    homes = [HOST, HOST]
        elif stem in _EVERY_LAYER:
            homes = _rope_homes(table.arch, placement)
        elif stem in _FIRST_LAYER and not (own.embedding_norm_last and stem == "token_embd_norm"):
            homes = [placement.layers[0]]
        else:
            homes = [placement.output]
        yield tensor, kind, homes


def _rope_homes(arch: Architecture, placement: LayerPlacement) -> set[int]:
    """Devices with a layer that has rope factors: any, or those without a window alone."""
    if not traits(arch).factors_where_full:
        return set(placement.layers)
    return {
        placement.layers[i]
        for g in arch.groups
        if not any(isinstance(s, SlidingWindow) for s in g.caches)
        for i in g.layers
    }


def _place_outside(table: WeightTable, placement: LayerPlacement, devices: list[int], cuda: bool) -> int:
    """Add embeddings, output and shared tables to the devices; return the host's part."""
    host = 0
    scaled = (lambda s: s) if table.scale == 1.0 else (lambda s: int(s * table.scale))
    for tensor, kind, homes in outside_homes(table, placement):
        in_cuda, in_host, _ = (scaled(s) for s in tensor_sizes(tensor.shape, kind))
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
                    moved += times * tensor_sizes(tensor.shape, each)[1]
    repacked = moved
    for tensor, kind in table.outside():
        is_output = tensor.role is Role.OUTPUT and tensor.name == "output.weight"
        is_tied = table.arch.tied_embeddings and tensor.role is Role.TOKEN_EMBD
        if (is_output or is_tied) and _repackable(tensor.shape, kind, False, arm, avx512):
            size = tensor_sizes(tensor.shape, kind)[1]
            repacked += size
            moved += size if is_output else 0  # the input table stays where it is
    return moved, repacked
