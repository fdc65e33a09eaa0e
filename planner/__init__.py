"""planner: which open-weight language model runs on which machine, how, and how fast.

    import planner

    for plan in planner.recommend("rtx-4090", planner.Workload(context="32k")).plans:
        print(plan.name, plan.quant, plan.memory.total, plan.speed.decode_tps.expected, plan.command)

Everything that the commands do is a function here, described in planner.api; names are imported when they are
first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner import api

# The function takes the place of the module of its name, which planner.api.planning has imported by then.
from planner.api.planning import plan

if TYPE_CHECKING:
    from planner.api import *  # noqa: F403 (the same names, for type checkers)

__all__ = ["__version__", "plan"]
__all__ += api.__all__

__version__: str


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("open-weight-planner")
    if name in api.__all__:
        return getattr(api, name)
    raise AttributeError(f"module 'planner' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
