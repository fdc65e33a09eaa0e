"""A plan of what llama-server's --fit makes of settings: context and placement are its choice, not the planner's."""

from __future__ import annotations

from typing import Final

from planner.engines.llama_cpp.fit import FIT_CONTEXT, FIT_TARGET, FitLimits, fit
from planner.engines.llama_cpp.reasons import placement_reason
from planner.engines.llama_cpp.search import Found, Search
from planner.reason import Reason
from planner.units import MIB

# -c 0 says that the whole context is wanted: --fit-ctx becomes UINT32_MAX (common/arg.cpp)
_NEVER: Final = 1 << 32


def fitted(search: Search) -> tuple[Found, list[Reason]]:
    """Return what --fit chooses for the free memory of this machine, and what it comes to.

    One margin for all devices: of several (--fit-target 1024,512) the largest, which leaves no less free.
    """
    request, base = search.request, search.base
    said = request.settings
    if "n_ctx" not in said and request.workload.context is not None:
        base = search.with_context(base, request.workload.context)
    target = max(said.get("fit_target") or (0,)) * MIB if "fit_target" in said else FIT_TARGET
    least = _NEVER if said.get("n_ctx") == 0 else int(said.get("fit_ctx", FIT_CONTEXT))
    room = search.room
    choice = fit(
        search.table,
        base,
        room.devices,
        FitLimits(target, least, room.host.ram_total),
    )
    found = search.settle(choice.settings)
    return found, [placement_reason(search, found)]
