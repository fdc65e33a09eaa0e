"""What whisper.cpp says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.engines.facts import EngineFacts, Install, Kernels, Weights
from planner.engines.llama_cpp.facts import LlamaCppFacts

if TYPE_CHECKING:
    from planner.engines.base import Engine
    from planner.engines.launch import Launch
    from planner.models.model import Model
    from planner.plan import Plan


class WhisperCppFacts(EngineFacts):
    """whisper.cpp, served by whisper-server."""

    name = "whisper.cpp"
    title = "whisper.cpp"
    aliases = ("whispercpp", "whisper-cpp")
    loads = Weights.WHISPER
    backends = LlamaCppFacts.backends
    kernels = Kernels.GGML
    transcribes = True
    may_spill = False
    timed_by_tokens = False
    port = 8080
    programs = ("whisper-server", "whisper-cli")
    install = Install(
        "https://github.com/ggml-org/whisper.cpp/releases",
        "the archive of the target's system, or its source to build there",
    )

    def rules(self) -> Engine:
        """Return whisper.cpp's rules."""
        from planner.engines.whisper_cpp.engine import WhisperCpp

        return WhisperCpp()

    def command(self, plan: Plan, model: Model) -> Launch:
        """Return whisper-server's command, after the one that fetches its file."""
        from planner.engines.whisper_cpp.command import whisper_server

        return whisper_server(plan, model)
