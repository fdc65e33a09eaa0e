"""A found placement as a Plan: reasons, warnings, limits and the settings that make it true."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from planner.engines.llama_cpp.allocation import caches_of
from planner.engines.llama_cpp.builds import followed
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.published_files import file_reasons
from planner.engines.llama_cpp.room import Room, device_spare, spare_of
from planner.engines.llama_cpp.search import Found, Precision, Search, shares_cache
from planner.engines.llama_cpp.settings import MAX_SEQUENCES, LlamaCppSettings, resolve
from planner.fast_dataclass import replace
from planner.hardware.machine import Backend
from planner.plan import DeviceMemory, FitAdvice, MemoryEstimate, Placement, Plan
from planner.reason import Reason, ReasonKind, Value
from planner.units import MIB, context_text, gib

# Shown where they differ from the defaults.
_SHOWN: Final = (
    *("n_cpu_moe", "cpu_moe", "override_tensor", "split_mode", "tensor_split", "main_gpu", "kv_offload"),
    *("op_offload", "swa_full", "load_mtp", "n_rs_seq", "repack_weights", "embeddings", "mmproj", "mmap"),
    *("cache_ram_mib", "n_ctx_checkpoints", "image_max_tokens", "moe_cache_mib"),
    *("spec_type", "spec_draft_n_max", "spec_draft_type_k", "spec_draft_type_v", "spec_draft_ngl"),
)


def hopeless(search: Search) -> bool:
    """True where the weights alone are more than GPUs and RAM together."""
    room = search.room
    gpus = sum(room.devices.free)
    return search.table.file_bytes > (max(gpus, room.beside) if room.unified else gpus + room.beside)


def first_fitting(candidates: Iterable[Found]) -> Found:
    """The first candidate that fits, or the one nearest to fitting."""
    nearest: Found | None = None
    for found in candidates:
        if found.fits:
            return found
        if nearest is None or spare_of(found.estimate) > spare_of(nearest.estimate):
            nearest = found
    assert nearest is not None
    return nearest


def is_whole(found: Found) -> bool:
    """True where everything is on GPUs."""
    return bool(found.memory.placement.n_devices) and not found.memory.placement.any_on_host


def too_small(estimate: MemoryEstimate) -> Reason:
    """Say which device is shortest of what, by the verdict's figures: the upper end, where only that is too much."""
    tight = min(estimate.devices, key=device_spare)
    certain = tight.total > tight.available
    needed = tight.total if certain else tight.available - device_spare(tight)
    free, need = gib(tight.available), gib(needed)
    if free == need:
        free, need = (f"{size / MIB:,.0f} MiB" for size in (tight.available, needed))
    clause = f"{tight.name} has {free} free and {'would need' if certain else 'may need up to'} {need}"
    figures: dict[str, Value] = {"device": tight.name, "free": tight.available, "needed": needed}
    return Reason(ReasonKind.DEVICE_TOO_SMALL, f"Does not fit: {clause}.", figures, clause)


def placement_reason(search: Search, found: Found) -> Reason:
    """Say where the model lies, or what it lacks."""
    settings, memory, room = found.settings, found.memory, search.room
    if not found.fits:
        return too_small(found.estimate)
    if not memory.placement.n_devices:
        return _on_cpu(room)
    counted = Counter(g.name for g in room.gpus)
    names = ", ".join(name if count == 1 else f"{count} × {name}" for name, count in counted.items())
    if is_whole(found):
        if settings.split_mode == "none" and len(room.gpus) > 1:
            name = room.gpus[settings.main_gpu].name
            return Reason(ReasonKind.WHOLE_ON_ONE_GPU, f"Fits on one GPU alone ({name}).", {"gpus": name})
        return Reason(ReasonKind.WHOLE_ON_GPUS, f"All layers fit on {names}.", {"gpus": names})
    if settings.n_cpu_moe:
        text = (
            f"The experts of {settings.n_cpu_moe} of {search.n_layer} layers stay in RAM;"
            f" everything else, attention and cache too, is on {names}."
        )
        figures: dict[str, Value] = {"experts": settings.n_cpu_moe, "layers": search.n_layer, "gpus": names}
        return Reason(ReasonKind.EXPERTS_IN_RAM, text, figures)
    held, layers = memory.placement.n_gpu_layers, search.n_layer + 1
    text = f"{held} of {layers} layers fit on {names}; the others run on the CPU."
    return Reason(ReasonKind.LAYERS_IN_RAM, text, {"held": held, "layers": layers, "gpus": names})


