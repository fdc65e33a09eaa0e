"""ModelCard: one catalogue entry as it lies in seeds/, checked where it enters.

Read to build the compact index and to show one card in full; never on the way of `planner check`.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from planner.errors import InputError
from planner.models.file_format import FileFormat

_DATE = re.compile(r"^\d{4}(-\d{2}(-\d{2})?)?$")
_REPO = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")

_COUNT = re.compile(r"(\d+(?:\.\d+)?)([MBT])\b")
_UNITS = {"M": 1e6, "B": 1e9, "T": 1e12}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardLicence(_Part):
    """The licence under its usual name; planner.models.catalogue.licences knows its terms."""

    name: str
    note: str = ""  # what is special about this model
    link: str = ""
    source: str = ""


class CardContext(_Part):
    """Context in tokens: as trained, and as the vendor extends it."""

    native: int = Field(default=0, ge=0, le=1 << 31)
    extended: int = Field(default=0, ge=0, le=1 << 31)
    note: str = ""


class CardParameters(_Part):
    """Published counts, in elements."""

    total: int = Field(default=0, ge=0)
    counts: str = ""  # what the count counts
    active: int = Field(default=0, ge=0)
    nominal: str = ""
    source: str = ""
    note: str = ""  # why the count differs from the shape's, where it does
    accepted_difference: int = 0  # elements that the note explains (published minus shape)

    @property
    def named(self) -> int:
        """The largest count in the published name ("816B total / 42B active"), elements; 0 where there is none."""
        return int(max((float(n) * _UNITS[unit] for n, unit in _COUNT.findall(self.nominal)), default=0.0))


class CardCapabilities(_Part):
    """What the model can do."""

    vision: bool = False
    audio: bool = False
    tools: bool = False
    reasoning: bool = False
    languages: tuple[str, ...] = ()
    use: str = ""


class CardArchitecture(_Part):
    """Where the configuration comes from, and whether all of it was read there."""

    source: str
    exact: bool = True
    note: str = ""


class CardFile(_Part):
    """A repository that serves the model."""

    repo: str
    format: FileFormat
    quants: tuple[str, ...] = ()  # empty: not known which
    # how eight bits are laid out, see planner.models.vendor_checkpoints; empty: not known
    layout: Literal["", "block", "channel", "tensor"] = ""
    bytes: dict[str, int] = Field(default_factory=dict)  # exact, by quantisation
    approx_bytes: dict[str, int] = Field(default_factory=dict)  # as rounded in the source
    approx_gb: dict[str, float] = Field(default_factory=dict)
    source: str = ""

    @field_validator("repo")
    @classmethod
    def _is_repo(cls, value: str) -> str:
        if not _REPO.match(value):
            raise ValueError("a repository is owner/name")
        return value


class CardSize(_Part):
    """The published size of a GGUF of this model, as rounded in its source: to check the shape with."""

    quant: str
    bytes: int = Field(gt=0)
    source: str


class CardOllama(_Part):
    """A tag of the Ollama library."""

    tag: str
    quant: str = ""
    bytes: int = Field(default=0, ge=0)  # exact, the model layer's
    approx_gb: float = Field(default=0, ge=0)  # decimal, as the library prints it
    digest: str = ""
    source: str = ""


class CardVllm(_Part):
    """What vLLM needs to serve the model."""

    min_version: str = ""
    removed_after: str = ""
    tool_parser: str = ""
    reasoning_parser: str = ""
    args: tuple[str, ...] = ()
    tool_args: tuple[str, ...] = ()
    reasoning_args: tuple[str, ...] = ()
    env: dict[str, str] = Field(default_factory=dict)
    source: str = ""


class CardBenchmark(_Part):
    """One published score; an index's version or date is part of its name."""

    name: str
    value: float
    by: str  # who measured
    date: str
    variant: str = ""
    estimated: bool = False


class ModelCard(_Part):
    """A model: identity, licence, shape, files, sources."""

    id: str
    name: str
    family: str
    vendor: str
    released: str = ""
    kind: Literal["chat", "embedding", "reranker", "classifier", "speech"] = "chat"
    superseded_by: str = ""
    downloads_30d: int = 0
    aliases: tuple[str, ...] = ()
    same_shape: tuple[str, ...] = ()  # ids of siblings with the same shape (base models, renamed ones)
    licence: CardLicence
    context: CardContext = CardContext()
    parameters: CardParameters = CardParameters()
    capabilities: CardCapabilities = CardCapabilities()
    architecture: CardArchitecture
    config: dict[str, Any] = Field(default_factory=dict)
    files: tuple[CardFile, ...] = ()
    ollama: tuple[CardOllama, ...] = ()
    sizes: tuple[CardSize, ...] = ()
    vllm: CardVllm | None = None
    benchmarks: tuple[CardBenchmark, ...] = ()

    @field_validator("released")
    @classmethod
    def _is_date(cls, value: str) -> str:
        if value and not _DATE.match(value):
            raise ValueError("a date is YYYY-MM-DD")
        return value


def read_card(path: Path) -> ModelCard:
    """Read and check one card. Raises InputError naming file, key and what is wrong."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return ModelCard.model_validate(data)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path.name}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path.name}: {where}: {first['msg']}") from None


def read_cards(folder: Path) -> list[ModelCard]:
    """Read every card under a folder, sorted by id. Raises InputError for the first bad one."""
    cards = [read_card(path) for path in sorted(folder.glob("*/*.toml"))]
    seen: set[str] = set()
    for card in cards:
        if card.id in seen:
            raise InputError(f"{card.id} has two cards in {folder}")
        seen.add(card.id)
    return sorted(cards, key=lambda card: card.id.lower())
