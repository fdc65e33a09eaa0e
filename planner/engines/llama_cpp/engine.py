"""llama.cpp: what it allocates, and the best way to run a model with it on a machine.

The rules are those of build b11434; each module that holds one names the file it was read in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from planner.engines.base import Engine
from planner.engines.llama_cpp.builds import ARCHITECTURES_SINCE, BUILD
from planner.engines.llama_cpp.fitted import fitted
from planner.engines.llama_cpp.kept_prompts import keeping
from planner.engines.llama_cpp.reasons import (
    first_fitting,
    hopeless,
    is_whole,
    placement_reason,
    to_plan,
    unmapped_reason,
)
from planner.engines.llama_cpp.search import (
    SMALLEST_CONTEXT,
    Found,
    Precision,
    Search,
)
from planner.engines.llama_cpp.settings import ALL_LAYERS, SETTINGS
from planner.errors import RefusedError, UnsupportedError
from planner.fast_dataclass import replace
from planner.hardware.machine import Machine
from planner.models.model import Model
from planner.plan import ContextNeed, MemoryEstimate, Plan, PlanRequest
from planner.quant.mixes import nearest_mix
from planner.quant.quantisations import offered
from planner.reason import SHORTAGES, Reason, ReasonKind, Value
from planner.units import context_text, gib, nice_context

SHORTER: Final = (16384, 8192, 4096)  # tokens that are tried where not even half of the need fits
_PLACEMENT_KEYS: Final = frozenset({"n_gpu_layers", "n_cpu_moe", "cpu_moe", "override_tensor"})


class LlamaCpp(Engine):
    """The llama.cpp engine (llama-server)."""

    name = "llama.cpp"
    settings = SETTINGS

    def supports(self, model: Model, quant: str, machine: Machine) -> Reason | None:
        """None where llama.cpp runs this; else the reason why not."""
        arch = model.architecture
        if arch.gguf_arch is None:
            since = ARCHITECTURES_SINCE.get(arch.model_type)
            later = f"; b{since} has one, which is not followed here" if since else ""
            text = f"llama.cpp {BUILD} has no implementation of {arch.model_type}{later}"
            return Reason(ReasonKind.NOT_SUPPORTED, text, {"build": BUILD, "model_type": arch.model_type})
        try:
            nearest_mix(quant)
        except UnsupportedError as error:
            return Reason(ReasonKind.NOT_SUPPORTED, str(error), {"quant": quant})
        return None

    def quants(self, model: Model) -> tuple[str, ...]:
        """Quantisations of GGUF files, largest first; a model trained in MXFP4 has that one first."""
        arch = model.architecture
        if arch.gguf_arch is None:
            return ()
        native = (arch.quantization or {}).get("quant_method") == "mxfp4"
        if native:
            return ("MXFP4", *offered())
        return (*offered(), "MXFP4_MOE") if arch.is_moe else offered()

    def estimate(self, request: PlanRequest) -> MemoryEstimate:
        """Memory per device with exactly these settings (see planner.engines.base.Engine)."""
        search = Search(request)
        settings = search.base
        if "n_ctx" not in request.settings and request.workload.context is not None:
            settings = search.with_context(settings, request.workload.context)
        return search.settle(settings).estimate

    def plan(self, request: PlanRequest) -> Plan:
        """The best placement and settings (see planner.engines.base.Engine)."""
        reason = self.supports(request.model, request.quant, request.machine)
        if reason is not None:
            raise UnsupportedError(reason)
        return self._planned(Search(request))

    def longest_context(self, request: PlanRequest) -> int:
        """Longest context a sequence with the placement that `plan` would choose."""
        return self.plan(request).max_context

    def ranking_plan(self, request: PlanRequest) -> tuple[Plan, bool]:
        """As `plan`, but building no graph for the last percent of a longest context."""
        search = Search(request, Precision.KNOWN)
        plan = self._planned(search)
        return plan, search.reached is Precision.EXACT

    def _planned(self, search: Search) -> Plan:
        found, why = _best(search)
        sure = search.settle(found.settings)
        if not found.fits and not sure.fits:
            # What is short is said in the figures that are shown, not in the bounds of the search.
            why = [placement_reason(search, sure), *(r for r in why if r.kind not in SHORTAGES)]
        elif search.may_unmap and not sure.settings.mmap:
            why.append(unmapped_reason(search, sure))
        with_prompts, kept = keeping(search, sure)
        if sure.fits and not with_prompts.fits:
            why = [placement_reason(search, with_prompts)]
        if kept is None:
            return to_plan(self.name, search, with_prompts, why)
        if kept.kind is ReasonKind.SETTING_CHANGED:
            return to_plan(self.name, search, with_prompts, [*why, kept])
        plan = to_plan(self.name, search, with_prompts, why)
        return replace(plan, warnings=(*plan.warnings, kept))


def _best(search: Search) -> tuple[Found, list[Reason]]:
    """Choose context, cache types and placement; what is given stays as it is."""
    request, given = search.request, search.request.settings
    base, trained = search.base, search.arch.n_ctx_train
    if given.get("fit"):
        return fitted(search)
    fixed = base.n_ctx if "n_ctx" in given else None
    wanted = request.workload.context
    if fixed is not None:
        per_sequence = fixed or trained
        wanted = per_sequence if base.kv_unified else per_sequence // base.n_parallel
    placed = bool(_PLACEMENT_KEYS & given.keys())
    # Where memory is shared, what was moved to the CPU by hand may take what the GPU may not.
    if hopeless(search) and not (placed and search.room.unified):
        found = search.evaluate(search.with_context(base, wanted or SMALLEST_CONTEXT))
        return found, [placement_reason(search, found)]
    if placed:
        return _given_placement(search, wanted, trained, fixed)
    if wanted is not None:
        found = first_fitting(search.candidates(wanted))
        if found.fits and found.settings.n_gpu_layers >= ALL_LAYERS and not found.settings.n_cpu_moe:
            return found, [placement_reason(search, found)]
        return _with_smaller_cache(search, wanted, found)
    return _open_context(search, trained)


def _given_placement(
    search: Search, wanted: int | None, trained: int, fixed: int | None
) -> tuple[Found, list[Reason]]:
    settings = search.base
    if wanted is None:
        most = search.request.context_need.most
        wanted = nice_context(search.longest(settings, most), most) or min(SMALLEST_CONTEXT, trained)
    if fixed is None:
        settings = search.with_context(settings, wanted)
    given = Reason(ReasonKind.PLACEMENT_GIVEN, "The placement is the one that was asked for.")
    found = search.evaluate(settings)
    if search.may_unmap and not found.fits:
        unmapped = search.evaluate(replace(settings, mmap=False))
        found = unmapped if unmapped.fits else found
    return found, [given]


def _with_smaller_cache(search: Search, wanted: int, found: Found) -> tuple[Found, list[Reason]]:
    """Try a q8_0 cache where it keeps the model on the GPU, or makes it fit at all."""
    reasons = [placement_reason(search, found)]
    given = search.request.settings
    if {"cache_type_k", "cache_type_v", "flash_attn"} & given.keys() or not search.room.gpus:
        return found, reasons
    smaller = replace(search.base, cache_type_k="q8_0", cache_type_v="q8_0")
    again = Search(search.request, search.precision, smaller)
    try:
        other = first_fitting(again.candidates(wanted))
    except RefusedError:
        return found, reasons
    if again.reached is not Precision.EXACT:
        search.reached = again.reached
    on_gpu = other.settings.n_gpu_layers >= ALL_LAYERS and not other.settings.n_cpu_moe
    if not other.fits or (found.fits and not on_gpu):
        return found, reasons
    saved = _cache_total(found) - _cache_total(other)
    text = (
        f"The KV cache is q8_0: that saves {gib(saved)} and is what makes {context_text(wanted)} fit"
        f"{' on the GPU' if on_gpu else ''}; with an f16 cache it would not."
    )
    figures: dict[str, Value] = {"type": "q8_0", "saved": saved, "context": wanted, "on_gpu": int(on_gpu)}
    return other, [placement_reason(search, other), Reason(ReasonKind.CACHE_QUANTISED, text, figures)]


def _cache_total(found: Found) -> int:
    return sum(d.kv_cache for d in found.estimate.devices)


def _open_context(search: Search, trained: int) -> tuple[Found, list[Reason]]:
    """The person left the context open: what the use case needs, as much as possible of the model on the GPUs.

    Half of the need with the whole model on the GPUs is better than all of it with a part in RAM; experts in RAM
    are better than less, and cost little. What memory is left stays free.
    """
    need = search.request.context_need
    found = first_fitting(_openings(search, need, min(SMALLEST_CONTEXT, trained)))
    reasons = [placement_reason(search, found)]
    if not found.fits:
        return found, reasons
    context = search.context_of(found.settings)
    if is_whole(found) or not search.room.gpus:  # what RAM holds is read slowly: no more than is needed
        longer = need.most
        while longer > context:
            more = search.evaluate(search.with_context(found.settings, longer))
            if more.fits:
                found, context = more, longer
            longer = nice_context(longer - 1, trained)
    if context < trained:
        reasons.append(_chosen_context(search, context, trained))
    return found, reasons


def _openings(search: Search, need: ContextNeed, smallest: int) -> Iterator[Found]:
    """Placements and contexts for an open context, the best first."""
    half = max(nice_context(need.needed // 2, need.most), smallest)
    shorter = sorted({max(smallest, min(tokens, half)) for tokens in SHORTER}, reverse=True)
    for tokens in (need.needed, half):
        yield from search.whole(tokens)
    for tokens in (need.needed, half):
        yield from search.experts(tokens)
    for tokens in shorter:
        if tokens >= need.least:
            yield from search.whole(tokens)
    for tokens in (half, *shorter):
        yield from search.partial(tokens)
    for tokens in shorter:
        yield from search.whole(tokens)


def _chosen_context(search: Search, context: int, trained: int) -> Reason:
    """Say why an open context is what it is."""
    need, use_case = search.request.context_need, search.request.workload.use_case.value
    why = (
        f"what {use_case} use needs"
        if context >= need.needed
        else f"the longest round number that fits with this placement; {use_case} use would like"
        f" {context_text(need.needed)}"
    )
    if context >= need.needed and search.request.open_context == need.most:
        why = "as long as this machine reads in a few minutes"
    whole = context_text(trained)
    text = f"The context is {context_text(context)} of the {whole} that the model was trained for: {why}."
    figures: dict[str, Value] = {"context": context, "trained": trained, "needed": need.needed}
    return Reason(ReasonKind.CONTEXT_CHOSEN, text, figures)
