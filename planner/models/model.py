"""Model: one model that a person asked about, wherever its shape came from."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from planner.models.architecture import Architecture
from planner.models.tensors import TensorInfo
from planner.records import dataclass

if TYPE_CHECKING:
    from planner.models.catalogue import Entry


@dataclass(frozen=True, slots=True)
class Model:
    """A model's identity and shape; what its files hold, where they are known.

    `quant` is fixed where a file was named; None where the planner may choose among what is published.
    """

    id: str  # Hugging Face id, or the path as it was typed
    name: str  # as people say it
    architecture: Architecture
    entry: Entry | None = None  # the catalogue's entry, where there is one
    quant: str | None = None
    file_bytes: int | None = None
    tensors: tuple[TensorInfo, ...] | None = field(default=None, repr=False)  # of a GGUF, stored types
    path: str | None = None  # a local file or folder
    repository: str | None = None  # Hugging Face repository that the file is in
    file: str | None = None  # the file's name in it
    notes: tuple[str, ...] = ()
