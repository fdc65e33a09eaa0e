"""Ollama: llama-server with Ollama's defaults.

Read in ollama/ollama at fb30760 (2026-08-21): llm/llama_server.go (command line, memory), server/sched.go
(batch size, parallel, placement), server/routes.go (context by VRAM), envconfig/config.go. Where num_gpu is
not set, llama-server's own --fit decides what is offloaded (planner.engines.llama_cpp.fit).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.engines.base import Engine
from planner.engines.llama_cpp.allocation import Devices, LlamaMemory, Measure, allocate
from planner.engines.llama_cpp.compute import graph_buffers, rough_buffers, upper_bound
from planner.engines.llama_cpp.engine import SHORTER, LlamaCpp
from planner.engines.llama_cpp.fit import FIT_TARGET, Fit, fit
from planner.engines.llama_cpp.kept_prompts import fitting, kept_prompts, room_to_keep, with_kept
from planner.engines.llama_cpp.placing.weights import WeightTable, weight_table, weights_of
from planner.engines.llama_cpp.published_files import file_reasons
from planner.engines.llama_cpp.reasons import too_small
from planner.engines.llama_cpp.room import Room, estimate_of, room_of
from planner.engines.llama_cpp.search import SMALLEST_CONTEXT
from planner.engines.llama_cpp.settings import ALL_LAYERS, LlamaCppSettings
from planner.engines.ollama.architectures import ollama_traits
from planner.engines.ollama.defaults import (
    SETTINGS,
    OllamaSettings,
    automatic_batch,
    default_context,
    predicted_vram,
    served_quant,
)
from planner.engines.ollama.drafting import DRAFTED, drafting, drafts_by_itself
from planner.engines.ollama.own_tags import library_tag
from planner.errors import RefusedError, UnsupportedError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Backend, Machine
from planner.models.model import Model
from planner.plan import MemoryEstimate, Placement, Plan, PlanRequest
from planner.reason import Reason, ReasonKind, Value
from planner.units import MIB, context_text, nice_context


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model as Ollama would load it."""

    settings: OllamaSettings  # nothing left open but num_gpu
    server: LlamaCppSettings  # llama-server's
    memory: LlamaMemory
    estimate: MemoryEstimate
    fit: Fit | None  # None where num_gpu was set


def ps(loaded: Loaded) -> tuple[int, str]:
    """What `ollama ps` shows: SIZE in bytes and PROCESSOR (MemorySize in llm/llama_server.go)."""
    memory = loaded.memory
    vram = sum(memory.device_total(i) for i in range(len(memory.weights.devices)))
    if memory.placement.n_devices and not memory.placement.any_on_host:
        return vram, "100% GPU"
    total = vram + memory.host_total
    if vram == 0:
        return total, "100% CPU"
    on_cpu = round((total - vram) * 100 / total)
    return total, f"{on_cpu}%/{100 - on_cpu}% CPU/GPU"


class Ollama(Engine):
    """The Ollama engine."""

    name = "ollama"
    settings = SETTINGS

    def supports(self, model: Model, quant: str, machine: Machine) -> Reason | None:
        """None where Ollama runs this; else the reason why not."""
        return LlamaCpp().supports(model, quant, machine)

    def quants(self, model: Model) -> tuple[str, ...]:
        """Quantisations of GGUF files, largest first."""
        return LlamaCpp().quants(model)

    def estimate(self, request: PlanRequest) -> MemoryEstimate:
        """Memory per device with these settings and Ollama's defaults (see planner.engines.base.Engine)."""
        return _load(*_asked(request)).estimate

    def plan(self, request: PlanRequest) -> Plan:
        """The best settings (see planner.engines.base.Engine)."""
        reason = self.supports(request.model, request.quant, request.machine)
        if reason is not None:
            raise UnsupportedError(reason)
        table, room, settings = _asked(request)
        loaded, why = _choose(request, table, room, settings)
        return _to_plan(request, table, room, loaded, why)

    def longest_context(self, request: PlanRequest) -> int:
        """Longest num_ctx that fits."""
        return _longest(*_asked(request))


def _asked(request: PlanRequest) -> tuple[WeightTable, Room, OllamaSettings]:
    """Return the weights, the devices and the settings of a request."""
    arch, workload = request.arch, request.workload
    given: dict[str, Any] = {"num_parallel": workload.users, **request.settings}
    if workload.context is not None:
        given.setdefault("num_ctx", workload.context)
    settings = OllamaSettings.of(given)
    if ollama_traits(arch).one_at_a_time:
        settings = replace(settings, num_parallel=1)
    settings = replace(settings, drafts=drafts_by_itself(request.model, request.quant))
    quant = served_quant(arch, request.quant)
    own = library_tag(request.model, request.quant) is not None  # a file of Ollama's own making
    table = weight_table(arch, quant) if own else weights_of(request.model, quant)
    return table, room_of(request.machine.host, experts=arch.is_moe, excess=table.excess), settings


