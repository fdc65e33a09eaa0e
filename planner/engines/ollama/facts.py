"""What Ollama says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.engines.facts import EngineFacts, Install, Weights
from planner.engines.llama_cpp.facts import LlamaCppFacts

if TYPE_CHECKING:
    from planner.engines.base import Engine
    from planner.engines.container import Container
    from planner.engines.launch import Launch
    from planner.models.model import Model
    from planner.plan import Plan


class OllamaFacts(EngineFacts):
    """Ollama: llama.cpp's server with defaults, a store and a registry of its own."""

    name = "ollama"
    title = "Ollama"
    loads = Weights.GGUF
    backends = LlamaCppFacts.backends
    variant_of = LlamaCppFacts.name
    daemon = ("ollama", "serve")
    narrow_cache = LlamaCppFacts.narrow_cache
    install = Install("https://ollama.com/download", "the archive of the target's system")

    def rules(self) -> Engine:
        """Return Ollama's rules."""
        from planner.engines.ollama.engine import Ollama

        return Ollama()

    def command(self, plan: Plan, model: Model) -> Launch:
        """Return Ollama's commands."""
        from planner.engines.ollama.command import ollama

        return ollama(plan, model)

    def container(self, plan: Plan, model: Model, shell: Launch) -> Container:
        """Return the server in Ollama's image."""
        from planner.engines.ollama.container import container

        return container(plan, shell)
