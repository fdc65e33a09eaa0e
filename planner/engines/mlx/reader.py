"""mlx_lm's command lines read (mlx-lm 0.32.2); what they ask for can't be planned yet, and is kept apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from planner.engines.commands import Command, Sorted, Starts
from planner.engines.flags import FlagTable
from planner.engines.mlx.flags import TABLE
from planner.errors import InputError

ENGINE: Final = "mlx"
VERSION: Final = "0.32.2"
_PROGRAMS: Final = ("server", "generate", "chat")
STARTS: Final = Starts(
    programs=(
        *((f"mlx_lm.{name}",) for name in _PROGRAMS),
        *(("mlx_lm", name) for name in _PROGRAMS),
    ),
    modules=(*(f"mlx_lm.{name}" for name in _PROGRAMS), "mlx_lm"),
)


def table(program: Sequence[str]) -> FlagTable:
    """Return the flags of mlx_lm's programs, which share most of them."""
    return TABLE


def read(program: Sequence[str], words: Sequence[str], env: Mapping[str, str]) -> Command:
    """Return what the words after the program's name mean.

    Raises InputError in argparse's words for a flag or a value that mlx-lm refuses.
    """
    words = list(words)
    if program[-1] == "mlx_lm" and words[:1] and words[0] in _PROGRAMS:
        words = words[1:]
    given, stray = TABLE.read(words)
    if stray:
        raise InputError(f"{TABLE.dialect.program}: {TABLE.dialect.unknown.format(name=' '.join(stray))}")
    flags = Sorted(TABLE, given, f"mlx-lm {VERSION}")
    settings = {each.flag.meaning: each.value for each in flags.planned}
    return Command(
        engine=ENGINE,
        program=" ".join(program),
        model=settings.pop("model", None),
        settings=settings,
        kept=flags.kept,
        env=env,
        uncounted=flags.uncounted,
        notes=tuple(flags.notes),
    )
