"""What MLX says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.engines.endpoint import Api
from planner.engines.facts import EngineFacts, Install, NotPlanned, Weights
from planner.errors import InputError
from planner.hardware.machine import Backend

if TYPE_CHECKING:
    from planner.engines.base import Engine
    from planner.engines.container import Container
    from planner.engines.endpoint import Endpoint
    from planner.engines.launch import Launch
    from planner.engines.work_split import WorkSplit
    from planner.models.model import Model
    from planner.plan import Plan


class MlxFacts(EngineFacts):
    """MLX, served by mlx_lm.server."""

    name = "mlx"
    title = "MLX"
    aliases = ("mlx-lm", "mlx_lm", "mlx_lm.server")
    loads = Weights.MLX
    backends = frozenset({Backend.METAL})
    beside = frozenset({Backend.METAL})
    sees = False  # mlx-vlm does
    may_spill = False
    draft_setting = "draft_model"
    draft_quant = "BF16"
    programs = ("mlx_lm.server",)
    nearest_to = (
        NotPlanned(
            "mlx-vlm",
            ("mlx-vlm", "mlx_vlm", "mlx_vlm.server"),
            "the language model is the same; the vision tower and its pictures come on top and are not counted",
        ),
    )
    port = 8080  # server.py
    apis = frozenset({Api.CHAT})
    install = Install(
        "https://pypi.org/project/mlx-lm/", "the wheels, fetched by the script", package="mlx-lm"
    )

    def rules(self) -> Engine:
        """Return mlx-lm's rules."""
        from planner.engines.mlx.engine import Mlx

        return Mlx()

    def is_published(self, model: Model, quant: str) -> bool:
        """Return whether somebody published it in this format; the original's own 16 bits count."""
        from planner.engines.mlx.published import repository

        return model.path is not None or repository(model, quant) is not None

    def draft_source(self, model: Model, quant: str) -> str:
        """Return the conversion that is known, else what was named."""
        from planner.engines.mlx.published import repository

        return model.path or repository(model, quant) or model.id

    def work_split(self, plan: Plan, layers: int, expert_layers: int) -> WorkSplit:
        """Return what mlx-lm's settings mean for the work."""
        from planner.engines.mlx.settings import MlxSettings
        from planner.engines.work_split import WorkSplit

        defaults, bits = MlxSettings(), plan.settings.get("kv_bits")
        step = int(plan.settings.get("prefill_step_size", defaults.prefill_step_size))
        return WorkSplit(kv_bytes=(bits + 0.5) / 8 if bits else 2.0, ubatch=step)

    def container(self, plan: Plan, model: Model, shell: Launch) -> Container:
        """Raise InputError: there is none."""
        raise InputError("MLX runs on macOS alone, and no container sees its GPU; use --format launchd")

    def command(self, plan: Plan, model: Model) -> Launch:
        """Return mlx_lm.server."""
        from planner.engines.mlx.command import mlx_lm

        return mlx_lm(plan, model)

    def endpoint(self, plan: Plan, model: Model) -> Endpoint:
        """Return how clients ask mlx_lm.server."""
        from planner.engines.mlx.clients import endpoint

        return endpoint(plan, model, self.apis)
