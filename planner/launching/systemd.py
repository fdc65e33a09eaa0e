"""systemd: one unit that runs the plan (systemd.service(5), systemd.exec(5)).

In a unit `%` begins a specifier and `$` a variable; both are doubled. Words are double-quoted with C-like
escapes, so spaces, quotes and newlines stay inside their word.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from planner.engines.launch import Launch, first_command
from planner.engines.register import engine_facts
from planner.errors import InputError
from planner.hardware.machine import Backend
from planner.launching.names import service_name
from planner.models.model import Model
from planner.plan import Plan
from planner.safe_text import systemd_text, systemd_word


def render(plan: Plan, model: Model, shell: Launch) -> Launch:
    """Return the unit and the commands that install and start it."""
    if plan.settings.get("nnodes", 1) > 1:
        raise InputError(
            "systemd starts one machine; this plan spans several: use --format ray or kubernetes"
        )
    if plan.backend is Backend.METAL:
        raise InputError("systemd starts programs on Linux; on a Mac use --format launchd")
    name = f"{service_name(model.name)}.service"
    facts = engine_facts(plan.engine)
    # Where a server runs first, models are fetched or created through it, and stay in its store.
    argv = list(facts.daemon) or _with_whole_paths(shell)
    setup = shell.command.splitlines() if facts.daemon else []
    lines = [
        "[Unit]",
        f"Description={systemd_text(f'{plan.model} with {facts.title}')}",
        "",
        "[Service]",
        "Type=exec",
        # A user's manager knows the system's folders alone; pipx and uv install into the first of these.
        'Environment="PATH=%h/.local/bin:/usr/local/bin:/usr/bin:/bin"',
        *(f"Environment={systemd_word(f'{key}={value}', command=False)}" for key, value in shell.env.items()),
        f"ExecStart=/usr/bin/env {' '.join(systemd_word(word) for word in argv)}",
        "Restart=on-failure",
        "RestartSec=10",
        "TimeoutStopSec=60",
        "",
        "[Install]",
        "WantedBy=default.target",
        "",
    ]
    folder = "~/.config/systemd/user"
    command = "\n".join(
        [
            f"mkdir -p {folder}",
            f"cp {shlex.quote(name)} {folder}/",
            "loginctl enable-linger",  # without it a user's units end with the last login
            "systemctl --user daemon-reload",
            f"systemctl --user enable --now {shlex.quote(name)}",
            *setup,
        ]
    )
    return Launch(command=command, files=((name, "\n".join(lines)), *shell.files), source=shell.source)


def _with_whole_paths(shell: Launch) -> list[str]:
    """Return the words of the command as they mean the same from the home folder, where a unit runs."""
    argv = first_command(shell)
    for path in shell.paths:
        argv[argv.index(path)] = str(Path(path).resolve())
    return argv
