"""`planner show --json`: one model in full - what it is, what one may do with it, where to get it, what is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from planner.advice.plan.comparison import cache_bytes
from planner.errors import PlannerError
from planner.fast_dataclass import dataclass
from planner.models.architecture import Architecture
from planner.models.catalogue.card import CardBenchmark, CardOllama, ModelCard
from planner.models.catalogue.catalogue import Entry, RepoFile, card_of
from planner.models.catalogue.licences import explain, find_licence
from planner.models.catalogue.refresh import refreshed

CONTEXTS: Final = (8_192, 32_768, 131_072)  # tokens at which the cache is told


@dataclass(frozen=True, slots=True)
class LicenceTerms:
    """What one may and must do under a licence; a help for choosing, not legal advice."""

    may: tuple[str, ...]
    """What is granted."""
    must: tuple[str, ...]
    """What is asked for it."""
    must_not: tuple[str, ...]
    """What is forbidden."""
    note: str | None
    """What is special about this model."""
    link: str | None
    """Where the text is."""
    open_source: bool
    """True where it satisfies the Open Source Definition."""
    text_read: bool
    """False where the terms are from secondary sources."""
    explanation: tuple[str, ...]
    """All of it in plain words."""


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What decides memory, in short."""

    model_type: str
    """As in the configuration."""
    gguf_arch: str | None
    """llama.cpp's name of the architecture; None where it has none."""
    layers: int
    """Layers of the language model."""
    mtp_layers: int
    """Layers beside them that predict several tokens."""
    hidden_size: int
    """Elements of the hidden state."""
    vocab_size: int
    """Tokens of the vocabulary."""
    parameters: int
    """Of the language model."""
    active_parameters: int
    """Those that one token uses."""
    vision_parameters: int | None
    """Of the vision tower; None without one."""
    exact: bool
    """True where every rule for this shape is known."""
    notes: tuple[str, ...]
    """What is not known."""


@dataclass(frozen=True, slots=True)
class CacheSize:
    """What one user's cache takes at a context, in 16 bit."""

    tokens: int
    """The context."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class PublishedTag:
    """A tag of the Ollama library."""

    tag: str
    """As ollama pull takes it."""
    quant: str | None
    """The quantisation; None where it isn't known."""
    size: int | None
    """Exact bytes; None where they aren't known."""
    about_gb: float | None
    """About so many GB (10^9 bytes), as the library prints it; None where it prints nothing."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One published score; an index's version or date is part of its name."""

    name: str
    """The benchmark."""
    value: float
    """The score."""
    by: str
    """Who measured it."""
    date: str
    """When."""
    variant: str | None
    """In which mode of the model; None where it has one mode."""
    estimated: bool
    """True where it was estimated, not measured."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the facts are from."""

    architecture: str
    """The shape."""
    parameters: str | None
    """The published number of parameters."""
    licence: str | None
    """The licence."""


@dataclass(frozen=True, slots=True)
class ModelPage:
    """One model in full."""

    entry: Entry
    """The model in short."""
    aliases: tuple[str, ...]
    """Other names, and ids of siblings with the same shape."""
    nominal: str | None
    """The number of parameters as the vendor says it."""
    parameters_note: str | None
    """Why the published number differs from the shape's."""
    context_note: str | None
    """What is special about the context."""
    languages: tuple[str, ...]
    """Languages that the vendor names."""
    licence_terms: LicenceTerms
    """What one may and must do."""
    architecture: ModelShape | None
    """What decides memory; None where the shape isn't known."""
    shape_problem: str | None
    """Why the shape isn't known."""
    caches: tuple[CacheSize, ...]
    """What one user's cache takes at usual contexts."""
    files: tuple[RepoFile, ...]
    """Repositories that serve it, as shipped."""
    hub_sizes: Mapping[str, Mapping[str, int]]
    """Repository -> bytes by quantisation, as the hub said when it was last asked."""
    hub_asked: str | None
    """When that was; None: never."""
    ollama: tuple[PublishedTag, ...]
    """Tags of the Ollama library that hold it."""
    vllm: Mapping[str, Any]
    """What vLLM needs to serve it."""
    benchmarks: tuple[Benchmark, ...]
    """Published scores."""
    sources: Sources
    """Where the facts are from."""


def model_page(entry: Entry) -> ModelPage:
    """Return all that is known of a model of the catalogue."""
    card, fresh = card_of(entry), refreshed(entry.id)
    arch, problem = _architecture(entry)
    return ModelPage(
        entry=entry,
        aliases=(*card.aliases, *card.same_shape),
        nominal=card.parameters.nominal or None,
        parameters_note=card.parameters.note or None,
        context_note=card.context.note or None,
        languages=card.capabilities.languages,
        licence_terms=_terms(card),
        architecture=None if arch is None else _shape(arch),
        shape_problem=problem,
        caches=() if arch is None else _caches(entry, arch),
        files=tuple(entry.files),
        hub_sizes={file.repo: fresh.sizes(file.repo) for file in entry.files} if fresh else {},
        hub_asked=fresh.asked if fresh else None,
        ollama=tuple(_tag(tag) for tag in card.ollama),
        vllm=dict(entry.vllm),
        benchmarks=tuple(_benchmark(b) for b in card.benchmarks),
        sources=Sources(
            card.architecture.source, card.parameters.source or None, card.licence.source or None
        ),
    )


def _architecture(entry: Entry) -> tuple[Architecture | None, str | None]:
    try:
        return entry.architecture(), None
    except PlannerError as error:
        return None, str(error)


def _terms(card: ModelCard) -> LicenceTerms:
    licence, of_model = find_licence(card.licence.name), card.licence
    return LicenceTerms(
        may=licence.may,
        must=licence.must,
        must_not=licence.must_not,
        note=of_model.note or None,
        link=of_model.link or None,
        open_source=licence.open_source,
        text_read=licence.certain,
        explanation=tuple(explain(of_model.name, of_model.note, of_model.link)),
    )


def _shape(arch: Architecture) -> ModelShape:
    return ModelShape(
        model_type=arch.model_type,
        gguf_arch=arch.gguf_arch,
        layers=arch.n_layer,
        mtp_layers=arch.n_layer_mtp,
        hidden_size=arch.hidden_size,
        vocab_size=arch.vocab_size,
        parameters=arch.parameters(),
        active_parameters=arch.active_parameters(),
        vision_parameters=arch.vision.parameters if arch.vision else None,
        exact=arch.exact,
        notes=tuple(arch.notes),
    )


def _caches(entry: Entry, arch: Architecture) -> tuple[CacheSize, ...]:
    longest = max(entry.context, entry.context_extended) if entry.context else CONTEXTS[-1]
    return tuple(CacheSize(n, cache_bytes(arch, n)) for n in CONTEXTS if n <= longest)


def _tag(tag: CardOllama) -> PublishedTag:
    return PublishedTag(tag.tag, tag.quant or None, tag.bytes or None, tag.approx_gb or None)


def _benchmark(score: CardBenchmark) -> Benchmark:
    return Benchmark(score.name, score.value, score.by, score.date, score.variant or None, score.estimated)
