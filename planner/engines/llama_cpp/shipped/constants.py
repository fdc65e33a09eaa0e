"""Compute buffers of catalogue models with default settings, measured once: compute.json beside this module.

With flash attention and a cache that isn't quantised, a model that is whole on one device needs a constant
plus the attention mask, 2 bytes × n_ubatch a token of context. The constants are measured with the engine's
graph by ``python -m benchmarks.compute_table`` (n_ubatch 512, one sequence); a model whose buffers don't keep
to that line is left out.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Final
from zlib import crc32

from planner.models.architecture import Architecture

FILE: Final = Path(__file__).with_name("compute.json")
UBATCH: Final = 512


def signature(arch: Architecture) -> str:
    """Return a short name for what the graph depends on: the same for models of the same shape."""
    parts = [(g.caches, g.feed_forward, g.count, g.mtp) for g in arch.groups]
    shape = repr((parts, arch.tied_embeddings))
    return f"{arch.gguf_arch}-{arch.hidden_size}-{arch.vocab_size}-{crc32(shape.encode()):08x}"


@lru_cache(maxsize=1)
def _table() -> dict[str, list[int]]:
    if not FILE.is_file():
        return {}
    table: dict[str, list[int]] = json.loads(FILE.read_text(encoding="utf-8"))
    return table


_found: dict[tuple[int, bool, bool], tuple[Architecture, tuple[int, int] | None]] = {}


def constant(arch: Architecture, *, quantised: bool, cuda: bool) -> tuple[int, int] | None:
    """Return the device's and the host's bytes besides the mask of the full context; None where unknown."""
    key = (id(arch), quantised, cuda)
    hit = _found.get(key)
    if hit is None:
        row = _table().get(f"{signature(arch)}{'q' if quantised else 'f'}{'c' if cuda else 'o'}")
        hit = (arch, (row[0], row[1]) if row else None)
        _found[key] = hit
    return hit[1]
