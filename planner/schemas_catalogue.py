"""The schemas of what models, show, compare, claims and bundle print with --json."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from planner.schemas import Document, PlanDocument


class ScoreDocument(Document):
    """A comparable score: index points, and where they come from."""

    points: float | None
    evidence: str


class EntryDocument(Document):
    """One model in short."""

    id: str
    name: str
    family: str
    vendor: str
    released: str | None
    licence: str
    licence_class: Literal["permissive", "commercial", "restricted", "research"]
    context: int = Field(ge=0)
    context_extended: int | None
    total_params: int = Field(ge=0)
    active_params: int = Field(ge=0)
    capabilities: list[str]
    scores: dict[str, ScoreDocument]
    verified: str | None
    superseded_by: str | None


class ModelsDocument(Document):
    """`planner models --json`."""

    models: list[EntryDocument]


class CheckedFileDocument(Document):
    """A published file size beside the one computed from the shape, bytes."""

    file: str
    quant: str
    published: int
    computed: int
    difference: float
    source: str


class CheckedCardDocument(Document):
    """What came of checking one card; counts in elements, differences relative."""

    id: str
    complete: bool
    parameters_verified: bool
    published: int | None
    counted: int | None
    difference: float | None
    published_count_holds: str | None
    file_verified: bool
    files: list[CheckedFileDocument]
    reason: str | None


class CheckSummaryDocument(Document):
    """Numbers of cards."""

    cards: int
    complete: int
    parameters_verified: int
    file_verified: int
    unverified: int


class CatalogueCheckDocument(Document):
    """`planner models --check --json`."""

    models: list[CheckedCardDocument]
    summary: CheckSummaryDocument


class LicenceChangeDocument(Document):
    """A licence that the card and the hub name differently."""

    card: str
    hub: str


class RefreshDocument(Document):
    """`planner models --refresh --json`."""

    answered: int
    failed: dict[str, str]
    licence_changes: dict[str, LicenceChangeDocument]
    new: list[str]


class LicenceDocument(Document):
    """What one may and must do; not legal advice."""

    may: list[str]
    must: list[str]
    must_not: list[str]
    note: str | None
    link: str | None
    open_source: bool
    text_read: bool
    explanation: list[str]


class ShapeDocument(Document):
    """What decides memory."""

    model_type: str
    gguf_arch: str | None
    layers: int
    mtp_layers: int
    hidden_size: int
    vocab_size: int
    parameters: int
    active_parameters: int
    vision_parameters: int | None
    exact: bool
    notes: list[str]


class RepoFileDocument(Document):
    """A repository that serves a model; sizes in bytes."""

    repo: str
    format: Literal["safetensors", "gguf", "mlx"]
    quants: list[str]
    sizes: dict[str, int]


class OllamaTagDocument(Document):
    """A tag of the Ollama library."""

    tag: str
    quant: str | None
    size: int | None


class ShowDocument(EntryDocument):
    """`planner show --json`."""

    aliases: list[str]
    licence_terms: LicenceDocument
    architecture: ShapeDocument | None
    files: list[RepoFileDocument]
    ollama: list[OllamaTagDocument]
    vllm: dict[str, Any]
    benchmarks: list[dict[str, Any]]
    sources: dict[str, str | None]


class UsefulDocument(Document):
    """The usual quantisation and its weights, bytes."""

    quant: str
    weights: int | None


class ColumnDocument(EntryDocument):
    """One model of a comparison."""

    kv_cache: int | None
    smallest_useful: UsefulDocument
    plan: PlanDocument | None
    reason: str | None


class CompareDocument(Document):
    """`planner compare --json`."""

    machine: str | None
    context: int
    models: list[ColumnDocument]


class FindingDocument(Document):
    """One case of a claim; holds is null where nothing was decided."""

    what: str
    holds: bool | None
    detail: str


class ClaimDocument(Document):
    """One claim with what came of checking it."""

    id: str
    says: str
    verdict: Literal["holds", "partly", "does not hold", "not a calculation"]
    findings: list[FindingDocument]


class ClaimsDocument(Document):
    """`planner claims --json`."""

    claims: list[ClaimDocument]


class BundleFileDocument(Document):
    """One file to fetch."""

    path: str
    size: int
    sha256: str | None


class BundleModelDocument(Document):
    """One model of a bundle."""

    model: str
    folder: str
    repository: str | None
    include: list[str]
    ollama_tag: str | None
    files: list[BundleFileDocument]
    size: int | None
    licence: str
    licence_link: str | None
    start: str
    plan: PlanDocument
    notes: list[str]


class BundleEngineDocument(Document):
    """An engine to take along."""

    engine: str
    name: str
    fetch: str
    source: str = Field(alias="from")


class BundleDocument(Document):
    """`planner bundle --json`, and manifest.json."""

    models: list[BundleModelDocument]
    engines: list[BundleEngineDocument]
    size: int | None
    on_the_target: list[str]


CATALOGUE_SCHEMAS: dict[str, type[BaseModel]] = {
    "models": ModelsDocument,
    "models-check": CatalogueCheckDocument,
    "models-refresh": RefreshDocument,
    "show": ShowDocument,
    "compare": CompareDocument,
    "claims": ClaimsDocument,
    "bundle": BundleDocument,
}
