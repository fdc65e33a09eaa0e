"""The register of launch formats: one line each.

A format is a module with `render(plan, model, shell) -> Launch`. An engine without rules of its own is a format
too: it starts what was planned by another's.
"""

from __future__ import annotations

from typing import Final

from planner.engines.register import STARTERS

SHELL: Final = "shell"  # the command alone
# format -> module with render(plan, model, shell)
FORMATS: Final[dict[str, str]] = {
    "compose": "planner.launching.compose",
    "systemd": "planner.launching.systemd",
    "kubernetes": "planner.launching.kubernetes",
    "ray": "planner.launching.ray",
    "launchd": "planner.launching.launchd",
    "llama-swap": "planner.launching.llama_swap",
}
# Of these, the formats that start several models together: render_several(served).
SHARED: Final[dict[str, str]] = {name: FORMATS[name] for name in ("llama-swap",)}


# formats whose server answers at an address that isn't this machine's, or behind another
_ELSEWHERE: Final = frozenset({"kubernetes", "ray", "llama-swap"})


def serves_here(format: str) -> bool:
    """True for a format whose server answers on the machine itself, as its own command says."""
    return format not in _ELSEWHERE


def launch_formats() -> tuple[str, ...]:
    """Return the names of all formats."""
    return (SHELL, *FORMATS, *STARTERS)


def is_command(format: str) -> bool:
    """True for a format that is a command to type, without files for a supervisor."""
    return format not in FORMATS
