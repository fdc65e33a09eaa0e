"""llama.cpp: what it allocates, and the best way to run a model with it on a machine.

The rules are those of build b11434; each module that holds one names the file it was read in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from planner.engines.base import NO_OVERRIDES, Stored
from planner.engines.llama_kv import place_caches
from planner.engines.llama_search import (
    DEFAULT_CONTEXT,
    SMALLEST_CONTEXT,
    Found,
    Room,
    Search,
    device_spare,
    nice_context,
    room_of,
    spare_of,
)
from planner.engines.llama_settings import ALL_LAYERS, BUILD, MAX_SEQUENCES, LlamaCppSettings, resolve
from planner.engines.llama_weights import weight_table
from planner.engines.plan import DeviceMemory, MemoryEstimate, Placement, Plan, UseCase, Workload
from planner.errors import RefusedError, UnsupportedError
from planner.hardware.machine import Machine
from planner.models.architecture import Architecture
from planner.quant.mixes import MIXES, nearest_mix
from planner.units import context_text, gib

# Largest first; what people publish and use. Others are known by name.
_OFFERED: Final = (
    *("BF16", "F16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S", "Q4_0", "IQ4_NL", "IQ4_XS"),
    *("Q3_K_L", "Q3_K_M", "IQ3_M", "IQ3_S", "Q3_K_S", "IQ3_XS", "IQ3_XXS", "Q2_K", "IQ2_M", "IQ2_S"),
    *("IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S"),
)
_PLACEMENT_KEYS: Final = frozenset({"n_gpu_layers", "n_cpu_moe", "cpu_moe", "override_tensor"})
# Shown where they differ from the defaults.
_SHOWN: Final = (
    *("n_cpu_moe", "cpu_moe", "override_tensor", "split_mode", "tensor_split", "main_gpu", "kv_offload"),
    *("op_offload", "swa_full", "load_mtp", "n_rs_seq", "repack_weights", "embeddings", "mmproj", "mmap"),
)


class LlamaCpp:
    """The llama.cpp engine (llama-server)."""

    name = "llama.cpp"

    def supports(self, arch: Architecture, quant: str, machine: Machine) -> str | None:
        """None where llama.cpp runs this; else the reason why not."""
        if arch.gguf_arch is None:
            return f"llama.cpp {BUILD} has no implementation of {arch.model_type}"
        try:
            nearest_mix(quant)
        except UnsupportedError as error:
            return str(error)
        return None

    def quants(self, arch: Architecture) -> tuple[str, ...]:
        """Quantisations of GGUF files, largest first; a model trained in MXFP4 has that one first."""
        if arch.gguf_arch is None:
            return ()
        offered = tuple(q for q in _OFFERED if q in MIXES)
        native = (arch.quantization or {}).get("quant_method") == "mxfp4"
        if native:
            return ("MXFP4", *offered)
        return (*offered, "MXFP4_MOE") if arch.is_moe else offered

    def estimate(
        self,
        arch: Architecture,
        quant: str,
        machine: Machine,
        workload: Workload,
        overrides: Mapping[str, Any] = NO_OVERRIDES,
        *,
        stored: Stored | None = None,
    ) -> MemoryEstimate:
        """Memory per device with exactly these settings (see planner.engines.base.Engine)."""
        search = self._search(arch, quant, machine, workload, overrides, stored)
        settings = search.base
        if "n_ctx" not in overrides and workload.context is not None:
            settings = search.with_context(settings, workload.context)
        return search.evaluate(settings, sure=True).estimate

    def plan(
        self,
        model: str,
        arch: Architecture,
        quant: str,
        machine: Machine,
        workload: Workload,
        overrides: Mapping[str, Any] = NO_OVERRIDES,
        *,
        stored: Stored | None = None,
    ) -> Plan:
        """The best placement and settings (see planner.engines.base.Engine)."""
        reason = self.supports(arch, quant, machine)
        if reason is not None:
            raise UnsupportedError(reason)
        search = self._search(arch, quant, machine, workload, overrides, stored)
        return self._planned(model, quant, search, workload, overrides, machine)

    def sketch(
        self,
        model: str,
        arch: Architecture,
        quant: str,
        machine: Machine,
        workload: Workload,
        overrides: Mapping[str, Any] = NO_OVERRIDES,
        *,
        stored: Stored | None = None,
    ) -> Plan:
        """As `plan`, in a fraction of a millisecond: compute buffers are rough, and nearly always too high.

        For sorting out what can't win; what is shown or started is planned with `plan`.
        """
        search = self._search(arch, quant, machine, workload, overrides, stored)
        search.sketch = True
        return self._planned(model, quant, search, workload, overrides, machine)

    def _planned(
        self,
        model: str,
        quant: str,
        search: Search,
        workload: Workload,
        overrides: Mapping[str, Any],
        machine: Machine,
    ) -> Plan:
        found, why = _best(search, workload, overrides)
        found = search.evaluate(found.settings, sure=True)
        return _to_plan(model, quant, self.name, search, found, why, machine)

    def max_context(
        self,
        arch: Architecture,
        quant: str,
        machine: Machine,
        workload: Workload,
        overrides: Mapping[str, Any] = NO_OVERRIDES,
        *,
        stored: Stored | None = None,
    ) -> int:
        """Longest context a sequence with the placement that `plan` would choose."""
        plan = self.plan("", arch, quant, machine, workload, overrides, stored=stored)
        return plan.max_context

    def _search(
        self,
        arch: Architecture,
        quant: str,
        machine: Machine,
        workload: Workload,
        overrides: Mapping[str, Any],
        stored: Stored | None,
    ) -> Search:
        given: dict[str, Any] = {"n_parallel": max(workload.users, 1), **overrides}
        given.setdefault("n_outputs_max", given["n_parallel"])
        if workload.use_case is UseCase.VISION and arch.vision is not None:
            given.setdefault("mmproj", True)
        settings = LlamaCppSettings.of(given)
        room = room_of(machine.host, experts=arch.is_moe)
        return Search(weight_table(arch, quant, stored), room, settings)


def _best(search: Search, workload: Workload, overrides: Mapping[str, Any]) -> tuple[Found, list[str]]:
    """Choose context, cache types and placement; what is given stays as it is."""
    base, trained = search.base, search.arch.n_ctx_train
    fixed = base.n_ctx if "n_ctx" in overrides else None
    wanted = workload.context
    if fixed is not None:
        per_sequence = fixed or trained
        wanted = per_sequence if base.kv_unified else per_sequence // base.n_parallel
    if _hopeless(search):
        found = search.evaluate(search.with_context(base, wanted or SMALLEST_CONTEXT))
        return found, _placement_reason(search, found)
    if _PLACEMENT_KEYS & overrides.keys():
        return _given_placement(search, wanted, trained, fixed)
    if wanted is not None:
        found = _first(search.candidates(wanted))
        if found.fits and found.settings.n_gpu_layers >= ALL_LAYERS and not found.settings.n_cpu_moe:
            return found, _placement_reason(search, found)
        return _with_smaller_cache(search, wanted, found, overrides)
    return _open_context(search, trained)


def _hopeless(search: Search) -> bool:
    """True where the weights alone are more than GPUs and RAM together."""
    ram = 0 if search.room.unified else search.room.host.ram_available
    return search.table.file_bytes > sum(search.room.devices.free) + ram


def _first(candidates: Iterable[Found]) -> Found:
    """The first candidate that fits, or the one nearest to fitting."""
    nearest: Found | None = None
    for found in candidates:
        if found.fits:
            return found
        if nearest is None or spare_of(found.estimate) > spare_of(nearest.estimate):
            nearest = found
    assert nearest is not None
    return nearest


def _given_placement(
    search: Search, wanted: int | None, trained: int, fixed: int | None
) -> tuple[Found, list[str]]:
    settings = search.base
    if wanted is None:
        longest = nice_context(search.longest(settings, trained), trained)
        wanted = longest or min(SMALLEST_CONTEXT, trained)
    if fixed is None:
        settings = search.with_context(settings, wanted)
    return search.evaluate(settings), ["The placement is the one that was asked for."]


def _with_smaller_cache(
    search: Search, wanted: int, found: Found, overrides: Mapping[str, Any]
) -> tuple[Found, list[str]]:
    """Try a q8_0 cache where it keeps the model on the GPU, or makes it fit at all."""
    reasons = _placement_reason(search, found)
    if {"cache_type_k", "cache_type_v", "flash_attn"} & overrides.keys() or not search.room.gpus:
        return found, reasons
    smaller = replace(search.base, cache_type_k="q8_0", cache_type_v="q8_0")
    try:
        other = _first(Search(search.table, search.room, smaller, sketch=search.sketch).candidates(wanted))
    except RefusedError:
        return found, reasons
    on_gpu = other.settings.n_gpu_layers >= ALL_LAYERS and not other.settings.n_cpu_moe
    if not other.fits or (found.fits and not on_gpu):
        return found, reasons
    saved = _cache_total(found) - _cache_total(other)
    note = (
        f"The KV cache is q8_0: that saves {gib(saved)} and is what makes {context_text(wanted)} fit"
        f"{' on the GPU' if on_gpu else ''}; with an f16 cache it would not."
    )
    return other, [*_placement_reason(search, other), note]


def _cache_total(found: Found) -> int:
    return sum(d.kv_cache for d in found.estimate.devices)


def _open_context(search: Search, trained: int) -> tuple[Found, list[str]]:
    """The person left the context open: as long as fits comfortably, but the model on the GPU first."""
    comfortable, smallest = min(DEFAULT_CONTEXT, trained), min(SMALLEST_CONTEXT, trained)
    if len(search.room.gpus) == 1:
        everything = replace(search.base, n_gpu_layers=ALL_LAYERS)
        whole = search.open_context(everything, trained, smallest)
        candidates: Iterable[Iterable[Found]] = (
            [whole] if whole else [],
            search.partial(comfortable),
            search.partial(smallest),
            search.whole(smallest) if search.room.unified else [],
        )
    else:
        candidates = (
            search.whole(comfortable),
            search.whole(smallest),
            search.partial(comfortable),
            search.partial(smallest),
        )
    found = _first(candidate for each in candidates for candidate in each)
    reasons = _placement_reason(search, found)
    if not found.fits:
        return found, reasons
    now = found.settings.n_ctx // (1 if found.settings.kv_unified else found.settings.n_parallel)
    chosen = nice_context(search.longest(found.settings, trained, now), trained)
    if chosen > now:
        found = search.evaluate(search.with_context(found.settings, chosen))
    if chosen < trained:
        reasons.append(
            f"The context is {context_text(max(chosen, now))} of the {context_text(trained)} that the model was"
            " trained for: the longest round number that fits with this placement."
        )
    return found, reasons


def _whole(found: Found) -> bool:
    """True where everything is on GPUs."""
    return bool(found.memory.placement.n_devices) and not found.memory.placement.any_on_host


def _placement_reason(search: Search, found: Found) -> list[str]:
    settings, memory = found.settings, found.memory
    names = ", ".join(dict.fromkeys(g.name for g in search.room.gpus))
    if not found.fits:
        tight = min(found.estimate.devices, key=lambda d: d.available - d.total)
        return [
            f"Does not fit: {tight.name} has {gib(tight.available)} free and would need {gib(tight.total)}."
        ]
    if not memory.placement.n_devices:
        return ["Everything runs on the CPU." if not search.room.gpus else "Too large for the GPU: CPU only."]
    if _whole(found):
        if settings.split_mode == "none" and len(search.room.gpus) > 1:
            return [f"Fits on one GPU alone ({search.room.gpus[settings.main_gpu].name})."]
        return [f"All layers fit on {names}."]
    if settings.n_cpu_moe:
        return [
            f"The experts of {settings.n_cpu_moe} of {search.n_layer} layers stay in RAM;"
            f" everything else, attention and cache too, is on {names}."
        ]
    held = memory.placement.n_gpu_layers
    return [f"{held} of {search.n_layer + 1} layers fit on {names}; the others run on the CPU."]


def _to_plan(
    model: str, quant: str, engine: str, search: Search, found: Found, why: list[str], machine: Machine
) -> Plan:
    settings, trained = found.settings, search.arch.n_ctx_train
    if not found.memory.placement.n_devices:
        where = Placement.CPU
    elif found.memory.placement.any_on_host:
        where = Placement.CPU if found.memory.placement.n_gpu_layers == 0 else Placement.HYBRID
    else:
        where = Placement.GPU
    known = settings.n_ctx // (1 if settings.kv_unified else settings.n_parallel)
    if not found.fits:
        longest = 0 if _hopeless(search) else _longest_anywhere(search, trained)
    else:
        longest = search.longest(settings, trained, min(known, trained))
    return Plan(
        model=model,
        quant=quant,
        engine=engine,
        fits=found.fits,
        placement=where,
        settings=public_settings(settings, search.room, found),
        memory=found.estimate,
        max_context=longest,
        max_concurrency=_concurrency(search, found),
        why=tuple(why),
        warnings=tuple(_warnings(search, found, trained)),
        machine=machine.name,
    )


def _longest_anywhere(search: Search, trained: int) -> int:
    """Where the asked context doesn't fit: the longest one that does, with any placement."""
    smallest = _first(search.candidates(256))
    return search.longest(smallest.settings, trained) if smallest.fits else 0


