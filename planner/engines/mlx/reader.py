"""mlx_lm's command lines read (mlx-lm 0.32.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from planner.engines.commands import Command, Sorted, Starts
from planner.engines.flags import FlagTable, Role
from planner.engines.mlx.flags import TABLE
from planner.errors import InputError

if TYPE_CHECKING:
    from planner.hardware.machine import Machine
    from planner.models.model import Model

ENGINE: Final = "mlx"
SETTINGS: Final[frozenset[str]] = frozenset(
    flag.meaning for flag in TABLE.flags if flag.role is Role.PLANNED and flag.meaning != "model"
)
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


def read(
    program: Sequence[str], words: Sequence[str], env: Mapping[str, str], flags: FlagTable = TABLE
) -> Command:
    """Return what the words after the program's name mean.

    Raises InputError in argparse's words for a flag or a value that mlx-lm refuses.
    """
    words = list(words)
    if program[-1] == "mlx_lm" and words[:1] and words[0] in _PROGRAMS:
        words = words[1:]
    given, stray = flags.read(words)
    if stray:
        raise InputError(f"{flags.dialect.program}: {flags.dialect.unknown.format(name=' '.join(stray))}")
    line = Sorted(flags, given, f"mlx-lm {VERSION}")
    settings = {each.flag.meaning: each.value for each in line.planned}
    return Command(
        engine=ENGINE,
        program=" ".join(program),
        model=settings.pop("model", None),
        settings=settings,
        kept=line.kept,
        env=env,
        uncounted=line.uncounted,
        notes=tuple(line.notes),
    )


def for_rules(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings as they are: the rules are this engine's own."""
    return settings


def started(command: Command, model: Model, machine: Machine) -> Mapping[str, Any]:
    """Return the settings as they are: no rules fill in what is left out."""
    return command.settings
