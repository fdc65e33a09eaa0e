"""Checks the catalogue as `planner models --check` prints it: parameter counts and published file sizes.

A size is computed from the shape and the rules of the format (llama.cpp's mixes for GGUF, the storage of
MLX and of BF16 checkpoints) and compared with what was published for that file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from planner.errors import PlannerError
from planner.fast_dataclass import dataclass
from planner.models.architecture import Architecture
from planner.models.catalogue.card import ModelCard
from planner.models.catalogue.shape_check import ShapeCheck, check_shape
from planner.models.file_format import FileFormat

FILE_TOLERANCE: Final = 0.01
# A GGUF's header: for each token its text, kind and score, and the merges: about 40 bytes a token in the
# headers of Llama 3 (7.8 MB for 128,256) and Qwen 2.5 (5.9 MB for 151,936).
_HEADER_BYTES_PER_TOKEN: Final = 45


@dataclass(frozen=True, slots=True)
class FileCheck:
    """One published size beside the computed one, bytes."""

    file: str
    """Repository or Ollama tag."""
    quant: str
    """The quantisation of the file."""
    published: int
    """Bytes as they are published."""
    computed: int
    """Bytes as they follow from the shape."""
    source: str
    """Where the published size is from."""

    @property
    def error(self) -> float:
        """Relative difference."""
        return self.computed / self.published - 1

    @property
    def ok(self) -> bool:
        """True within FILE_TOLERANCE."""
        return abs(self.error) <= FILE_TOLERANCE


@dataclass(frozen=True, slots=True)
class CardCheck:
    """What came of checking one card."""

    shape: ShapeCheck
    """The parameters, counted and published."""
    files: tuple[FileCheck, ...]
    """Its files whose size is published."""

    @property
    def id(self) -> str:
        """Hugging Face id."""
        return self.shape.id

    @property
    def by_file(self) -> bool:
        """True where a published size was met."""
        return any(f.ok for f in self.files)


def check_card(card: ModelCard) -> CardCheck:
    """Check one card; never raises."""
    shape = check_shape(card)
    if not shape.text:
        return CardCheck(shape, ())
    from planner.models.config.architecture import architecture_from_config

    arch = architecture_from_config(card.config, name=card.id)
    return CardCheck(shape, tuple(_file_checks(card, arch)))


def _file_checks(card: ModelCard, arch: Architecture) -> Sequence[FileCheck]:
    found: list[FileCheck] = []
    for tag in card.ollama:
        rounded = tag.bytes or int(tag.approx_gb * 1e9)
        if rounded and tag.quant:
            # Ollama's own conversions of multimodal models hold the vision tower in the same file.
            found += _gguf(arch, tag.tag, tag.quant, rounded, tag.source, vision=True)
    for size in card.sizes:
        found += _gguf(arch, card.id, size.quant, size.bytes, size.source, vision=True)
    for file in card.files:
        for sizes in (file.bytes, file.approx_bytes):
            for quant, published in sizes.items():
                if file.format == "gguf":
                    found += _gguf(arch, file.repo, quant, published, file.source)
                elif file.format == FileFormat.MLX:
                    found += _converted(arch, file.repo, quant, published, file.source)
                elif quant == "BF16":
                    whole = arch.parameters(mtp=True) * 2
                    found.append(_nearest(file.repo, quant, published, file.source, arch, whole))
    return found


def _nearest(name: str, quant: str, size: int, source: str, arch: Architecture, computed: int) -> FileCheck:
    """Return the check with or without the vision tower and MTP layers, whichever the file holds."""
    vision = 2 * (arch.vision.parameters if arch.vision else 0)
    best = min((computed, computed + vision), key=lambda value: abs(value - size))
    return FileCheck(name, quant, size, best, source)


def _gguf(
    arch: Architecture, name: str, quant: str, size: int, source: str, *, vision: bool = False
) -> list[FileCheck]:
    from planner.engines.llama_cpp.placing.weights import weight_table

    try:
        table = weight_table(arch, quant)
    except PlannerError:
        return []
    if not table.exact:
        return []  # a publisher's own mix (UD-…): its size is read, not computed
    whole = table.file_bytes + _HEADER_BYTES_PER_TOKEN * arch.vocab_size
    # Some files hold the MTP layers, older ones and most of Ollama's don't.
    mtp = sum(table.layers.host[i] for g in arch.groups if g.mtp for i in g.layers)
    tower = 2 * arch.vision.parameters if vision and arch.vision else 0
    choices = (whole, whole - mtp, whole + tower, whole - mtp + tower)
    computed = min(choices, key=lambda value: abs(value - size))
    return [FileCheck(name, quant, size, computed, source)]


def _converted(arch: Architecture, name: str, quant: str, size: int, source: str) -> list[FileCheck]:
    """Return the check of a conversion for mlx-lm; nothing for a format of which no rule is known."""
    from planner.engines.mlx.architectures import mlx_traits
    from planner.engines.mlx.formats import format_of
    from planner.engines.mlx.weights import weight_bytes

    traits = mlx_traits(arch)
    try:
        kind = format_of(quant, arch)
    except PlannerError:
        return []
    if traits is None:
        return []
    return [_nearest(name, quant, size, source, arch, weight_bytes(arch, kind, traits))]
