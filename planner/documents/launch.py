"""`planner launch --json`: the plan (of several models, all of them) with what starts it, and the files it needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.fast_dataclass import dataclass, replace
from planner.plan import Plan

if TYPE_CHECKING:
    from planner.advice.together.together import Together
    from planner.engines.launch import Launch
    from planner.launching.clients.connection import ClientFile


@dataclass(frozen=True, slots=True)
class LaunchFile:
    """A file that a launch needs beside its command."""

    name: str
    content: str


@dataclass(frozen=True, slots=True)
class LaunchedPlan:
    """A plan and what starts it."""

    plan: Plan
    """With the command and the environment of the format that was asked for."""
    files: tuple[LaunchFile, ...] = ()
    clients: tuple[ClientFile, ...] = ()
    """The configurations of the programs that were asked for (--for)."""


def launched(plan: Plan, launch: Launch | None = None, clients: Sequence[ClientFile] = ()) -> LaunchedPlan:
    """Put a plan and its launch together; without one the plan does not fit, and there is nothing to start."""
    if launch is None:
        return LaunchedPlan(plan)
    started = replace(plan, command=launch.command, env=dict(launch.env))
    return LaunchedPlan(
        started, tuple(LaunchFile(name, content) for name, content in launch.files), tuple(clients)
    )


@dataclass(frozen=True, slots=True)
class LaunchedTogether:
    """Several models on one machine and what starts them."""

    together: Together
    """Each member's plan with its command and environment."""
    command: str
    """What starts them all from the files; empty where each member's own command does."""
    files: tuple[LaunchFile, ...] = ()


def launched_together(answer: Together, launches: Sequence[Launch] = ()) -> LaunchedTogether:
    """Put a set-up and its launches together: one a member, or one for all; without any it does not fit."""
    files = tuple(LaunchFile(name, content) for launch in launches for name, content in launch.files)
    if len(launches) != len(answer.members) or len(launches) == 1:
        return LaunchedTogether(answer, "".join(launch.command for launch in launches), files)
    started = tuple(
        replace(member, plan=replace(member.plan, command=launch.command, env=dict(launch.env)))
        for member, launch in zip(answer.members, launches, strict=True)
    )
    return LaunchedTogether(replace(answer, members=started), "", files)
