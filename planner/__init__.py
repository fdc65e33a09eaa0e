"""planner: which open-weight language model runs on which machine, how, and how fast.

The API is documented in planner.api; names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

# The module planner.plan is imported before the function of that name takes its place as an attribute here.
from planner.plan import Plan, UseCase, Workload  # isort: skip
from planner.api import plan  # isort: skip

if TYPE_CHECKING:
    from planner.api import detect, launch, load_model, load_profile, recommend
    from planner.errors import InputError, PlannerError, RefusedError, UnsupportedError
    from planner.hardware.machine import Machine
    from planner.models.model import Model

__all__ = [
    "InputError",
    "Machine",
    "Model",
    "Plan",
    "PlannerError",
    "RefusedError",
    "UnsupportedError",
    "UseCase",
    "Workload",
    "detect",
    "launch",
    "load_model",
    "load_profile",
    "plan",
    "recommend",
]

_HOMES = {
    "planner.api": ("detect", "launch", "load_model", "load_profile", "recommend"),
    "planner.errors": ("InputError", "PlannerError", "RefusedError", "UnsupportedError"),
    "planner.hardware.machine": ("Machine",),
    "planner.models.model": ("Model",),
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module 'planner' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
