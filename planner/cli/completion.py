"""What a shell offers when Tab is pressed: names of models, profiles, engines, quantisations and formats.

Each function gets what has been typed of a word and returns whole words; nothing is imported before it is
asked. Words keep the letters as they were typed (a shell offers nothing else), the planner reads any case.
No answer leaves the word to the shell, which then offers files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

LICENSE_CLASSES: Final = ("permissive", "commercial", "any")


def models(incomplete: str) -> list[str]:
    """Names in the catalogue; with a slash in it, Hugging Face ids; nothing for a path."""
    if incomplete.startswith((".", "/", "~")):
        return []
    from planner.models.catalogue.catalogue import load_catalogue

    entries = load_catalogue().all_entries()
    return _beginning(incomplete, (e.id if "/" in incomplete else e.short_name for e in entries))


def profiles(incomplete: str) -> list[str]:
    """Ids of the profiles, the user's own first."""
    from planner.hardware.profiles.load import list_profiles

    infos = sorted(list_profiles(), key=lambda i: not i.user)
    return _beginning(incomplete, (i.id for i in infos))


def engines(incomplete: str) -> list[str]:
    """Names of the engines."""
    from planner.engines.base import ENGINES

    return _beginning(incomplete, ENGINES)


def quants(incomplete: str) -> list[str]:
    """Quantisations of the model and engine that were typed before; of any, where none was."""
    from planner.advice.plan.candidates import offered_quants, usual_quants
    from planner.engines.base import get_engine
    from planner.errors import PlannerError
    from planner.models.catalogue.catalogue import lookup
    from planner.models.load import from_entry

    typed = words_before()
    entry = next((found for word in typed[1:] if (found := lookup(word)) is not None), None)
    if entry is None:
        return _beginning(incomplete, usual_quants())
    engine = next((b for a, b in pairwise(typed) if a in ("--engine", "-e")), None)
    try:
        model = from_entry(entry)
        names = [get_engine(engine).name] if engine else ["llama.cpp", "vllm"]
        return _beginning(incomplete, [q for name in names for q in offered_quants(model, name)])
    except PlannerError:  # dimensions that nobody published; an engine that is none
        return []


def use_cases(incomplete: str) -> list[str]:
    """Use cases."""
    from planner.plan import UseCase

    return _beginning(incomplete, (u.value for u in UseCase))


def licences(incomplete: str) -> list[str]:
    """Classes of licences."""
    return _beginning(incomplete, LICENSE_CLASSES)


def table_formats(incomplete: str) -> list[str]:
    """Formats of tables."""
    from tabulate import tabulate_formats

    return _beginning(incomplete, ["csv", *tabulate_formats])


def launch_formats(incomplete: str) -> list[str]:
    """Formats that `launch` writes."""
    from planner.launching.render import launch_formats

    return _beginning(incomplete, launch_formats())


def claims(incomplete: str) -> list[str]:
    """Names of the claims."""
    from planner.advice.claims import load_claims

    return _beginning(incomplete, (str(c["id"]) for c in load_claims()))


def schemas(incomplete: str) -> list[str]:
    """Names of the published schemas."""
    from planner.documents.schema import DOCUMENTS

    return _beginning(incomplete, DOCUMENTS)


def words_before() -> Sequence[str]:
    """Return the words before the one that a shell wants completed, program apart.

    The shells' own variables are read: click forgets the words before an option that still lacks its value.
    """
    line = os.environ.get("COMP_WORDS")
    if line is not None:  # bash counts, and names the word
        at = os.environ.get("COMP_CWORD", "")
        return line.split()[1 : int(at) if at.isdigit() else None]
    line = os.environ.get("_TYPER_COMPLETE_ARGS", "")
    words = line.split()
    return words[1:] if line.endswith(" ") else words[1:-1]


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    """Return the names that begin with what was typed, in any case, each once."""
    start, typed = incomplete.lower(), len(incomplete)
    return list(dict.fromkeys(incomplete + n[typed:] for n in names if n.lower().startswith(start)))
