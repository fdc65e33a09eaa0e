"""The catalogue: which models there are, found by any name that people use.

What `check` needs of all cards lies in one generated file, seeds/index.json (see catalogue_index.py), so
that no card is parsed and no pydantic model built on the way to an answer.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from planner.errors import InputError, PlannerError
from planner.fast_dataclass import dataclass, replace
from planner.models.catalogue.scores import Score, ranking_points, score_of
from planner.models.vendor_checkpoints import vendor_checkpoints

if TYPE_CHECKING:
    from planner.models.architecture import Architecture
    from planner.models.catalogue.card import ModelCard

INDEX_NAME: Final = "index.json"
_SEPARATORS: Final = re.compile(r"[\s_:-]+")


@dataclass(frozen=True, slots=True)
class RepoFile:
    """A repository that serves a model."""

    repo: str
    """owner/name."""
    format: str
    """safetensors, gguf or mlx."""
    quants: tuple[str, ...]
    """Quantisations that it offers; empty where it isn't known which."""
    sizes: Mapping[str, int]
    """Exact bytes by quantisation, where they are published."""
    layout: str = ""
    """What shares a scale in its eight bits: block, channel or tensor; empty where it isn't known."""
    about: Mapping[str, int] = field(default_factory=dict)
    """Bytes by quantisation as published, rounded to a tenth of a GiB."""
    assumed: bool = False
    """True where the list is what this publisher makes of every model, not read for this one."""


@dataclass(frozen=True, slots=True)
class OllamaTag:
    """A tag of the Ollama library."""

    tag: str
    """As ollama pull takes it."""
    quant: str
    """The quantisation; empty where it isn't known."""
    size: int
    """Bytes; 0 where it isn't known."""


class Entry:
    """What the catalogue knows of one model, light enough for hundreds at every start."""

    __slots__ = ("_architecture", "_raw")

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._raw = raw
        self._architecture: Architecture | None = None

    def __repr__(self) -> str:
        return f"Entry({self.id!r})"

    @property
    def id(self) -> str:
        """Hugging Face id."""
        return str(self._raw["id"])

    @property
    def short_name(self) -> str:
        """As people say it."""
        return str(self._raw["name"])

    @property
    def family(self) -> str:
        """Models that succeed or complement each other."""
        return str(self._raw["family"])

    @property
    def vendor(self) -> str:
        """Who published it."""
        return str(self._raw["vendor"])

    @property
    def kind(self) -> str:
        """Chat or embedding."""
        return str(self._raw.get("kind", "chat"))

    @property
    def released(self) -> str:
        """ISO date; empty where not known."""
        return str(self._raw["released"])

    @property
    def licence(self) -> str:
        """The licence's name."""
        return str(self._raw["licence"])

    @property
    def licence_class(self) -> str:
        """One of permissive, commercial, restricted, research."""
        return str(self._raw["licence_class"])

    @property
    def context(self) -> int:
        """Tokens that the model handles as published; 0 where not known."""
        return int(self._raw["context"])

    @property
    def context_extended(self) -> int:
        """Tokens with the vendor's own extension (YaRN …); 0 without one."""
        return int(self._raw.get("context_extended", 0))

    @property
    def total_params(self) -> float:
        """All parameters: of the shape, or as published where the shape is not complete."""
        return float(self._raw["total_params"])

    @property
    def active_params(self) -> float:
        """Parameters that one token uses."""
        return float(self._raw["active_params"])

    @property
    def scores(self) -> Mapping[str, float | None]:
        """What ranks by use case, index points (see quant_loss): the measured index, or the low end of an estimate.

        None: not for this use.
        """
        return {use: ranking_points(self._raw, use) for use in self._raw["scores"]}

    @property
    def judged_scores(self) -> Mapping[str, Score]:
        """The scores by use case, each with its interval and what it rests on."""
        return {use: score_of(self._raw, use) for use in self._raw["scores"]}

    def score(self, use_case: str) -> Score:
        """Return the score for a use case, with its interval and what it rests on."""
        return score_of(self._raw, use_case)

    def evidence(self, use_case: str) -> str:
        """Say where a score comes from, in a few words."""
        return score_of(self._raw, use_case).evidence

    def has_evidence(self, use_case: str) -> bool:
        """True where the score rests on a published score of this model."""
        return score_of(self._raw, use_case).published

    @property
    def capabilities(self) -> Sequence[str]:
        """Some of vision, audio, tools, reasoning."""
        return tuple(self._raw["capabilities"])

    @property
    def config(self) -> Mapping[str, Any]:
        """The keys of config.json that decide the shape; empty where they are not known."""
        config: Mapping[str, Any] = self._raw["config"]
        return config

    @property
    def files(self) -> Sequence[RepoFile]:
        """Repositories that serve it: the original first, then GGUF, then MLX."""
        return tuple(
            RepoFile(
                f["repo"],
                f["format"],
                tuple(f.get("quants", ())),
                f.get("bytes", {}),
                f.get("layout", ""),
                f.get("about", {}),
                f.get("assumed", False),
            )
            for f in self._raw["files"]
        )

    @property
    def ollama(self) -> Sequence[OllamaTag]:
        """Tags of the Ollama library that hold this model."""
        return tuple(OllamaTag(t["tag"], t.get("quant", ""), t.get("bytes", 0)) for t in self._raw["tags"])

    @property
    def vllm(self) -> Mapping[str, Any]:
        """What vLLM needs: min_version, tool_parser, reasoning_parser, args …; empty where not known."""
        vllm: Mapping[str, Any] = self._raw["recipe"]
        return vllm

    @property
    def verified(self) -> str:
        """What the shape was checked against ("parameters", "parameters, files"); empty: nothing."""
        return str(self._raw["verified"])

    @property
    def superseded_by(self) -> str:
        """Id of the model that replaces it; empty where none does."""
        return str(self._raw.get("superseded_by", ""))

    def architecture(self) -> Architecture:
        """Build the Architecture, once. Raises InputError where the shape is not known well enough."""
        if self._architecture is None:
            if not self.config:
                raise InputError(
                    f"{self.id}: its dimensions are not published, or not found; give the path of a "
                    "folder with its config.json, or of a .gguf file"
                )
            from planner.models.config.architecture import architecture_from_config

            found = architecture_from_config(self.config, name=self.id)
            if not found.quantization and any("FP8" in f.quants for f in self.files):
                found = replace(found, published=vendor_checkpoints(self.id, self.files))
            self._architecture = found
        return self._architecture


