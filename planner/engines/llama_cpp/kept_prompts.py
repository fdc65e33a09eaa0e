"""What llama-server comes to hold in host memory beside all that it allocates at its start: earlier prompts, outputs.

Its prompt cache takes the state of every prompt that makes way for another one, until --cache-ram is full; each slot
keeps context checkpoints of what can't be rolled back, sliding windows and recurrent states (prompt_save and
create_checkpoint in tools/server/server-context.cpp, server_prompt_cache in tools/server/server-task.cpp,
common/common.h, llama.cpp b11434 and b11549). Ollama's runners are started with the same defaults.
"""

from __future__ import annotations

from typing import Final

from planner.engines.llama_cpp.allocation import LlamaMemory
from planner.engines.llama_cpp.placing.kv_cache import cache_bytes, recurrent_bytes
from planner.engines.llama_cpp.room import Room, device_spare
from planner.engines.llama_cpp.search import Found, Search
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.fast_dataclass import dataclass, replace
from planner.models.architecture import Architecture
from planner.models.cache import CompressedAttention, RecurrentState, SlidingWindow
from planner.plan import MemoryEstimate
from planner.quant.formats import ggml_format
from planner.reason import Reason, ReasonKind
from planner.units import MIB, gib

_A_PROMPT: Final = 3  # checkpoints that one prompt makes: at its last message, and twice near its end
_A_PASSAGE: Final = 512  # tokens of what is usually embedded at once
_FEW: Final = 4  # checkpoints worth having before prompts are kept
_STEP: Final = 256  # MiB


@dataclass(frozen=True, slots=True)
class KeptPrompts:
    """Bytes in host memory: of one full prompt's state, of a checkpoint in every slot, and the settings' limits."""

    state: int
    checkpoint: int
    limit: int  # --cache-ram, bytes
    checkpoints: int  # --ctx-checkpoints

    @property
    def expected(self) -> int:
        """What is there once a second conversation has begun: one prompt's state, and its checkpoints."""
        return min(self.limit, self.state) + self.checkpoint * min(self.checkpoints, _A_PROMPT)

    @property
    def high(self) -> int:
        """What is there when both are full."""
        return self.limit + self.checkpoint * self.checkpoints


def kept_prompts(arch: Architecture, settings: LlamaCppSettings, memory: LlamaMemory) -> KeptPrompts:
    """Return what the server keeps with these settings; without a limit (-1) as if eight full prompts were it."""
    context, draft = memory.context, memory.draft
    kv = sum(memory.caches.kv) + memory.caches.kv_host + (sum(draft.kv) if draft else 0)
    state = (sum(memory.caches.state) + memory.caches.state_host) // (1 + context.n_rs_seq)
    one = kv // context.n_stream + state // context.n_seq_max
    limit = settings.cache_ram_mib * MIB if settings.cache_ram_mib >= 0 else 8 * one
    size = _checkpoint(arch, settings, memory) * context.n_seq_max
    return KeptPrompts(one, size, limit, settings.n_ctx_checkpoints)


def _checkpoint(arch: Architecture, settings: LlamaCppSettings, memory: LlamaMemory) -> int:
    """Bytes of one slot's checkpoint: the parts that LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY writes."""
    context = replace(memory.context, n_stream=1, n_seq_max=1, n_rs_seq=0, unified=False)
    kinds = ggml_format(settings.cache_type_k), ggml_format(settings.cache_type_v)
    size = 0
    for group in arch.groups:
        for spec in () if group.mtp else group.caches:
            if isinstance(spec, RecurrentState):
                size += group.count * recurrent_bytes(spec, context, cuda=False)
            elif isinstance(spec, SlidingWindow | CompressedAttention) and not context.swa_full:
                cells = min(context.n_ctx_seq, spec.window + context.n_ubatch)
                size += group.count * cache_bytes(spec, replace(context, n_ctx_seq=cells), kinds, cuda=False)
    return size


