"""`planner launch --json`: the plan with the command that starts it, and the files where it needs some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.fast_dataclass import dataclass, replace
from planner.plan import Plan

if TYPE_CHECKING:
    from planner.engines.launch import Launch


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


def launched(plan: Plan, launch: Launch | None = None) -> LaunchedPlan:
    """Put a plan and its launch together; without one the plan does not fit, and there is nothing to start."""
    if launch is None:
        return LaunchedPlan(plan)
    started = replace(plan, command=launch.command, env=dict(launch.env))
    return LaunchedPlan(started, tuple(LaunchFile(name, content) for name, content in launch.files))
