"""Writes seeds/api_prices.json: what providers ask for a million tokens of the catalogue's models.

    python -m benchmarks.api_prices FILE.jsonl

Reads rows of kind "token" with api, provider, price_in, price_cached, price_out (US dollars a million), date and
source. A row counts for a model where its name, without the provider's own prefix, is one of the catalogue's names;
batch, priority and "fast" variants are other products and are left out, and so are prices in steps by length.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from planner.models.catalogue.catalogue import Entry, load_catalogue

TARGET = Path(__file__).parent.parent / "seeds" / "api_prices.json"
OTHER_PRODUCT = re.compile(
    r":|-(?:fast|ultrafast|turbo|highspeed|us|batch|free|flashx|vision-exp|p)$", re.IGNORECASE
)
AWS = re.compile(r"^(?:global\.|regional\.)?[a-z]+\.(.+?)(?:-v\d+)?(?::\d+)?$")


def entry_of(name: str, provider: str) -> Entry | None:
    """Return the catalogue's entry that a provider's name means; None where it is another product or unknown."""
    if provider == "aws":
        found = AWS.match(name)
        name = re.sub(r"-\d$", "", found[1]) if found else name
    if OTHER_PRODUCT.search(name):
        return None
    last = name.rsplit("/", 1)[-1]
    if provider == "fireworks":
        last = re.sub(r"(?<=\d)p(?=\d)", ".", last)
    if provider == "databricks":
        last = last.removeprefix("databricks-").removeprefix("meta-")
    catalogue = load_catalogue()
    tries = [name, last, re.sub(r"-(?:fp8|nvfp4|bf16)$", "", last, flags=re.IGNORECASE)]
    return next((e for e in map(catalogue.lookup, tries) if e is not None), None)


def table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the file's content for rows of prices."""
    models: dict[str, list[list[Any]]] = {}
    for row in rows:
        entry = entry_of(row["api"], row["provider"])
        plain = all(isinstance(row[key], int | float) for key in ("price_in", "price_out"))
        if entry is None or not plain or not row["price_out"]:
            continue
        cached = row["price_cached"] if isinstance(row["price_cached"], int | float) else None
        price = [row["provider"], row["price_in"], cached, row["price_out"]]
        if price not in models.setdefault(entry.id, []):
            models[entry.id].append(price)
    return {
        "about": "US dollars for a million tokens: provider, in, in from a cache (null: no such price), out",
        "date": max(row["date"] for row in rows),
        "source": rows[0]["source"],
        "models": {
            ident: sorted(found, key=lambda p: (p[3], p[1], p[0])) for ident, found in sorted(models.items())
        },
    }


def main() -> None:
    """Write the file."""
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row.get("kind") == "token"]
    found = table(rows)
    text = json.dumps(found, indent=1)
    text = re.sub(r"\[\s+(\"[^\[\]]*?)\s+\]", lambda m: "[" + re.sub(r"\s*\n\s*", " ", m[1]) + "]", text)
    TARGET.write_text(text + "\n", encoding="utf-8")
    print(f"{sum(map(len, found['models'].values()))} prices of {len(found['models'])} models")


if __name__ == "__main__":
    main()