def _concurrency(search: Search, found: Found) -> float:
    """Sequences of the planned context that would fit: what is left, divided by what one more takes."""
    if not found.fits:
        return 0.0
    settings = found.settings
    per_sequence = settings.n_ctx // (1 if settings.kv_unified else settings.n_parallel)
    count = settings.n_parallel + 1
    more = replace(settings, n_ctx=per_sequence * count, n_parallel=count)
    context = resolve(search.arch, more, search.room.devices.backend)
    then = place_caches(search.arch, more, context, found.memory.placement, search.room.devices.backend)
    now = found.memory.caches
    rests = []
    added = [b - a for a, b in zip((*now.kv, now.kv_host), (*then.kv, then.kv_host), strict=True)]
    state = [b - a for a, b in zip((*now.state, now.state_host), (*then.state, then.state_host), strict=True)]
    for device, kv, kept in zip(_holders(found), added, state, strict=True):
        if kv + kept > 0:
            rests.append(max(device_spare(device), 0) / (kv + kept))
    return float(min(settings.n_parallel + min(rests, default=MAX_SEQUENCES), MAX_SEQUENCES))


def _holders(found: Found) -> list[DeviceMemory]:
    """The estimate's devices that the placement knows, and the host."""
    devices = found.estimate.devices
    return [*devices[: len(found.memory.weights.devices)], devices[-1]]