def keeping(search: Search, found: Found) -> tuple[Found, Reason | None]:
    """Return what was found with the prompts that it keeps, within what its host has left, and why if not the usual.

    A command that somebody wrote keeps what it keeps: only what of it fits is counted, and said.
    """
    if not found.fits:
        return found, None
    if found.settings.embeddings:
        return replace(found, estimate=_with_outputs(found.estimate, search.arch, found.memory)), None
    usual = kept_prompts(search.arch, found.settings, found.memory)
    given = search.request.settings.keys()
    open_ = ("cache_ram_mib" not in given, "n_ctx_checkpoints" not in given)
    written = bool(search.request.written.line)
    kept = usual
    if written or any(open_):
        kept = fitting(usual, room_to_keep(found.estimate, search.room))
        if not written:
            kept = replace(
                kept,
                limit=kept.limit if open_[0] else usual.limit,
                checkpoints=kept.checkpoints if open_[1] else usual.checkpoints,
            )
    estimate = with_kept(found.estimate, kept)
    if kept == usual:
        return replace(found, estimate=estimate), None
    settings = found.settings
    if not written:
        limit = kept.limit // MIB
        settings = replace(settings, cache_ram_mib=limit, n_ctx_checkpoints=kept.checkpoints)
    return replace(found, settings=settings, estimate=estimate), _reason(usual, kept, written=written)


def _with_outputs(estimate: MemoryEstimate, arch: Architecture, memory: LlamaMemory) -> MemoryEstimate:
    """Return the estimate with the rows that a server of embeddings keeps of a batch, in its host's memory.

    Every token of a batch is an output, and each has room for its logits, head or not (output_reserve in
    src/llama-context.cpp of b11434): grown with the longest batch so far, never given back.
    """
    *devices, host = estimate.devices
    row, rows = 4 * (arch.vocab_size + arch.hidden_size), memory.context.n_ubatch
    full = max(host.overhead, host.overhead_high) + row * rows
    overhead = host.overhead + row * min(rows, _A_PASSAGE)
    return MemoryEstimate((*devices, replace(host, overhead=overhead, overhead_high=full)))


def room_to_keep(estimate: MemoryEstimate, room: Room) -> int:
    """Bytes of the host that earlier prompts may fill; of memory that all share half, as the system lives there too."""
    spare = device_spare(estimate.devices[-1])
    return spare // 2 if room.unified else spare


def _reason(usual: KeptPrompts, kept: KeptPrompts, *, written: bool) -> Reason:
    flags = []
    if kept.limit != usual.limit:
        flags.append(f"--cache-ram {kept.limit // MIB}")
    if kept.checkpoints != usual.checkpoints:
        flags.append(f"--ctx-checkpoints {kept.checkpoints}")
    text = (
        f"llama-server would keep up to {gib(usual.high)} of earlier prompts in RAM;"
        f" {' '.join(flags)} {'would leave' if written else 'leaves'} it what is free."
    )
    return Reason(
        ReasonKind.NOT_COUNTED if written else ReasonKind.SETTING_CHANGED,
        text,
        {"setting": "cache_ram_mib", "usual": usual.high, "kept": kept.high},
    )


def fitting(kept: KeptPrompts, room: int) -> KeptPrompts:
    """Return the same with limits that leave both full within so many bytes; the defaults where they do."""
    room = max(room, 0)
    if kept.high <= room:
        return kept
    checkpoints = kept.checkpoints
    if kept.checkpoint:
        most = room // kept.checkpoint
        checkpoints = min(checkpoints, max(most // 2, min(most, _FEW)))
    left = (room - checkpoints * kept.checkpoint) // (_STEP * MIB) * _STEP * MIB
    return replace(kept, limit=min(kept.limit, left), checkpoints=checkpoints)


def with_kept(estimate: MemoryEstimate, kept: KeptPrompts) -> MemoryEstimate:
    """Return the estimate with the kept prompts among what its host needs beside the engine's own buffers."""
    *devices, host = estimate.devices
    full = max(host.overhead, host.overhead_high) + kept.high
    return MemoryEstimate(
        (*devices, replace(host, overhead=host.overhead + kept.expected, overhead_high=full))
    )