class Catalogue:
    """All entries, and every name by which they are found."""

    __slots__ = ("_entries", "_names")

    def __init__(self, index: Mapping[str, Any]) -> None:
        self._entries = tuple(Entry(raw) for raw in index["models"])
        self._names: dict[str, int] = index["names"]

    def entries(self) -> Sequence[Entry]:
        """Return every model that can answer, embedding models apart."""
        return tuple(e for e in self._entries if e.kind == "chat")

    def all_entries(self) -> Sequence[Entry]:
        """Return every model."""
        return self._entries

    def lookup(self, ref: str) -> Entry | None:
        """Return the entry of a Hugging Face id, name, alias or Ollama tag in any case; None where none is."""
        position = self._names.get(normalise(ref))
        if position is None and ref.lower().startswith(("ollama/", "hf.co/", "hf:", "huggingface.co/")):
            position = self._names.get(normalise(re.split(r"/|:", ref, maxsplit=1)[1]))
        return None if position is None else self._entries[position]

    def search(self, text: str) -> list[Entry]:
        """Return the entries whose names, maker, licence and abilities hold all the words."""
        from planner.text_search import find

        names = {
            e.id: (
                e.id, e.short_name, e.family, e.vendor, e.licence, *e.capabilities, *(t.tag for t in e.ollama)
            )
            for e in self._entries
        }  # fmt: skip
        found = set(find(text.split(), names))
        return [e for e in self._entries if e.id in found]

    def near(self, ref: str, limit: int = 4) -> list[str]:
        """Return short names near a mistyped one: those that begin with it, the newest first, then the nearest."""
        wanted = normalise(ref)
        begun = {
            position
            for name, position in self._names.items()
            if wanted and name.startswith(wanted) and ("/" in wanted or "/" not in name)
        }
        known = [self._entries[p] for p in begun]
        known.sort(key=lambda e: (e.released or "", e.short_name), reverse=True)
        known.sort(key=lambda e: bool(e.superseded_by))
        names = [entry.short_name for entry in known[:limit]]
        scored: dict[int, float] = {}
        for name, position in self._names.items() if len(names) < limit else ():
            matcher = difflib.SequenceMatcher(None, wanted, name)
            if matcher.real_quick_ratio() < 0.6 or matcher.quick_ratio() < 0.6:
                continue
            ratio = matcher.ratio() + (0.2 if wanted.startswith(name) else 0.0)
            if ratio >= 0.6 and ratio > scored.get(position, 0.0):
                scored[position] = ratio
        best = sorted(scored, key=lambda p: (-scored[p], self._entries[p].short_name))
        names += [self._entries[p].short_name for p in best if p not in begun]
        return names[:limit]


def normalise(name: str) -> str:
    """Reduce a name to what people agree on: no case, no separators but / and dots."""
    return _SEPARATORS.sub("", name.strip().lower())


def index_path() -> Path:
    """Where the compact index lies."""
    from planner.shipped_files import seeds_dir

    return seeds_dir() / INDEX_NAME


@lru_cache(maxsize=1)
def load_catalogue() -> Catalogue:
    """Return the shipped catalogue. Raises PlannerError where it is damaged."""
    path = index_path()
    try:
        return Catalogue(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlannerError(f"the installation is damaged: {path.name}: {error}; install again") from None


def lookup(ref: str) -> Entry | None:
    """Return the catalogue's entry of a name, or None."""
    return load_catalogue().lookup(ref)


def find_entry(ref: str) -> Entry:
    """Return the entry of a name; raises InputError with the names that are near."""
    catalogue = load_catalogue()
    entry = catalogue.lookup(ref)
    if entry is not None:
        return entry
    near = catalogue.near(ref)
    hint = (
        f"; did you mean {' or '.join([', '.join(near[:-1]), near[-1]] if len(near) > 1 else near)}?"
        if near
        else ""
    )
    raise InputError(f"no model is called '{ref.strip()[:80]}'{hint or '; planner models lists them all'}")


def card_of(entry: Entry) -> ModelCard:
    """Return the full card of an entry."""
    from planner.models.catalogue.card import read_card
    from planner.shipped_files import seeds_dir

    return read_card(seeds_dir() / str(entry._raw["card"]))
