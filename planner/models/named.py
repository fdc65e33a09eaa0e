"""A file or repository that can't be read from here, by its name: which model of the catalogue, in which quantisation.

A pasted command names files of another machine. The name says what they hold: the model's own, and the
quantisation that publishers put behind it.
"""

from __future__ import annotations

import re
from typing import Final

from planner.fast_dataclass import replace
from planner.models.gguf.header import quant_of_name
from planner.models.model import Model

_SHARD: Final = re.compile(r"-\d{5}-of-\d{5}$", re.IGNORECASE)
_SUFFIX: Final = re.compile(r"\.gguf$", re.IGNORECASE)
# What publishers put between the model's name and the quantisation
_ADDED: Final = re.compile(r"[-_.](?:UD|MTP|GGUF|i1|imat|imatrix|it|instruct|chat)$", re.IGNORECASE)


def known_by_name(ref: str) -> Model | None:
    """Return the catalogue's model that a file's or repository's name says, with a note; None where none does.

    `ref` is a path or `owner/name[:QUANT]`, as a command names it.
    """
    from planner.models.catalogue.catalogue import lookup
    from planner.models.load import from_entry

    place, _, tag = ref.partition(":") if not _SUFFIX.search(ref) and ":\\" not in ref else (ref, "", "")
    entry = lookup(place) if "/" in place else None
    name = place.replace("\\", "/").rsplit("/", 1)[-1]
    stem = _SHARD.sub("", _SUFFIX.sub("", name))
    quant = tag or quant_of_name(stem + ".gguf")
    if entry is None:
        if quant and not tag:
            stem = re.split(rf"[-_.]{re.escape(quant)}\b", stem, maxsplit=1, flags=re.IGNORECASE)[0]
        tried = [stem]
        while _ADDED.search(tried[-1]):
            tried.append(_ADDED.sub("", tried[-1]))
        entry = next((found for found in map(lookup, tried) if found is not None), None)
    if entry is None:
        return None
    model = from_entry(entry)
    held = f" in {quant}" if quant else ""
    note = f"{ref} can't be read here: planned as {model.id}{held}, which its name says."
    return replace(model, quant=quant, notes=(*model.notes, note))
