"""Which GGUF files a repository of the Hugging Face hub offers, and which one a quantisation means.

The choice is that of llama-server's `-hf REPO[:QUANT]` (find_best_model, find_best_mmproj and
gguf_filename_is_model in llama.cpp b11434, common/download.cpp), so that what is planned is what is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.models.gguf.header import quant_of_name, shard_names

_NO_MODEL: Final = ("mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-")
_DEFAULTS: Final = ("Q4_K_M", "Q8_0")
_SHARD: Final = re.compile(r"-(\d{5})-of-\d{5}\.gguf$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class GgufFile:
    """One model file of a repository (all its shards together)."""

    path: str  # in the repository; of a split model, the first file
    quant: str  # "Q4_K_M", "UD-Q4_K_XL" …; the file's stem where its name has none
    size: int  # bytes of all shards; 0 where the hub doesn't say
    shards: int = 1
    mmproj: bool = False  # a projector for images or audio, not a model


def group_files(listing: Iterable[tuple[str, int]]) -> tuple[GgufFile, ...]:
    """Return the models and projectors among a repository's files (path, bytes), in the listing's order."""
    sizes = {path: size for path, size in listing if path.lower().endswith(".gguf")}
    files = []
    for path in sizes:
        folder, _, name = path.rpartition("/")
        mmproj = "mmproj" in name
        if not mmproj and any(word in name for word in _NO_MODEL):
            continue
        match = _SHARD.search(name)
        if match and int(match[1]) != 1:
            continue
        prefix = folder + "/" if folder else ""
        parts = [prefix + part for part in shard_names(name) or [name]]
        quant = quant_of_name(name) or quant_of_name(folder) or name.removesuffix(".gguf")
        files.append(GgufFile(path, quant, sum(sizes.get(p, 0) for p in parts), len(parts), mmproj))
    return tuple(files)


def pick_gguf(repo_id: str, files: Sequence[GgufFile], quant: str | None = None) -> GgufFile:
    """Return the file that a quantisation means; without one, what llama-server would load.

    Raises InputError naming the quantisations that there are.
    """
    models = [f for f in files if not f.mmproj]
    if not models:
        raise InputError(
            f"{repo_id} has no GGUF model; name a repository that has, such as one ending in -GGUF"
        )
    for tag in [quant] if quant else _DEFAULTS:
        exact = [f for f in models if f.quant.upper() == tag.upper() or f.path == tag]
        pattern = re.compile(re.escape(tag) + "[.-]", re.IGNORECASE)
        found = exact or [f for f in models if pattern.search(f.path)]
        if found:
            return found[0]
    if quant:
        offered = ", ".join(dict.fromkeys(f.quant for f in models))
        raise InputError(f"{repo_id} has no {quant}; it has {offered[:400]}")
    return models[0]