def _warnings(search: Search, found: Found, trained: int) -> list[str]:
    warnings = []
    if not search.table.exact and search.table.scale == 1.0:
        warnings.append("This mix is no public rule: weights are those of the nearest public one.")
    if found.settings.mmproj:
        warnings.append("The projector's own buffers, a few hundred MiB an image, are not counted.")
    per_sequence = found.memory.context.n_ctx_seq
    if per_sequence > trained + 255:
        warnings.append(
            f"{context_text(per_sequence)} is beyond the {context_text(trained)} the model was trained for."
        )
    for note in search.arch.notes:
        warnings.append(note)
    return warnings


def public_settings(settings: LlamaCppSettings, room: Room, found: Found) -> dict[str, Any]:
    """The settings that make the plan true, under llama.cpp's own names; defaults that matter included."""
    threads = settings.threads or room.host.cpu.physical_cores or room.host.cpu.usable_cores
    shown: dict[str, Any] = {
        "n_ctx": settings.n_ctx or found.memory.context.n_ctx,
        "n_parallel": settings.n_parallel,
        "kv_unified": settings.kv_unified,
        "n_gpu_layers": settings.n_gpu_layers if found.memory.placement.n_devices else 0,
        "n_batch": settings.n_batch,
        "n_ubatch": settings.n_ubatch,
        "flash_attn": settings.flash_attn,
        "cache_type_k": settings.cache_type_k,
        "cache_type_v": settings.cache_type_v,
    }
    if threads:
        shown["threads"] = threads
    plain = LlamaCppSettings()
    for key in _SHOWN:
        value = getattr(settings, key)
        if value != getattr(plain, key):
            shown[key] = value
    return shown
