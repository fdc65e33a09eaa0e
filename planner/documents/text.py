"""A document as text: the bytes that the command line, the server and the page have in common."""

from __future__ import annotations

import json
from typing import Any

from planner.safe_text import json_text


def document_text(document: Any, *, ascii: bool = False) -> str:
    """Return a JSON value as it is printed; `ascii` for a terminal without other characters."""
    text = json.dumps(document, indent=2, ensure_ascii=ascii, allow_nan=False)
    return json_text(text) + "\n"
