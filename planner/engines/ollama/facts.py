"""What Ollama says about itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.engines.endpoint import Api
from planner.engines.facts import EngineFacts, Install, Weights
from planner.engines.llama_cpp.facts import LlamaCppFacts

if TYPE_CHECKING:
    from planner.engines.base import Engine
    from planner.engines.container import Container
    from planner.engines.endpoint import Endpoint
    from planner.engines.launch import Launch
    from planner.engines.local_files import PulledModel
    from planner.engines.running import Pages, Running
    from planner.engines.work_split import WorkSplit
    from planner.hardware.host.system import System
    from planner.models.model import Model
    from planner.plan import Plan


class OllamaFacts(EngineFacts):
    """Ollama: llama.cpp's server with defaults, a store and a registry of its own."""

    name = "ollama"
    title = "Ollama"
    loads = Weights.GGUF
    backends = LlamaCppFacts.backends
    kernels = LlamaCppFacts.kernels
    variant_of = LlamaCppFacts.name
    daemon = ("ollama", "serve")
    looks_first = True
    environment_note = "for the server: set these where 'ollama serve' runs, and restart it"
    narrow_cache = LlamaCppFacts.narrow_cache
    server = "Ollama"
    port = 11434
    apis = frozenset({Api.CHAT, Api.RESPONSES, Api.MESSAGES, Api.OLLAMA})
    programs = ("ollama",)
    install = Install("https://ollama.com/download", "the archive of the target's system")

    def rules(self) -> Engine:
        """Return Ollama's rules."""
        from planner.engines.ollama.engine import Ollama

        return Ollama()

    def command(self, plan: Plan, model: Model) -> Launch:
        """Return Ollama's commands."""
        from planner.engines.ollama.command import ollama

        return ollama(plan, model)

    def common_settings(self, plans: Sequence[Plan]) -> Mapping[str, Any]:
        """Return the cache type and the parallel requests of the one server."""
        from planner.engines.ollama.several import common_settings

        return common_settings(plans)

    def common_environment(self, loaded: int) -> Mapping[str, str]:
        """Return how many models the server keeps."""
        from planner.engines.ollama.several import common_environment

        return common_environment(loaded)

    def work_split(self, plan: Plan, layers: int, expert_layers: int) -> WorkSplit:
        """Return the same as of llama.cpp, whose settings a plan for Ollama names."""
        from planner.engines.llama_cpp.work_split import work_split

        return work_split(plan, layers, expert_layers)

    def container(self, plan: Plan, model: Model, shell: Launch) -> Container:
        """Return the server in Ollama's image."""
        from planner.engines.ollama.container import container

        return container(plan, shell)

    def model_folders(self, system: System) -> Sequence[str]:
        """Return the user's store and the service's."""
        from planner.engines.ollama.store import folders

        return folders(system)

    def models_in(self, system: System, store: str, folder: str) -> Iterator[PulledModel]:
        """Yield the models of a store."""
        from planner.engines.ollama.store import models

        return models(system, store, folder)

    def running(self, pages: Pages) -> list[Running] | None:
        """Return what a running Ollama tells."""
        from planner.engines.ollama.server import running

        return running(pages)

    def named_quant(self, model: Model) -> str | None:
        """Return the quantisation of the library's tag that was named: the file that `ollama run` loads."""
        from planner.engines.ollama.own_tags import tagged_quant

        return tagged_quant(model)

    def own_tag(self, source: str | None) -> str | None:
        """Return the tag of Ollama's registry that a plan's source is."""
        from planner.engines.ollama.registry import own_tag

        return own_tag(source)

    def fetch_lines(self, tag: str) -> Sequence[str]:
        """Return what pulls a tag into a bundle."""
        from planner.engines.ollama.registry import fetch_lines

        return fetch_lines(tag)

    def serve_lines(self) -> Sequence[str]:
        """Return what serves from a bundle."""
        from planner.engines.ollama.registry import serve_lines

        return serve_lines()

    def endpoint(self, plan: Plan, model: Model) -> Endpoint:
        """Return how clients ask Ollama."""
        from planner.engines.ollama.clients import endpoint

        return endpoint(plan, model, self.apis)
