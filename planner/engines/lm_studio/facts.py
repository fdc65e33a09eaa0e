"""What LM Studio says about itself: on a Mac its MLX engine runs mlx-lm, so it starts what was planned by its rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.engines.endpoint import Api
from planner.engines.facts import EngineFacts, Weights
from planner.engines.local_files import version_in
from planner.engines.mlx.facts import MlxFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.engines.endpoint import Endpoint
    from planner.engines.launch import Launch
    from planner.hardware.host.system import System
    from planner.models.model import Model
    from planner.plan import Plan


class LmStudioFacts(EngineFacts):
    """LM Studio, by its command line `lms`."""

    name = "lm-studio"
    title = "LM Studio"
    aliases = ("lmstudio", "lms")
    loads = Weights.MLX
    backends = MlxFacts.backends
    may_spill = False
    port = 1234
    apis = frozenset({Api.CHAT, Api.RESPONSES, Api.MESSAGES})
    programs = ("lms",)
    application = "/Applications/LM Studio.app"
    starts_plans_of = MlxFacts.name

    def installed_version(self, system: System, program: str) -> str | None:
        """Return the version that `lms version` tells."""
        return version_in(system.run([program, "version"]))

    def model_folders(self, system: System) -> Sequence[str]:
        """Return its folder of today and that of releases before 0.3.6."""
        home = system.home()
        if not home:
            return ()
        cache = system.env.get("XDG_CACHE_HOME") or f"{home}/.cache"
        return (f"{home}/.lmstudio/models", f"{cache}/lm-studio/models")

    def command(self, plan: Plan, model: Model) -> Launch:
        """Return the lines of lms that fetch, load and serve a plan made for MLX."""
        from planner.engines.lm_studio.command import lms

        return lms(plan, model)

    def endpoint(self, plan: Plan, model: Model) -> Endpoint:
        """Return how clients ask LM Studio's server."""
        from planner.engines.lm_studio.clients import endpoint

        return endpoint(plan, model, self.apis)