def _prepare(
    table: WeightTable, room: Room, settings: OllamaSettings
) -> tuple[OllamaSettings, LlamaCppSettings, Room]:
    """Return the settings with nothing left open, llama-server's, and the devices that it is shown."""
    trained = table.arch.n_ctx_train
    vram = sum(max(g.memory_total - settings.gpu_overhead, 0) for g in room.gpus)
    num_ctx = min(settings.num_ctx or default_context(vram), trained)
    n_ctx = num_ctx * settings.num_parallel
    predicted = predicted_vram(table, n_ctx)
    free = room.devices.free
    single = max(free, default=0)
    if len(free) > 1 and settings.num_gpu != 0 and predicted <= single:
        at = free.index(single)
        devices = replace(room.devices, free=(single,))
        room = replace(room, gpus=(room.gpus[at],), overheads=(room.overheads[at],), devices=devices)
    flash = settings.flash_attention is not False
    available = sum(room.devices.free)
    batch = settings.num_batch or automatic_batch(n_ctx, predicted, available, flash=flash, room=room)
    kind = settings.kv_cache_type or "f16"
    server = LlamaCppSettings(
        n_ctx=n_ctx,
        n_parallel=settings.num_parallel,
        n_batch=batch,
        n_ubatch=batch,
        n_outputs_max=settings.num_parallel,
        flash_attn={None: "auto", True: "on", False: "off"}[settings.flash_attention],
        cache_type_k=kind,
        cache_type_v=kind,
        n_gpu_layers=ALL_LAYERS if settings.num_gpu < 0 else settings.num_gpu,
        threads=settings.num_thread or None,
    )
    if settings.drafts:
        server = drafting(server)
    return replace(settings, num_ctx=num_ctx, num_batch=batch), server, room


def _load(
    table: WeightTable, room: Room, settings: OllamaSettings, measure: Measure = graph_buffers
) -> Loaded:
    """Do what Ollama does when it loads a model."""
    settings, server, room = _prepare(table, room, settings)
    if not room.gpus or settings.num_gpu == 0:
        memory = allocate(table, replace(server, n_gpu_layers=0), Devices((), Backend.CPU, room.devices.cpu))
        return Loaded(settings, server, memory, estimate_of(memory, room), None)
    if settings.num_gpu > 0:
        memory = allocate(table, server, room.devices)
        return Loaded(settings, server, memory, estimate_of(memory, room), None)
    choice = fit(table, server, room.devices, measure=measure)
    return Loaded(settings, choice.settings, choice.memory, estimate_of(choice.memory, room), choice)


def _stays_whole(table: WeightTable, room: Room, settings: OllamaSettings) -> bool:
    """True where fit would leave everything on the GPUs (its first step), without asking it."""
    settings, server, room = _prepare(table, room, settings)
    if not room.gpus or settings.num_gpu >= 0:
        return False
    memory = allocate(table, server, room.devices, measure=upper_bound)
    left = [f - memory.device_total(i) for i, f in enumerate(room.devices.free)]
    return min(left) >= FIT_TARGET and estimate_of(memory, room).fits


def _whole(loaded: Loaded) -> bool:
    placement = loaded.memory.placement
    return bool(placement.n_devices) and not placement.any_on_host


def _choose(
    request: PlanRequest, table: WeightTable, room: Room, settings: OllamaSettings
) -> tuple[Loaded, list[Reason]]:
    """Choose what is left open: the context that the use case needs, a q8_0 cache where that keeps it on the GPU."""
    given = request.settings
    if settings.num_ctx == 0 and not request.written.line:
        opened = _open_context(request, table, room, settings)
        if opened is not None:
            return opened
    loaded = _load(table, room, settings)
    why = [_reason(loaded, room, table)]
    if loaded.estimate.fits and (_whole(loaded) or not room.gpus):
        return loaded, why
    if not {"kv_cache_type", "flash_attention"} & given.keys() and room.gpus:
        smaller = _with_small_cache(table, room, settings)
        if smaller and smaller.estimate.fits and (_whole(smaller) or not loaded.estimate.fits):
            text = (
                "The KV cache is q8_0 (OLLAMA_KV_CACHE_TYPE): with f16 the model would not stay on the GPU."
            )
            note = Reason(ReasonKind.CACHE_QUANTISED, text, {"type": "q8_0"})
            return smaller, [_reason(smaller, room, table), note]
    return loaded, why


