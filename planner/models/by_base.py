"""A repository that can't be asked, answered by what its name says: the base model and the quantisation.

`cyankiwi/Qwen3.8-27B-AWQ-4bit` is Qwen3.8-27B in AWQ, `bartowski/Qwen_Qwen3-32B-GGUF:IQ3_XS` is Qwen3-32B in IQ3_XS:
publishers name what they made, and of what. The sizes are then those of the rules, and that is said.
"""

from __future__ import annotations

import re
from typing import Final

from planner.fast_dataclass import replace
from planner.models.catalogue.catalogue import Entry, lookup, normalise
from planner.models.gguf.header import quant_of_name
from planner.models.hub.repository import HubRef
from planner.models.model import Model
from planner.models.published import plain_quant

# Words of a repository's name that say how it is stored, not what it is.
_FORMAT: Final = re.compile(
    r"^(gguf|i?\d+[- ]?bits?|int[48]|fp8|fp4|nvfp4|mxfp4|mxfp8|awq|gptq|autoround|auto-round|bnb|nf4|w\d+a\d+|gs?\d+"
    r"|dynamic|block|imatrix|i1|quantized|symmetric|asym|sym|mixed|marlin|ct|it|ud|mlx|hf|unsloth|[a-z]*iq?\d.*|q\d.*)$",
    re.IGNORECASE,
)
# In this order: a name may hold several (GPTQ-Int4, AWQ-4bit), the first says the method.
_CHECKPOINTS: Final = (
    ("NVFP4", re.compile(r"nvfp4", re.IGNORECASE)),
    ("MXFP4", re.compile(r"mxfp4", re.IGNORECASE)),
    ("FP8", re.compile(r"fp8|w8a8-fp|float8", re.IGNORECASE)),
    ("AWQ", re.compile(r"awq", re.IGNORECASE)),
    ("GPTQ-Int8", re.compile(r"(gptq.*(int8|8[- ]?bit))|w8a16", re.IGNORECASE)),
    ("GPTQ-Int4", re.compile(r"gptq|auto-?round|w4a16|int4|4[- ]?bit", re.IGNORECASE)),
    ("INT8", re.compile(r"int8|w8a8|8[- ]?bit", re.IGNORECASE)),
)


def model_by_base(ref: HubRef, model_of: Entry | None = None) -> Model | None:
    """Return the base model in the named quantisation; None where the catalogue doesn't know the base.

    The result's notes say what it rests on.
    """
    entry = model_of or _base(ref.repo_id)
    if entry is None:
        return None
    model = Model(id=entry.id, name=entry.short_name, architecture=entry.architecture(), entry=entry)
    name = ref.repo_id.partition("/")[2]
    gguf = "gguf" in name.lower() or ref.path is not None
    quant = ref.quant or quant_of_name(ref.path or name) if gguf else _checkpoint_format(name)
    if gguf:
        named = f" in {quant}" if quant else ""
        model = replace(
            model, repository=ref.repo_id, holds="gguf", quant=_as_listed(entry, ref.repo_id, quant)
        )
    elif quant is not None:
        named = f" in {quant}"
        model = replace(model, id=ref.repo_id, repository=ref.repo_id, holds="checkpoint", quant=quant)
    elif normalise(name) == normalise(entry.id.partition("/")[2]):
        named = ""
        model = replace(model, id=ref.repo_id, repository=ref.repo_id, holds="checkpoint")
    else:
        return None
    note = f"The hub can't be asked for {ref.repo_id}: planned as {entry.id}{named}, by the names alone."
    return replace(model, notes=(*model.notes, note))


def _as_listed(entry: Entry, repository: str, quant: str | None) -> str | None:
    """A quantisation as the card spells it for this repository; as it was typed where it lists none."""
    if quant is None:
        return None
    listed = [q for f in entry.files if f.repo == repository for q in f.quants]
    wanted = plain_quant(quant)
    return next((q for q in listed if plain_quant(q) == wanted), quant.upper())


def _base(repo_id: str) -> Entry | None:
    """The catalogue's entry of what a repository was made of: its name without the words of formats."""
    found = lookup(repo_id)
    if found is not None:
        return found
    name = repo_id.partition("/")[2]
    spellings = [name]
    if "_" in name:  # bartowski's owner_name
        spellings.append(name.partition("_")[2])
    for spelling in spellings:
        words = spelling.split("-")
        while len(words) > 1 and _FORMAT.match(words[-1]):
            words = words[:-1]
            found = lookup("-".join(words))
            if found is not None:
                return found
    return None


def _checkpoint_format(name: str) -> str | None:
    return next((quant for quant, pattern in _CHECKPOINTS if pattern.search(name)), None)
