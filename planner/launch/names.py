"""Names that files, services and manifests take from a model, whatever the model is called."""

from __future__ import annotations

import re
import shlex

from planner.launch.render import Launch

_NOT_DNS = re.compile(r"[^a-z0-9]+")


def service_name(model: str, longest: int = 50) -> str:
    """Return a DNS label (RFC 1123) made from a model's id: lower case, digits and hyphens."""
    label = _NOT_DNS.sub("-", model.rsplit("/", 1)[-1].lower()).strip("-")[:longest].strip("-")
    return label or "model"


def first_command(shell: Launch) -> list[str]:
    """Return the words of the command that serves: the last line, after what it needs first."""
    lines = [line for line in shell.command.splitlines() if line.strip()]
    return shlex.split(lines[-1]) if lines else []
