"""The Architecture and the tensors of a model, from its GGUF header.

Equal to what models/config builds from the same model's config.json: layers are grouped by what they keep,
compute and hold; the types that the file's tensors are stored in are not part of the Architecture but of
`tensors_from_gguf`, since a mix gives layers of one group different types.
"""

from __future__ import annotations

import re
from typing import Final

from planner.errors import InputError, UnsupportedError
from planner.models.architecture import Architecture, LayerGroup, Rope
from planner.models.gguf.architectures import gguf_traits
from planner.models.gguf.header import GgufHeader
from planner.models.gguf.layers import Hparams
from planner.models.gguf.tensor_roles import role_of
from planner.models.tensors import TensorInfo

_BLOCK: Final = re.compile(r"^blk\.(\d+)\.(.+)$")


def architecture_from_gguf(header: GgufHeader) -> Architecture:
    """Build the Architecture that a GGUF header describes.

    Raises InputError for a header that contradicts itself, UnsupportedError for an architecture without
    rules. One that llama.cpp b11434 doesn't know yields a best effort with `exact=False` and a note.
    """
    arch = header.architecture
    own = gguf_traits(arch)
    if own.refused:
        raise UnsupportedError(f"{header.source}: {arch} is {own.refused}")
    hparams = Hparams(header)
    outside, layers = _split_layers(header, hparams.n_layer)
    embedding = next((t for t in outside if t.name == "token_embd.weight"), None)
    if embedding is None or len(embedding.shape) != 2 or embedding.shape[0] != hparams.n_embd:
        raise InputError(f"{header.source}: token_embd.weight is missing or not of {hparams.n_embd} columns")
    notes = [own.inexact] if own.inexact else []
    if not own.known:
        notes.append(f"llama.cpp b11434 doesn't know the architecture {arch}: taken for a plain decoder")
    if header.header_only:
        notes.append("the file holds a header only: it can be planned with, not run")
    n_ctx = hparams.integer("context_length", low=1)
    return Architecture(
        model_type=own.model_type or arch.replace("-", "_"),
        gguf_arch=arch,
        hf_class=own.hf_class,
        hidden_size=hparams.n_embd,
        vocab_size=embedding.shape[1],
        n_ctx_train=n_ctx,
        tied_embeddings=not own.headless and not any(t.name == "output.weight" for t in outside),
        groups=_groups(hparams, layers),
        tensors=tuple(outside),
        rope=Rope(hparams.n_rot, n_ctx) if hparams.n_rot and hparams.rotates else None,
        position_parts=hparams.position_parts,
        clamped_experts=hparams.clamped_experts,
        exact=own.known and not own.inexact,
        notes=tuple(notes),
    )


def tensors_from_gguf(header: GgufHeader) -> tuple[TensorInfo, ...]:
    """Return every tensor of the file with its full name ("blk.0.attn_q.weight") and stored type."""
    return tuple(
        TensorInfo(t.name, t.shape, role_of(_BLOCK.sub(r"\2", t.name)), t.type.name, t.shard)
        for t in header.tensors
    )


def _split_layers(header: GgufHeader, n_layer: int) -> tuple[list[TensorInfo], list[list[TensorInfo]]]:
    """Sort the tensors into those outside the layers and those of each layer."""
    outside: list[TensorInfo] = []
    layers: list[list[TensorInfo]] = [[] for _ in range(n_layer)]
    for tensor in header.tensors:
        match = _BLOCK.match(tensor.name)
        name = match[2] if match else tensor.name
        info = TensorInfo(name, tensor.shape, role_of(name))
        if match is None:
            outside.append(info)
        elif len(match[1]) <= 4 and int(match[1]) < n_layer:
            layers[int(match[1])].append(info)
        else:
            raise InputError(
                f"{header.source}: tensor {tensor.name!r} belongs to none of the {n_layer} layers"
            )
    return outside, layers


def _groups(hparams: Hparams, layers: list[list[TensorInfo]]) -> tuple[LayerGroup, ...]:
    """Group identical layers, in the order of their first layer."""
    found: dict[object, tuple[LayerGroup, list[int]]] = {}
    main = hparams.n_layer - hparams.n_mtp
    for il, tensors in enumerate(layers):
        if not tensors:
            if il >= main:
                continue  # published without its prediction layers
            if hparams.n_head[il] or hparams.per_layer("feed_forward_length", 1)[il]:
                raise InputError(
                    f"{hparams.header.source}: layer {il} has no tensors: the file is incomplete"
                )
            # pruned away whole, as in Nemotron Ultra (src/models/deci.cpp skips it)
        shapes = {t.name: t.shape for t in tensors}
        group = LayerGroup(
            layers=(),
            caches=hparams.caches(il, shapes),
            feed_forward=hparams.feed_forward(il, shapes),
            tensors=tuple(tensors),
            mtp=il >= main,
        )
        key = (group.caches, group.feed_forward, frozenset(shapes.items()), group.mtp)
        found.setdefault(key, (group, []))[1].append(il)
    return tuple(
        LayerGroup(tuple(members), g.caches, g.feed_forward, g.tensors, g.mtp)
        for g, members in found.values()
    )
