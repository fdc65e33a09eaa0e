"""What a shell offers when Tab is pressed: names of models, profiles, engines, quantisations and formats.

Each function gets what has been typed of a word and returns whole words; nothing is imported before it is
asked. Words keep the letters as they were typed (a shell offers nothing else), the planner reads any case.
No answer leaves the word to the shell, which then offers files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from itertools import pairwise


def models(incomplete: str) -> list[str]:
    """Names in the catalogue; with a slash in it, Hugging Face ids; nothing for a path."""
    if incomplete.startswith((".", "/", "~")):
        return []
    from planner.api import model_names

    return _beginning(incomplete, model_names(ids="/" in incomplete))


def backends(incomplete: str) -> list[str]:
    """What may drive a GPU."""
    from planner.api import backend_names

    return _beginning(incomplete, backend_names())


def profiles(incomplete: str) -> list[str]:
    """Ids of the profiles, the user's own first."""
    from planner.api import list_profiles

    infos = sorted(list_profiles().profiles, key=lambda i: not i.user)
    return _beginning(incomplete, (i.id for i in infos))


def config_keys(incomplete: str) -> list[str]:
    """Defaults that a person can set."""
    from planner.api import config

    return _beginning(incomplete, (one.key for one in config().settings))


def engines(incomplete: str) -> list[str]:
    """Names of the engines that plans are made for."""
    from planner.api import engine_names

    return _beginning(incomplete, engine_names())


def quants(incomplete: str) -> list[str]:
    """Quantisations of the model and engine that were typed before; of any, where none was."""
    from planner.api import is_known
    from planner.api import quants as offered
    from planner.errors import PlannerError

    typed = words_before()
    model = next((word for word in typed[1:] if is_known(word)), None)
    engine = next((b for a, b in pairwise(typed) if a in ("--engine", "-e")), None)
    try:
        return _beginning(incomplete, offered(model, engine))
    except PlannerError:  # dimensions that nobody published; an engine that is none
        return []


def use_cases(incomplete: str) -> list[str]:
    """Use cases."""
    from planner.plan import UseCase

    return _beginning(incomplete, UseCase)


def loads(incomplete: str) -> list[str]:
    """Loads of several users."""
    from planner.demand import Load

    return _beginning(incomplete, Load)


def licences(incomplete: str) -> list[str]:
    """Classes of licences."""
    from planner.plan import Licence

    return _beginning(incomplete, Licence)


def table_formats(incomplete: str) -> list[str]:
    """Formats of tables."""
    from tabulate import tabulate_formats

    return _beginning(incomplete, ["csv", *tabulate_formats])


def launch_formats(incomplete: str) -> list[str]:
    """Formats that `launch` writes."""
    from planner.api import launch_formats

    return _beginning(incomplete, launch_formats())


def clients(incomplete: str) -> list[str]:
    """Programs that `launch --for` connects."""
    from planner.api import client_names

    return _beginning(incomplete, client_names())


def claims(incomplete: str) -> list[str]:
    """Names of the claims."""
    from planner.api import claim_names

    return _beginning(incomplete, claim_names())


def schemas(incomplete: str) -> list[str]:
    """Names of the published schemas."""
    from planner.api import schema_names

    return _beginning(incomplete, schema_names())


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
