"""Rate every model of the catalogue: ``python -m benchmarks.scores.fit [--check]`` writes seeds/ratings.json.

Run it when a card or a published score has changed, then build the index. It takes seconds and needs numpy (the extra
[fit]). With --check it says whether the file is of today's cards and scores.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from typing import Any, Final

from benchmarks.scores.cells import DATA, INDEX, catalogue_cards, cells, published_rows
from planner.models.catalogue.ratings import RATINGS_NAME
from planner.shipped_files import seeds_dir

PATH: Final = seeds_dir() / RATINGS_NAME
_OF_CARD: Final = {"id", "kind", "vendor", "released", "parameters", "capabilities", "benchmarks"}


def stamp() -> str:
    """Return a digest of everything that the ratings are made from."""
    digest = hashlib.sha256(DATA.read_bytes())
    for card in catalogue_cards():
        digest.update(card.model_dump_json(include=_OF_CARD).encode())
    return digest.hexdigest()[:16]


def rate_all() -> dict[str, Any]:
    """Return the content of the file."""
    from benchmarks.scores.factor_model import fit
    from benchmarks.scores.features import known
    from benchmarks.scores.use_cases import efforts, rate, share_left_without_thinking

    found = cells()
    cards = catalogue_cards()
    samples = fit(found, known(cards))
    rated = rate(samples, found, [card.id for card in cards if card.capabilities.vision])
    others = Counter(cell.model for cell in found if cell.independent)
    vendors = Counter(cell.model for cell in found if not cell.independent)
    by_effort = efforts(published_rows())
    measured = {cell.model for cell in found if cell.column == INDEX}
    models: dict[str, Any] = {}
    for card in cards:
        if card.kind != "chat":
            continue
        scores = {
            use: [round(r.points, 1), round(r.low, 1), round(r.high, 1), r.grade]
            for use, r in rated[card.id].items()
        }
        models[card.id] = {"scores": scores, "rests_on": [others[card.id], vendors[card.id]]}
        if card.id in measured:
            models[card.id]["measured"] = True
        if card.id in by_effort:
            models[card.id]["effort"] = _effort(by_effort[card.id])
    share, pairs = share_left_without_thinking(found)
    return {
        "stamp": stamp(),
        "scale": INDEX.removesuffix(" [AA]"),
        "kept_without_thinking": [round(share, 3), pairs],
        "models": models,
    }


def _effort(effort: Any) -> list[Any]:
    return [effort.best, effort.least, effort.least_points] if effort.least else [effort.best]


def render(content: dict[str, Any]) -> str:
    """Return the file's text: one model a line."""
    head = {key: value for key, value in content.items() if key != "models"}
    lines = [
        f"{json.dumps(ident)}:{json.dumps(model, ensure_ascii=False, separators=(',', ':'))}"
        for ident, model in content["models"].items()
    ]
    joined = ",\n".join(lines)
    return f'{json.dumps(head, ensure_ascii=False)[:-1]},\n"models":{{\n{joined}\n}}}}\n'


def is_fresh() -> bool:
    """True where the file was made from today's cards and scores."""
    return PATH.is_file() and json.loads(PATH.read_bytes())["stamp"] == stamp()


def main() -> int:
    """Write the ratings, or check them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only say whether the file is up to date")
    if parser.parse_args().check:
        fresh = is_fresh()
        print(f"{PATH.name} is {'up to date' if fresh else 'out of date: write it again'}")
        return 0 if fresh else 1
    text = render(rate_all())
    PATH.write_text(text, encoding="utf-8")
    print(f"{PATH.name}: {len(json.loads(text)['models'])} models, {len(text.encode()):,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
