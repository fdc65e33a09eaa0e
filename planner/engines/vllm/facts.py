"""What vLLM says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from planner.engines.endpoint import Api
from planner.engines.facts import EngineFacts, Install, NarrowCache, NotPlanned, Serving, Weights
from planner.engines.vllm.backends import BACKENDS

if TYPE_CHECKING:
    from planner.engines.base import Engine
    from planner.engines.container import Container
    from planner.engines.endpoint import Endpoint
    from planner.engines.launch import Launch
    from planner.engines.running import Pages, Running
    from planner.engines.work_split import WorkSplit
    from planner.hardware.host.system import System
    from planner.models.model import Model
    from planner.models.role import Role
    from planner.plan import Plan


class VllmFacts(EngineFacts):
    """vLLM, served by `vllm serve`."""

    name = "vllm"
    title = "vLLM"
    loads = Weights.CHECKPOINT
    backends = BACKENDS
    serves_many = True
    when_full = "vLLM lets the others wait"  # v1/core/sched/scheduler.py: preempted, and computed again
    nearest_to = (
        NotPlanned(
            "TensorRT-LLM",
            ("tensorrt-llm", "trt-llm", "trtllm", "tensorrt", "trtllm-serve"),
            "weights and caches of the same checkpoint are the same; it takes a share of what is free after loading",
        ),
    )
    looks_first = True
    may_spill = False
    spans_hosts = True
    narrow_cache = NarrowCache(settings={"kv_cache_dtype": "fp8"}, said="--kv-cache-dtype fp8", instead_of={})
    server = "vLLM"
    port = 8000
    apis = frozenset({Api.CHAT, Api.RESPONSES, Api.MESSAGES})
    programs = ("vllm",)
    install = Install("https://pypi.org/project/vllm/", "the wheels, fetched by the script", package="vllm")

    def rules(self) -> Engine:
        """Return vLLM's rules."""
        from planner.engines.vllm.engine import Vllm

        return Vllm()

    def command(self, plan: Plan, model: Model) -> Launch:
        """Return `vllm serve`."""
        from planner.engines.vllm.command import vllm_serve

        return vllm_serve(plan, model)

    def serving(self, role: Role, model: Model, context: int) -> Serving:
        """Return what makes it pool instead of writing."""
        from planner.engines.vllm.pooled import serving

        return serving(role, model)

    def modest(self, plan: Plan) -> Mapping[str, Any]:
        """Return the share of each GPU that the planned context and users need."""
        from planner.engines.vllm.modest import modest_share

        return modest_share(plan)

    def work_split(self, plan: Plan, layers: int, expert_layers: int) -> WorkSplit:
        """Return what vLLM's settings mean for the work."""
        from planner.engines.vllm.work_split import work_split

        return work_split(plan)

    def container(self, plan: Plan, model: Model, shell: Launch) -> Container:
        """Return the server in vLLM's image."""
        from planner.engines.vllm.container import container

        return container(plan, model, shell)

    def ray_arguments(self, plan: Plan, model: Model) -> dict[str, Any]:
        """Return the arguments of the engine inside Ray Serve."""
        from planner.engines.vllm.command import engine_arguments

        return engine_arguments(plan, model)

    def installed_version(self, system: System, program: str) -> str | None:
        """Return the version in the metadata beside the program."""
        from planner.engines.vllm.installed import version_beside

        return version_beside(system, program)

    def differences(self, version: str) -> tuple[str, ...]:
        """Return what another release does otherwise."""
        from planner.engines.vllm.releases import differences

        return differences(version)

    def differences_here(self, system: System) -> tuple[str, ...]:
        """Return the same of the vLLM on the PATH, else of this Python's own."""
        from planner.engines.vllm.installed import installed_vllm

        version = installed_vllm(system)
        return () if version is None else self.differences(version)

    def running(self, pages: Pages) -> list[Running] | None:
        """Return what a running vLLM tells."""
        from planner.engines.vllm.server import running

        return running(pages)

    def endpoint(self, plan: Plan, model: Model) -> Endpoint:
        """Return how clients ask vLLM's server."""
        from planner.engines.vllm.clients import endpoint

        return endpoint(plan, model, self.apis)