def _open_context(
    request: PlanRequest, table: WeightTable, room: Room, settings: OllamaSettings
) -> tuple[Loaded, list[Reason]] | None:
    """Return the load with the context that the use case needs; None where no context fits.

    Ollama's own default goes by the GPU's memory, 4k on most (server/routes.go): too short to work in.
    """
    need, trained = request.context_need, table.arch.n_ctx_train
    half = max(nice_context(need.needed // 2, need.most), min(SMALLEST_CONTEXT, trained))
    shorter = sorted({min(tokens, half) for tokens in SHORTER}, reverse=True)

    def tried(tokens: int) -> Loaded | None:
        found = _load(table, room, replace(settings, num_ctx=tokens))
        return found if found.estimate.fits else None

    chosen = None
    whole = [need.needed, half] if table.arch.is_moe else [need.needed, half, *shorter]
    for tokens in whole:
        if room.gpus and _stays_whole(table, room, replace(settings, num_ctx=tokens)):
            longest = min(_longest_whole(table, room, settings), need.most)
            chosen = tried(max(tokens, nice_context(longest, need.most)))
            break
    for tokens in (need.needed, half, *shorter):
        chosen = chosen or tried(tokens)
    if chosen is None:
        return None
    context = chosen.settings.num_ctx
    vram = sum(max(g.memory_total - settings.gpu_overhead, 0) for g in room.gpus)
    usual = min(default_context(vram), trained)
    text = (
        f"num_ctx is {context_text(context)}, for {request.workload.use_case.value} use;"
        f" by itself Ollama would start {context_text(usual)} here."
    )
    figures: dict[str, Value] = {"context": context, "default": usual, "needed": need.needed}
    return chosen, [_reason(chosen, room, table), Reason(ReasonKind.CONTEXT_CHOSEN, text, figures)]


def _with_small_cache(table: WeightTable, room: Room, settings: OllamaSettings) -> Loaded | None:
    """The same with a q8_0 cache; None where that can't help, or the engine refuses it."""
    small = replace(settings, kv_cache_type="q8_0")
    try:
        tried = _load(table, room, small, rough_buffers)
    except RefusedError:
        return None
    return _load(table, room, small) if tried.estimate.fits else None


def _reason(loaded: Loaded, room: Room, table: WeightTable) -> Reason:
    if not loaded.estimate.fits:
        return too_small(loaded.estimate)
    size, processor = ps(loaded)
    shown = f"`ollama ps` will show about {size / 10**9:.1f} GB, {processor}."
    figures: dict[str, Value] = {"shown": size, "processor": processor}
    if _whole(loaded):
        return Reason(ReasonKind.WHOLE_ON_GPUS, f"All layers fit on the GPU. {shown}", figures)
    if not loaded.memory.placement.n_devices:
        return Reason(ReasonKind.CPU_ONLY, f"Everything runs on the CPU. {shown}", figures)
    held = loaded.memory.placement.n_gpu_layers
    layers = sum(g.count for g in table.arch.groups) + 1
    part = " with experts in RAM" if loaded.fit and loaded.fit.overrides else ""
    text = f"llama-server's fit puts {held} of {layers} layers on the GPU{part}. {shown}"
    kind = ReasonKind.EXPERTS_IN_RAM if part else ReasonKind.LAYERS_IN_RAM
    return Reason(kind, text, {**figures, "held": held, "layers": layers})


def _longest(table: WeightTable, room: Room, settings: OllamaSettings) -> int:
    """Longest context that fits: fit moves to RAM what the GPU has no room for."""

    def ok(tokens: int) -> bool:
        return _load(table, room, replace(settings, num_ctx=tokens), rough_buffers).estimate.fits

    # Asking fit anew for every context is slow: a rough answer will do.
    trained = table.arch.n_ctx_train
    return max(_longest_for(ok, trained, max(trained // 2048, 1)), _longest_whole(table, room, settings))


def _longest_whole(table: WeightTable, room: Room, settings: OllamaSettings) -> int:
    """Longest context with everything on the GPUs; 0 where there is none."""

    def ok(tokens: int) -> bool:
        return _stays_whole(table, room, replace(settings, num_ctx=tokens))

    return _longest_for(ok, table.arch.n_ctx_train, 1)


def _longest_for(ok: Callable[[int], bool], trained: int, precision: int) -> int:
    """Most tokens, in steps of 256, for which this holds; 0 where it never does."""
    if ok(trained):
        return trained
    low, high = 1, -(-trained // 256)
    if not ok(low * 256):
        return 0
    while high - low > precision:
        middle = (low + high) // 2
        if ok(middle * 256):
            low = middle
        else:
            high = middle
    return low * 256


def _to_plan(request: PlanRequest, table: WeightTable, room: Room, loaded: Loaded, why: list[Reason]) -> Plan:
    workload = request.workload
    settings, fits = loaded.settings, loaded.estimate.fits
    estimate, kept = _keeping(table, room, loaded)
    if kept:
        text = "A runner keeps earlier prompts in RAM: the server's environment limits them to what is free there."
        why = [*why, Reason(ReasonKind.SETTING_CHANGED, text, {"setting": "LLAMA_ARG_CACHE_RAM"})]
    where = Placement.GPU if _whole(loaded) else Placement.HYBRID
    if not loaded.memory.placement.n_devices or loaded.memory.placement.n_gpu_layers == 0:
        where = Placement.CPU
    own = library_tag(request.model, request.quant) is not None
    warnings = [] if own else file_reasons(request.model, request.quant, table)
    warnings += [Reason(ReasonKind.ABOUT_MODEL, note) for note in table.arch.notes]
    if settings.drafts:
        text = "Ollama drafts with the model's own prediction layers: memory and speed are with that."
        warnings.append(Reason(ReasonKind.DRAFTING, text))
    if workload.users > settings.num_parallel:
        text = "Ollama serves this architecture one request at a time; others wait in its queue."
        warnings.append(Reason(ReasonKind.ONE_AT_A_TIME, text))
    if workload.context is not None and settings.num_ctx < workload.context:
        text = f"Ollama caps num_ctx at {context_text(settings.num_ctx)}, what the model was trained for."
        warnings.append(Reason(ReasonKind.CONTEXT_CAPPED, text, {"context": settings.num_ctx}))
    return Plan(
        request=request,
        model=request.model.id,
        quant=request.quant,
        engine="ollama",
        backend=room.devices.backend,
        fits=fits,
        placement=where,
        settings=_public(loaded),
        memory=estimate,
        max_context=max(_longest(table, room, settings), settings.num_ctx if fits else 0),
        max_concurrency=float(settings.num_parallel) if fits else 0.0,
        why=tuple(why),
        warnings=tuple(warnings),
        machine=request.machine.name,
        env=environment(loaded) | kept,
    )


def _keeping(table: WeightTable, room: Room, loaded: Loaded) -> tuple[MemoryEstimate, dict[str, str]]:
    """The estimate with the earlier prompts that a runner keeps, and the environment that limits them where it must."""
    if not loaded.estimate.fits:
        return loaded.estimate, {}
    usual = kept_prompts(table.arch, loaded.server, loaded.memory)
    kept = fitting(usual, room_to_keep(loaded.estimate, room))
    env = {}
    if kept.limit != usual.limit:
        env["LLAMA_ARG_CACHE_RAM"] = str(kept.limit // MIB)
    if kept.checkpoints != usual.checkpoints:
        env["LLAMA_ARG_CTX_CHECKPOINTS"] = str(kept.checkpoints)
    return with_kept(loaded.estimate, kept), env


def _public(loaded: Loaded) -> dict[str, Any]:
    settings = loaded.settings
    shown: dict[str, Any] = {
        "num_ctx": settings.num_ctx,
        "num_parallel": settings.num_parallel,
        "num_batch": settings.num_batch,
        "kv_cache_type": settings.kv_cache_type or "f16",
        "n_gpu_layers": loaded.memory.placement.n_gpu_layers,
    }
    if settings.num_gpu >= 0:
        shown["num_gpu"] = settings.num_gpu
    if settings.drafts:
        shown |= {"spec_type": "draft-mtp", "spec_draft_n_max": DRAFTED}
    if settings.num_thread:
        shown["num_thread"] = settings.num_thread
    if settings.flash_attention is not None:
        shown["flash_attention"] = settings.flash_attention
    if loaded.fit is not None and loaded.fit.overrides:
        # chosen by llama-server's fit when it loads: shown, not to be set
        shown["override_tensor"] = loaded.fit.overrides
    return shown


def environment(loaded: Loaded) -> dict[str, str]:
    """The server's environment that makes the plan true: the context, and what differs from Ollama's defaults."""
    settings, env = loaded.settings, {}
    env["OLLAMA_CONTEXT_LENGTH"] = str(settings.num_ctx)
    if settings.num_parallel != 1:
        env["OLLAMA_NUM_PARALLEL"] = str(settings.num_parallel)
    if settings.kv_cache_type not in ("", "f16"):
        env["OLLAMA_KV_CACHE_TYPE"] = settings.kv_cache_type
    if settings.flash_attention is not None:
        env["OLLAMA_FLASH_ATTENTION"] = "1" if settings.flash_attention else "0"
    if settings.gpu_overhead:
        env["OLLAMA_GPU_OVERHEAD"] = str(settings.gpu_overhead)
    return env