def _on_cpu(room: Room) -> Reason:
    if room.unified:
        limit = sum(room.devices.free)
        text = f"Too large for the {gib(limit)} of the RAM that the GPU may take: CPU only."
        return Reason(ReasonKind.TOO_LARGE_FOR_SHARED_MEMORY, text, {"limit": limit})
    if room.gpus:
        return Reason(ReasonKind.TOO_LARGE_FOR_GPU, "Too large for the GPU: CPU only.")
    return Reason(ReasonKind.CPU_ONLY, "Everything runs on the CPU.")


def _gap(search: Search, found: Found) -> int:
    """Bytes of the file that lie between the GPU's tensors: mapped with them, loaded apart from them not held."""
    mapped, plain = (
        search.evaluate(replace(found.settings, mmap=mmap), compute=found.memory.compute).memory.weights
        for mmap in (True, False)
    )
    return sum(mapped.devices) - sum(plain.devices)


def unmapped_reason(search: Search, found: Found) -> Reason:
    """Say why the file is loaded without mapping it."""
    gap = _gap(search, found)
    text = (
        "The file is loaded without mapping it (-lm none): Metal would hold all that lies between the first and"
        f" the last of its tensors, {gib(gap)} more."
    )
    return Reason(ReasonKind.SETTING_CHANGED, text, {"setting": "mmap", "saved": gap})


def to_plan(engine: str, search: Search, found: Found, why: list[Reason]) -> Plan:
    """Return the plan of what was found."""
    request = search.request
    settings, trained = found.settings, search.arch.n_ctx_train
    if not found.memory.placement.n_devices:
        where = Placement.CPU
    elif found.memory.placement.any_on_host:
        where = Placement.CPU if found.memory.placement.n_gpu_layers == 0 else Placement.HYBRID
    else:
        where = Placement.GPU
    known = search.context_of(settings)
    if not found.fits:
        longest = 0 if hopeless(search) else _longest_anywhere(search, trained)
    else:
        longest = _longest(search, settings, min(known, trained))
    return Plan(
        request=request,
        model=request.model.id,
        quant=request.quant,
        engine=engine,
        backend=search.room.devices.backend,
        fits=found.fits,
        placement=where,
        settings=public_settings(settings, search.room, found),
        memory=found.estimate,
        max_context=longest,
        max_concurrency=_concurrency(search, found),
        why=(*why, *_of_pictures(search, found)),
        warnings=tuple(_warnings(search, found, trained)),
        machine=request.machine.name,
        fit=fit_advice(search, found),
    )


_HELD: Final = 1 << 30  # bytes that others hold on a GPU, from which on they count


