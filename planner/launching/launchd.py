"""launchd: one property list that runs the plan on a Mac from the login on (launchd.plist(5), launchctl(1))."""

from __future__ import annotations

import plistlib
import shlex
from pathlib import Path

from planner.engines.launch import Launch, first_command
from planner.engines.register import engine_facts
from planner.errors import InputError
from planner.hardware.machine import Backend
from planner.launching.names import service_name
from planner.models.model import Model
from planner.plan import Plan
from planner.safe_text import commands


def render(plan: Plan, model: Model, shell: Launch) -> Launch:
    """Return the property list and the commands that install and start it. Raises InputError off a Mac."""
    if plan.backend is not Backend.METAL:
        raise InputError("launchd starts programs on a Mac; use --format systemd or compose")
    facts = engine_facts(plan.engine)
    label = f"planner.{service_name(model.name)}"
    name = f"{label}.plist"
    # Where a server runs first, models are fetched through it; where it is one command, what comes before it is
    # done once, by hand.
    serving = list(facts.daemon) or _with_whole_paths(shell)
    before = [] if facts.daemon else commands(shell.command)[:-1]
    after = shell.command.splitlines() if facts.daemon else []
    # A login shell finds what Homebrew, pipx and uv installed; launchd itself knows the system's folders alone.
    line = f"exec {shlex.join(serving)} >>~/Library/Logs/{label}.log 2>&1"
    content = plistlib.dumps(
        {
            "Label": label,
            "ProgramArguments": ["/bin/zsh", "-lc", line],
            "EnvironmentVariables": dict(shell.env),
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 10,
        },
        sort_keys=False,
    ).decode()
    agents = "~/Library/LaunchAgents"
    steps = [
        *(shlex.join(words) for words in before),
        f"mkdir -p {agents}",
        f"cp {shlex.quote(name)} {agents}/",
        f"launchctl bootstrap gui/$(id -u) {agents}/{shlex.quote(name)}",
        *after,
    ]
    return Launch("\n".join(steps), files=((name, content), *shell.files), source=shell.source)


def _with_whole_paths(shell: Launch) -> list[str]:
    """Return the words that serve, paths as they mean the same from the root, where launchd starts programs."""
    words = first_command(shell)
    ours = {*shell.paths, *(word for word in words if word.startswith("./"))}
    return [str(Path(word).resolve()) if word in ours else word for word in words]
