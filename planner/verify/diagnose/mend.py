"""The paste's command with a change in it."""

from __future__ import annotations

import shlex

from planner.engines.evidence import Evidence, Fix, PastedCommand, Piece
from planner.fast_dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Mended:
    """A command with one change in it."""

    command: str
    """The whole command, quoted for a shell."""
    changed: tuple[str, ...]
    """What changed: "--ctx-size 250000 (was 262144)"."""


def mended(evidence: Evidence, fix: Fix) -> Mended | None:
    """Return the command of the paste with one change in it; None where there is none, or nothing to change.

    Flags are found by the engine's own table, in any of their spellings; one that the engine doesn't have is left
    out. Variables go in front, where no flag does the same.
    """
    command = evidence.command
    if command is None:
        return None
    wanted = {flag: value for flag, value in fix.set.items() if _takes(command, flag)}
    if not wanted and not fix.drop and not fix.env:
        return None
    left = {command.canonical(flag): (flag, value) for flag, value in wanted.items()}
    gone = {command.canonical(flag) for flag in fix.drop}
    words: list[str] = []
    changed: list[str] = []
    for piece in command.pieces():
        if piece.name and piece.name in left:
            _, value = left.pop(piece.name)
            words += _written(piece, value)
            if piece.value != value:
                changed.append(f"{' '.join(_written(piece, value))} (was {piece.value or 'not set'})")
        elif piece.name and piece.name in gone:
            changed.append(f"without {' '.join(piece.words)}")
        else:
            words += piece.words
    for flag, value in left.values():
        words += [flag, value] if value else [flag]
        changed.append(f"{flag} {value}".strip())
    before = list(command.before)
    if not wanted and not fix.drop:
        before = [f"{name}={value}" for name, value in fix.env.items()] + before
        changed += [f"{name}={value}" for name, value in fix.env.items()]
    if not changed:
        return None
    return Mended(shlex.join([*before, *command.program, *words]), tuple(changed))


def _takes(command: PastedCommand, flag: str) -> bool:
    return command.table is None or flag in command.table


def _written(piece: Piece, value: str) -> list[str]:
    """A flag in the spelling of the paste, with another value."""
    name, equals, _ = piece.words[0].partition("=")
    if equals:
        return [f"{name}={value}"]
    return [name, value] if value else [name]