def fit_advice(search: Search, found: Found) -> FitAdvice | None:
    """Return where --fit does as well or better: one GPU, nothing moved, and what is free there may change.

    common_params_fit_impl in common/fit.cpp, llama.cpp b11434, places layers by what is free when the server
    starts, which a plan for another machine cannot know. It looks at GPUs only, so that experts or shared
    memory can overrun the RAM; over several GPUs it leaves half a layer a card unused; and it gives up where
    tensors are overridden or split by rows or tensor-wise. There the plan's own flags are better.
    """
    request, settings, room = search.request, found.settings, search.room
    if (
        not (found.fits and search.build.fits)
        or len(room.gpus) != 1
        or room.unified
        or not found.memory.placement.n_devices
    ):
        return None
    hybrid_experts = search.arch.is_moe and found.memory.placement.any_on_host
    if hybrid_experts or found.memory.placement.moved or settings.mmproj or settings.n_gpu_layers == 0:
        return None
    gpu = room.gpus[0]
    held = gpu.memory_total - gpu.memory_free - (gpu.memory_reserved or 0)
    if not request.machine.detected:
        text = "what is free on the machine itself may differ from the profile"
        reason = Reason(ReasonKind.FREE_MEMORY_UNKNOWN, text)
    elif held >= _HELD:
        text = f"other programs hold {gib(held)} of the GPU now, and may hold less or more when it starts"
        reason = Reason(ReasonKind.FREE_MEMORY_MAY_CHANGE, text, {"held": held})
    else:
        return None
    asked = request.workload.context is not None or "n_ctx" in request.settings
    return FitAdvice(reason, -(-room.overheads[0].high // MIB), not asked)


_PLACEMENT_KEYS: Final = frozenset({"n_gpu_layers", "n_cpu_moe", "cpu_moe", "override_tensor", "fit"})


def _longest(search: Search, settings: LlamaCppSettings, known: int) -> int:
    """The longest context: over all placements, where none was asked for."""
    trained = search.arch.n_ctx_train
    if known >= trained:
        return trained
    if search.precision is not Precision.EXACT:  # what ranks is the context that is started
        search.reached = search.precision
        return known
    if _PLACEMENT_KEYS & search.request.settings.keys():
        return search.longest(settings, trained, known)
    return search.longest_anywhere(settings, trained, known)


def _longest_anywhere(search: Search, trained: int) -> int:
    """Where the asked context doesn't fit: the longest one that does, with any placement."""
    smallest = first_fitting(search.candidates(256))
    return search.longest(smallest.settings, trained) if smallest.fits else 0


def _concurrency(search: Search, found: Found) -> float:
    """Sequences of the planned context that would fit: what is left, divided by what one more takes."""
    if not found.fits:
        return 0.0
    if shares_cache(search.request):
        return search.contexts  # one cache, as large as it is started
    settings = found.settings
    count = settings.n_parallel + 1
    more = replace(settings, n_ctx=search.context_of(settings) * count, n_parallel=count)
    context = resolve(search.arch, more, search.room.devices.backend)
    devices = search.room.devices
    run = Run(search.table, found.memory.placement, more, context, devices.backend)
    then = caches_of(run, len(devices.free))
    now = found.memory.caches
    rests = []
    added = [b - a for a, b in zip((*now.kv, now.kv_host), (*then.kv, then.kv_host), strict=True)]
    state = [b - a for a, b in zip((*now.state, now.state_host), (*then.state, then.state_host), strict=True)]
    draft = found.memory.draft
    if draft is not None:  # its caches grow by as much with every sequence
        added = [n + kv // settings.n_parallel for n, kv in zip(added, draft.kv, strict=True)]
        state = [n + kept // settings.n_parallel for n, kept in zip(state, draft.state, strict=True)]
    for device, kv, kept in zip(_holders(found), added, state, strict=True):
        if kv + kept > 0:
            rests.append(max(device_spare(device), 0) / (kv + kept))
    return float(min(settings.n_parallel + min(rests, default=MAX_SEQUENCES), MAX_SEQUENCES))


def _holders(found: Found) -> list[DeviceMemory]:
    """The estimate's devices that the placement knows, and the host."""
    devices = found.estimate.devices
    return [*devices[: len(found.memory.weights.devices)], devices[-1]]


def _about_pictures(search: Search, found: Found) -> Iterator[Reason]:
    """Warn where what a picture takes isn't known, or has no room in the context."""
    own = search.projector(found.settings)
    context, tokens = found.memory.context.n_ctx_seq, own.tokens
    if found.settings.mmproj and not tokens:
        text = "What the projector takes while it reads a picture, a few hundred MiB, is not counted."
        yield Reason(ReasonKind.NOT_COUNTED, text)
    elif tokens and context <= tokens:
        text = (
            f"A large picture takes {tokens:,} tokens, more than the context of {context:,} holds beside a question:"
            " --image-max-tokens limits it."
        )
        yield Reason(ReasonKind.PICTURE, text, {"tokens": tokens, "context": context})


def _of_pictures(search: Search, found: Found) -> list[Reason]:
    """Say what the largest picture takes of the context, and that the memory to read it is counted."""
    own = search.projector(found.settings)
    if not own.tokens:
        return []
    size = own.weights + own.device + own.host
    text = (
        f"A picture takes up to {own.tokens:,} tokens of the context; what the projector needs to read it is"
        f" counted, {gib(size)} with its weights."
    )
    return [Reason(ReasonKind.PICTURE, text, {"tokens": own.tokens, "bytes": size})]


def _warnings(search: Search, found: Found, trained: int) -> list[Reason]:
    warnings: list[Reason] = []

    def warn(kind: ReasonKind, text: str, **figures: Value) -> None:
        warnings.append(Reason(kind, text, figures))

    said = followed(search.request.machine)
    if said:
        warn(ReasonKind.OTHER_BUILD, said, build=search.build.name)
    warnings += file_reasons(search.request.model, search.request.quant, search.table)
    warnings += _about_pictures(search, found)
    if found.settings.moe_cache_mib and not search.build.expert_cache:
        warn(ReasonKind.OTHER_BUILD, "--moe-cache-mib came with llama.cpp b11549: an older one refuses it.")
    if found.settings.split_mode == "tensor" and found.memory.placement.n_devices:
        text = (
            "llama.cpp calls -sm tensor experimental. What its devices exchange isn't counted, and the speed is"
            " that of -sm layer."
        )
        warn(ReasonKind.EXPERIMENTAL, text, setting="split_mode")
    placement = found.memory.placement
    mapped = found.settings.mmap and search.room.devices.backend is Backend.METAL
    if mapped and placement.n_devices and placement.any_on_host and (gap := _gap(search, found)) > 0:
        text = (
            "Metal maps the file from the first to the last tensor of the GPU: what was moved to the CPU counts"
            f" against the GPU's limit too, {gib(gap)}. With -lm none it doesn't."
        )
        warn(ReasonKind.FILE_MAPPED, text, gap=gap)
    if not found.copies:
        text = (
            "llama.cpp's first try for its buffers fails here, with errors in its log: it goes on without the copies"
            " that let several GPUs work on one prompt at once."
        )
        warn(ReasonKind.NO_PIPELINE_COPIES, text)
    if found.settings.spec_draft_model is not None:
        warn(ReasonKind.DRAFTING, "The speed is without what drafting saves.")
    elif found.settings.drafts:
        text = (
            "Drafting needs a GGUF that holds the prediction layers: not every publisher keeps them."
            " What it gains varies: the speed is that of published measurements."
        )
        warn(ReasonKind.DRAFTING, text)
    shared = shares_cache(search.request)  # the server gives no slot more than the model was trained for
    per_sequence = search.context_of(found.settings) if shared else found.memory.context.n_ctx_seq
    if per_sequence > trained + 255:
        text = (
            f"{context_text(per_sequence)} is beyond the {context_text(trained)} the model was trained for."
        )
        warn(ReasonKind.BEYOND_TRAINED_CONTEXT, text, context=per_sequence, trained=trained)
    for note in search.arch.notes:
        warn(ReasonKind.ABOUT_MODEL, note)
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
    if settings.drafts:
        shown["spec_draft_n_max"] = settings.spec_draft_n_max
    if settings.spec_draft_model is not None:
        shown["spec_draft_model"] = settings.spec_draft_model.source
    plain = LlamaCppSettings()
    for key in _SHOWN:
        value = getattr(settings, key)
        if value != getattr(plain, key):
            shown[key] = value
    return shown
