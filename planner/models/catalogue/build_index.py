"""Builds seeds/index.json: everything that `check` needs of all cards, in one file.

`python -m planner.models.catalogue.build_index` writes it; with --check it says whether it is up to date.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from planner.models.catalogue.card import ModelCard, read_cards
from planner.models.catalogue.catalogue import index_path, normalise
from planner.models.catalogue.licences import licence_class
from planner.models.catalogue.ratings import rating_of, read_ratings
from planner.models.catalogue.shape_check import ShapeCheck, check_shape

VERSION: Final = 2
_ASSUMED: Final = "what this publisher makes of every model"  # how a card says that a list wasn't read


def build_index(folder: Path) -> dict[str, Any]:
    """Return the index of the cards under a folder. Raises InputError for a bad card."""
    cards = read_cards(folder)
    paths = {card.id: path for path, card in _with_paths(folder, cards)}
    ratings = read_ratings(folder)
    models = []
    for card in cards:
        models.append(_entry(card, check_shape(card), rating_of(card, ratings), paths[card.id]))
    return {"version": VERSION, "models": models, "names": _names(cards)}


def _with_paths(folder: Path, cards: Sequence[ModelCard]) -> list[tuple[str, ModelCard]]:
    import tomllib

    by_id = {card.id: card for card in cards}
    found = []
    for path in sorted(folder.glob("*/*.toml")):
        ident = tomllib.loads(path.read_text(encoding="utf-8"))["id"]
        found.append((path.relative_to(folder).as_posix(), by_id[ident]))
    return found


def _entry(card: ModelCard, shape: ShapeCheck, rating: dict[str, Any], path: str) -> dict[str, Any]:
    total = shape.text or card.parameters.total or card.parameters.named
    capabilities = [n for n in ("vision", "audio", "tools", "reasoning") if getattr(card.capabilities, n)]
    entry: dict[str, Any] = {
        "id": card.id,
        "name": card.name,
        "card": path,
        "family": card.family,
        "vendor": card.vendor,
        "released": card.released,
        "licence": card.licence.name,
        "licence_class": licence_class(card.licence.name),
        "context": card.context.native,
        "total_params": total,
        "active_params": card.parameters.active or shape.active or total,
        **rating,
        "capabilities": capabilities,
        "config": card.config,
        "files": [_file(f) for f in card.files],
        "tags": [_tag(t) for t in card.ollama],
        "recipe": {}
        if card.vllm is None
        else card.vllm.model_dump(exclude_defaults=True, exclude={"source"}),
        "verified": "parameters" if shape.verified else "",
    }
    if card.kind != "chat":
        entry["kind"] = card.kind
    if card.context.extended:
        entry["context_extended"] = card.context.extended
    if card.superseded_by:
        entry["superseded_by"] = card.superseded_by
    return entry


def _file(file: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"repo": file.repo, "format": file.format}
    if file.quants:
        out["quants"] = list(file.quants)
    if file.layout:
        out["layout"] = file.layout
    if file.bytes:
        out["bytes"] = dict(file.bytes)
    if file.approx_bytes and file.format == "gguf":
        out["about"] = dict(file.approx_bytes)
    if file.source.startswith(_ASSUMED):
        out["assumed"] = True
    return out


def _tag(tag: Any) -> dict[str, Any]:
    out: dict[str, Any] = {"tag": tag.tag}
    if tag.quant:
        out["quant"] = tag.quant
    if tag.bytes:
        out["bytes"] = tag.bytes
    return out


def _names(cards: Sequence[ModelCard]) -> dict[str, int]:
    """Return every name with the position of its model; where two claim one, the stronger claim wins."""
    names: dict[str, int] = {}

    def claim(name: str, position: int) -> None:
        names.setdefault(normalise(name), position)

    for position, card in enumerate(cards):
        claim(card.id, position)
    for position, card in enumerate(cards):
        claim(card.name, position)
        for alias in card.aliases:
            claim(alias, position)
    for position, card in enumerate(cards):
        claim(card.id.split("/")[1], position)
        for tag in card.ollama:
            claim(tag.tag, position)
    for position, card in enumerate(cards):
        for sibling in card.same_shape:
            claim(sibling, position)
        for file in card.files:
            claim(file.repo, position)
    for position, card in enumerate(cards):
        for other in (*card.same_shape, *(f.repo for f in card.files)):
            claim(other.split("/")[-1], position)
    return names


def render(index: dict[str, Any]) -> str:
    """Return the file's text: one model a line, so that a change of one card changes one line."""
    models = ",\n".join(json.dumps(m, ensure_ascii=False, separators=(",", ":")) for m in index["models"])
    names = json.dumps(index["names"], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return f'{{"version":{index["version"]},"models":[\n{models}\n],\n"names":{names}}}\n'


def main(arguments: Sequence[str]) -> int:
    """Write the index, or check it."""
    path = index_path()
    text = render(build_index(path.parent))
    if "--check" in arguments:
        fresh = path.is_file() and path.read_text(encoding="utf-8") == text
        sys.stdout.write(f"{path.name} is {'up to date' if fresh else 'out of date: build it again'}\n")
        return 0 if fresh else 1
    path.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{path.name}: {text.count(chr(10)) - 3} models, {len(text):,} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
