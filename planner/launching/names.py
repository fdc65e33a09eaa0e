"""Names that files, services and manifests take from a model, whatever the model is called."""

from __future__ import annotations

import re
import shlex

from planner.engines.launch import Launch

_NOT_DNS = re.compile(r"[^a-z0-9]+")


def service_name(model: str, longest: int = 50) -> str:
    """Return a DNS label (RFC 1123) made from a model's id: lower case, digits and hyphens."""
    label = _NOT_DNS.sub("-", model.rsplit("/", 1)[-1].lower()).strip("-")[:longest].strip("-")
    return label or "model"


def first_command(shell: Launch) -> list[str]:
    """Return the words of the command that serves: the last one, after what it needs first."""
    steps = commands(shell.command)
    return steps[-1] if steps else []


def commands(text: str) -> list[list[str]]:
    """Split lines of shell commands into words; a quoted newline does not end a command."""
    steps: list[list[str]] = []
    pending = ""
    for line in text.splitlines(keepends=True):
        pending += line
        try:
            words = shlex.split(pending)
        except ValueError:  # a quote is still open
            continue
        if words:
            steps.append(words)
        pending = ""
    return steps
