"""The manifest of `planner bundle` as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner.advice.bundle import ENGINES, Item
from planner.documents.plan import plan_document


def manifest(items: Sequence[Item]) -> dict[str, Any]:
    """Return the manifest: a JSON document that says what is in the bundle and why."""
    engines = list(dict.fromkeys(i.plan.engine for i in items))
    return {
        "models": [
            {
                "model": i.model,
                "folder": i.download.folder if i.download else "ollama-models",
                "repository": i.download.repo if i.download else None,
                "include": list(i.download.include) if i.download else [],
                "ollama_tag": i.ollama_tag,
                "files": [
                    {"path": f.path, "size": f.size, "sha256": f.sha256 or None}
                    for f in (i.download.files if i.download else ())
                ],
                "size": i.size or None,
                "licence": i.licence,
                "licence_link": i.licence_link or None,
                "start": f"start-{i.name}.sh",
                "plan": plan_document(i.plan),
                "notes": list(i.notes),
            }
            for i in items
        ],
        "engines": [
            {"engine": e, "name": ENGINES[e][0], "from": ENGINES[e][1], "fetch": ENGINES[e][2]}
            for e in engines
            if e in ENGINES
        ],
        "size": sum(i.size for i in items) or None,
        "on_the_target": ["planner check", *(f"sh start-{i.name}.sh" for i in items)],
    }
