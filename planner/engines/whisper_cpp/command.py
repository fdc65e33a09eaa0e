"""whisper-server's command (examples/server/server.cpp at 233fe1fc): fetch the file, serve it on this machine."""

from __future__ import annotations

import shlex
from typing import Final

from planner.engines.launch import Launch
from planner.engines.whisper_cpp.files import REPOSITORY, file_name
from planner.models.model import Model
from planner.plan import Plan

PORT: Final = 8080
PATH: Final = "/v1/audio/transcriptions"  # where OpenAI's clients ask


def whisper_server(plan: Plan, model: Model) -> Launch:
    """Return the two commands. The address is this machine's own."""
    file = file_name(model, plan.quant)
    server = ["whisper-server", "-m", file, "--host", "127.0.0.1", "--inference-path", PATH]
    if "--port" not in plan.request.written.kept:
        server += ["--port", str(PORT)]
    if plan.settings.get("no_gpu"):
        server.append("--no-gpu")
    threads = plan.request.machine.host.cpu.usable_cores
    if threads:
        server += ["-t", str(min(threads, 8))]
    steps = (["hf", "download", REPOSITORY, file, "--local-dir", "."], server)
    return Launch("\n".join(shlex.join(words) for words in steps), source=REPOSITORY)
