"""What SGLang says about itself: it starts what was planned by vLLM's rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.engines.endpoint import Api
from planner.engines.facts import EngineFacts, Weights
from planner.engines.vllm.facts import VllmFacts

if TYPE_CHECKING:
    from planner.engines.endpoint import Endpoint
    from planner.engines.launch import Launch
    from planner.models.model import Model
    from planner.plan import Plan


class SglangFacts(EngineFacts):
    """SGLang, served by sglang.launch_server."""

    name = "sglang"
    title = "SGLang"
    loads = Weights.CHECKPOINT
    backends = VllmFacts.backends
    serves_many = True
    may_spill = False
    port = 30000
    apis = frozenset({Api.CHAT, Api.RESPONSES})
    starts_plans_of = VllmFacts.name

    def command(self, plan: Plan, model: Model) -> Launch:
        """Return sglang.launch_server for a plan made for vLLM."""
        from planner.engines.sglang.command import launch_server

        return launch_server(plan, model)

    def endpoint(self, plan: Plan, model: Model) -> Endpoint:
        """Return how clients ask SGLang's server."""
        from planner.engines.sglang.clients import endpoint

        return endpoint(plan, model, self.apis)
