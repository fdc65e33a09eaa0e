"""Names that files, services and manifests take from a model, whatever the model is called."""

from __future__ import annotations

import re

_NOT_DNS = re.compile(r"[^a-z0-9]+")


def service_name(model: str, longest: int = 50) -> str:
    """Return a DNS label (RFC 1123) made from a model's id: lower case, digits and hyphens."""
    label = _NOT_DNS.sub("-", model.rsplit("/", 1)[-1].lower()).strip("-")[:longest].strip("-")
    return label or "model"
