"""What publishers put on the hub under a quantisation's name: which repositories list it, and how large it is there.

A name promises no mix: Unsloth's UD- files, bartowski's and other publishers' keep some layers in more bits than
llama-quantize would. Where a size is published, it is what counts; where it isn't, how far such files lie apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.fast_dataclass import dataclass

if TYPE_CHECKING:
    from planner.models.catalogue.catalogue import Entry, RepoFile
    from planner.models.model import Model

# Published sizes of the catalogue are printed in GiB to one decimal.
ROUNDING: Final = (1 << 30) // 20
# By how much a publisher's file of an unknown size may exceed llama-quantize's mix of that name: the largest excess
# among 808 published sizes of 74 repositories that the cards carry (IQ1_S 1.43 of the rule, median 1.28; from
# Q3_K_S and IQ4_XS on the median lies within 1 % of the rule).
_EXCESS: Final = (
    (re.compile(r"^(I?Q1|TQ1)"), 0.43),
    (re.compile(r"^I?Q2_XXS|^TQ2"), 0.27),
    (re.compile(r"^IQ2"), 0.21),
    (re.compile(r"^Q2"), 0.12),
    (re.compile(r"^IQ3"), 0.10),
)
_PRIVATE_EXCESS: Final = 0.23  # of a dynamic mix, whatever its name (UD-Q6_K_XL)


@dataclass(frozen=True, slots=True)
class Published:
    """A file of a quantisation as one repository publishes it."""

    repository: str
    quant: str  # as it is listed there
    size: int | None  # bytes; None where it isn't known
    rounding: int = 0  # bytes by which the size may be off


def plain_quant(quant: str) -> str:
    """A quantisation's name without what differs between publishers."""
    name = quant.upper().replace("-", "_")
    return {"MXFP4_MOE": "MXFP4", "FP16": "F16"}.get(name, name)


def published_gguf(model: Model, quant: str) -> Published | None:
    """Return the GGUF file that `-hf REPOSITORY:QUANT` fetches; None where no repository is known to hold it.

    Repositories in the card's order; one that lists the very name first, then one whose dynamic mix of that name
    llama-server takes for it (UD-IQ1_S for IQ1_S: common/download.cpp, find_best_model). One of which it isn't
    known what it holds comes last.
    """
    if model.entry is None:
        return None
    files = [f for f in model.entry.files if f.format == "gguf"]
    if model.repository is not None:
        files = [f for f in files if f.repo == model.repository]
    wanted = plain_quant(quant)
    for name in (wanted, f"UD_{wanted}"):
        for file in files:
            listed = next((q for q in file.quants if plain_quant(q) == name), None)
            if listed is not None:
                size = size_of(file, listed)
                rounding = ROUNDING if size is not None and listed not in file.sizes else 0
                return Published(file.repo, listed, size, rounding)
    return None


def size_of(file: RepoFile, quant: str) -> int | None:
    """Bytes of a file: exact, or rounded as they are published."""
    return file.sizes.get(quant) or file.about.get(quant)


def listed_quants(entry: Entry, repository: str | None = None) -> tuple[str, ...]:
    """Quantisations that some GGUF repository of a model lists, or the one that was named."""
    files = [f for f in entry.files if f.format == "gguf" and repository in (None, f.repo)]
    return tuple(dict.fromkeys(q for f in files for q in f.quants))


def lists_are_whole(entry: Entry) -> bool:
    """True where there are GGUF repositories and of each it is known what it holds."""
    files = [f for f in entry.files if f.format == "gguf"]
    return bool(files) and all(f.quants for f in files)


def possible_excess(quant: str) -> float:
    """By which share of the rule a publisher's file of this name, whose size isn't known, may be larger."""
    name = plain_quant(quant)
    plain = name.removeprefix("UD_").removeprefix("I1_")
    low = next((share for pattern, share in _EXCESS if pattern.search(plain)), 0.0)
    return max(low, _PRIVATE_EXCESS) if name.startswith("UD_") or plain.endswith("_XL") else low
