"""Model: one model that a person asked about, wherever its shape came from."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from planner.fast_dataclass import dataclass
from planner.models.architecture import Architecture
from planner.models.tensors import TensorInfo

if TYPE_CHECKING:
    from planner.models.catalogue.catalogue import Entry


@dataclass(frozen=True, slots=True)
class Model:
    """A model's identity and shape; what its files hold, where they are known.

    `quant` is fixed where a file was named; None where the planner may choose among what is published.
    The hash is that of the identity alone: a shape holds hundreds of tensors.
    """

    id: str
    """Hugging Face id, or the path as it was typed."""
    name: str
    """As people say it."""
    architecture: Architecture = field(hash=False)
    """The shape that decides memory."""
    entry: Entry | None = field(default=None, hash=False)
    """The catalogue's entry; None where there is none."""
    quant: str | None = None
    """The quantisation of a file that was named; None where the planner may choose."""
    file_bytes: int | None = None
    """Bytes of the file's tensors; None where no file was named."""
    tensors: tuple[TensorInfo, ...] | None = field(default=None, repr=False, hash=False)
    """Of a GGUF, with the types in which they are stored."""
    path: str | None = None
    """A local file or folder."""
    repository: str | None = None
    """The Hugging Face repository that the file is in."""
    file: str | None = None
    """The file's name in it."""
    holds: str = ""
    """gguf, checkpoint or mlx: what a repository that was named holds; empty where none was."""
    tag: str | None = None
    """The tag of the Ollama library that was named; None where none was."""
    notes: tuple[str, ...] = ()
    """What the reader should know of the choice."""

    @property
    def stated_context(self) -> int:
        """Tokens that the vendor states, its own extension included; 0 where only the configuration says.

        Some configurations name a longer one than the model was trained for (MiniMax-M1: 10,240,000 beside a
        stated million). An engine allocates by the configuration; nobody should be advised to use it.
        """
        return max(self.entry.context, self.entry.context_extended) if self.entry is not None else 0

    @property
    def usable_context(self) -> int:
        """The longest context worth advising, in tokens: the configuration's, or the stated one if shorter."""
        trained = self.architecture.n_ctx_train
        return min(trained, self.stated_context or trained)
