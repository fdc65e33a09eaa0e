"""Where the shipped facts lie: in a checkout beside the package, in an installed wheel inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from planner.errors import PlannerError

_PACKAGE: Final = Path(__file__).parent


def _data_dir(name: str) -> Path:
    installed = _PACKAGE / "_data" / name
    if installed.is_dir():
        return installed
    checkout = _PACKAGE.parent / name
    if checkout.is_dir():
        return checkout
    raise PlannerError(f"the installation is damaged: no {name}/ in {installed} or {checkout}; install again")


def profiles_dir() -> Path:
    """Return the folder of the shipped hardware profiles. Raises PlannerError when it is missing."""
    return _data_dir("profiles")


def seeds_dir() -> Path:
    """Return the folder of the shipped model catalogue. Raises PlannerError when it is missing."""
    return _data_dir("seeds")
