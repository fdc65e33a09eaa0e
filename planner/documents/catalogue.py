"""The JSON documents of the catalogue: what models, show and compare print with --json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.advice.plan.comparison import Comparison
    from planner.advice.recommend.catalogue_check import CardCheck
    from planner.models.catalogue.card import ModelCard
    from planner.models.catalogue.catalogue import Entry

JsonObject = dict[str, Any]


def entry_document(entry: Entry) -> JsonObject:
    """One model in short, as `models --json` lists it."""
    return {
        "id": entry.id,
        "name": entry.short_name,
        "family": entry.family,
        "vendor": entry.vendor,
        "released": entry.released or None,
        "licence": entry.licence,
        "licence_class": entry.licence_class,
        "context": entry.context,
        "context_extended": entry.context_extended or None,
        "total_params": int(entry.total_params),
        "active_params": int(entry.active_params),
        "capabilities": list(entry.capabilities),
        "scores": {
            use: {"points": points, "evidence": entry.evidence(use)} for use, points in entry.scores.items()
        },
        "verified": entry.verified or None,
        "superseded_by": entry.superseded_by or None,
    }


def card_document(entry: Entry, card: ModelCard) -> JsonObject:
    """One model in full, as `show --json` prints it."""
    from planner.models.catalogue.licences import explain, find_licence

    licence = find_licence(card.licence.name)
    return {
        **entry_document(entry),
        "aliases": [*card.aliases, *card.same_shape],
        "licence_terms": {
            "may": list(licence.may),
            "must": list(licence.must),
            "must_not": list(licence.must_not),
            "note": card.licence.note or None,
            "link": card.licence.link or None,
            "open_source": licence.open_source,
            "text_read": licence.certain,
            "explanation": explain(card.licence.name, card.licence.note, card.licence.link),
        },
        "architecture": shape_document(entry),
        "files": [file_document(f) for f in entry.files],
        "ollama": [{"tag": t.tag, "quant": t.quant or None, "size": t.size or None} for t in entry.ollama],
        "vllm": dict(entry.vllm),
        "benchmarks": [b.model_dump(exclude_defaults=True) for b in card.benchmarks],
        "sources": {
            "architecture": card.architecture.source,
            "parameters": card.parameters.source or None,
            "licence": card.licence.source or None,
        },
    }


def file_document(file: Any) -> JsonObject:
    """One repository that serves a model; sizes in bytes."""
    return {
        "repo": file.repo,
        "format": file.format,
        "quants": list(file.quants),
        "sizes": dict(file.sizes),
    }


def shape_document(entry: Entry) -> JsonObject | None:
    """What decides memory, or None where the shape is not known."""
    from planner.errors import PlannerError

    try:
        arch = entry.architecture()
    except PlannerError:
        return None
    return {
        "model_type": arch.model_type,
        "gguf_arch": arch.gguf_arch,
        "layers": arch.n_layer,
        "mtp_layers": arch.n_layer_mtp,
        "hidden_size": arch.hidden_size,
        "vocab_size": arch.vocab_size,
        "parameters": arch.parameters(),
        "active_parameters": arch.active_parameters(),
        "vision_parameters": arch.vision.parameters if arch.vision else None,
        "exact": arch.exact,
        "notes": list(arch.notes),
    }


def check_document(checks: list[CardCheck]) -> JsonObject:
    """What `models --check --json` prints."""
    return {
        "models": [
            {
                "id": c.id,
                "complete": c.shape.complete,
                "parameters_verified": c.shape.verified,
                "published": c.shape.published or None,
                "counted": c.shape.text or None,
                "difference": round(c.shape.error, 6) if c.shape.published and c.shape.text else None,
                "published_count_holds": c.shape.counted or None,
                "file_verified": c.by_file,
                "files": [
                    {
                        "file": f.file,
                        "quant": f.quant,
                        "published": f.published,
                        "computed": f.computed,
                        "difference": round(f.error, 6),
                        "source": f.source,
                    }
                    for f in c.files
                ],
                "reason": c.shape.reason or None,
            }
            for c in checks
        ],
        "summary": {
            "cards": len(checks),
            "complete": sum(c.shape.complete for c in checks),
            "parameters_verified": sum(c.shape.verified for c in checks),
            "file_verified": sum(c.by_file for c in checks),
            "unverified": sum(not c.shape.verified and not c.by_file for c in checks),
        },
    }


def comparison_document(comparison: Comparison) -> JsonObject:
    """What `compare --json` prints."""
    from planner.documents.plan import plan_document

    return {
        "machine": comparison.machine,
        "context": comparison.context,
        "models": [
            {
                **entry_document(column.entry),
                "kv_cache": column.cache,
                "smallest_useful": {"quant": column.quant, "weights": column.weights},
                "plan": None if column.plan is None else plan_document(column.plan),
                "reason": column.reason or None,
            }
            for column in comparison.columns
        ],
    }
