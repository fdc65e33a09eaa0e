"""One set of settings on one Mac: what the GPU holds, and how long a context fits."""

from __future__ import annotations

from typing import Final

from planner.demand import Demand
from planner.engines.mlx.activations import HIGH, in_flight
from planner.engines.mlx.architectures import MlxTraits, mlx_class, mlx_traits
from planner.engines.mlx.attention_scores import Reading
from planner.engines.mlx.caches import STEP, Kept, kept
from planner.engines.mlx.formats import Format, format_of
from planner.engines.mlx.settings import MlxSettings, settings_from
from planner.engines.mlx.weights import weight_bytes
from planner.errors import RefusedError, UnsupportedError
from planner.fast_dataclass import dataclass, replace
from planner.hardware.machine import Accelerator
from planner.models.architecture import Architecture
from planner.models.cache import FullAttention, LatentAttention, SlidingWindow
from planner.plan import DeviceMemory, MemoryEstimate, PlanRequest
from planner.reason import Reason, ReasonKind

RULES_VERSION: Final = "0.32.2"
_MATRIX_UNITS: Final = frozenset({"M5", "M6"})  # device.cpp is_nax_available: with macOS 26.2 or later


@dataclass(frozen=True, slots=True)
class Case:
    """One model in one format on one Mac, and what was asked of it. Sizes in bytes."""

    arch: Architecture
    kind: Format
    traits: MlxTraits
    gpu: Accelerator
    settings: MlxSettings
    weights: int  # with those of a draft model
    demand: Demand
    draft: Case | None = None

    def in_steps(self, step: int) -> Case:
        """The same with prompts in chunks of so many tokens (--prefill-step-size)."""
        if step == self.settings.prefill_step_size:
            return self
        draft = None if self.draft is None else self.draft.in_steps(step)
        return replace(self, settings=replace(self.settings, prefill_step_size=step), draft=draft)

    @property
    def users(self) -> int:
        """Sequences that are served at the same time."""
        return self.demand.users

    @property
    def at_once(self) -> int:
        """Prompts that are read together (server.py --prompt-concurrency)."""
        return 1 if self.settings.kv_bits else min(self.users, self.settings.prompt_concurrency)

    def kept(self, tokens: int, *, prefilling: bool = True) -> Kept:
        """What one sequence of so many tokens keeps, the draft model's part included."""
        own = kept(self.arch, self.traits, self.settings, tokens, prefilling=prefilling)
        return own if self.draft is None else own + self.draft.kept(tokens, prefilling=prefilling)

    def reading(self, tokens: int) -> Reading:
        """How prompts of so many tokens are read."""
        return Reading(tokens, self.at_once, self.gpu.architecture in _MATRIX_UNITS)

    def memory(self, tokens: int) -> MemoryEstimate:
        """What the GPU holds with one sequence of so many tokens, and every user at the share that the load fills."""
        one = self.kept(tokens)
        kv_cache, state = one.kv_cache, one.state
        if self.users > 1:
            each = self.kept(int(tokens * self.demand.share))
            kv_cache, state = max(kv_cache, each.kv_cache * self.users), max(state, each.state * self.users)
        device = DeviceMemory(
            name=self.gpu.name,
            kind="gpu",
            weights=self.weights,
            kv_cache=kv_cache,
            state=state,
            compute=in_flight(self.arch, self.traits, self.settings, self.reading(tokens)),
            available=self.gpu.memory_free,
            overhead_high=HIGH,
        )
        return MemoryEstimate((device,))

    def longest(self, limit: int) -> int:
        """The longest context for all users, in whole steps of the cache; 0 where none fits."""
        if self.memory(limit).fits:
            return limit
        fits, fails = 0, limit // STEP + 1
        while fails - fits > 1:
            middle = (fits + fails) // 2
            if self.memory(middle * STEP).fits:
                fits = middle
            else:
                fails = middle
        return fits * STEP

    def served(self, tokens: int) -> float:
        """Sequences of so many tokens that the memory holds."""
        device = self.memory(tokens).devices[0]
        one = self.kept(tokens)
        each = one.kv_cache + one.state
        room = device.available - device.weights - device.compute - device.overhead_high
        return round(max(room, 0) / each, 2) if each else float(self.users)


def case_of(request: PlanRequest) -> Case:
    """Return what is asked. Raises UnsupportedError without a class or a Mac, RefusedError for what mlx-lm refuses."""
    arch = request.arch
    traits = known_class(arch)
    gpus = [a for a in request.machine.accelerators if a.vendor == "apple"]
    if not gpus:
        raise UnsupportedError("mlx-lm is planned for Macs with Apple silicon alone")
    settings = settings_from(request.settings)
    refuse_quantised(arch, traits, settings, settings.context or request.workload.context or 0)
    kind = format_of(request.quant, arch)
    case = Case(
        arch=arch,
        kind=kind,
        traits=traits,
        gpu=gpus[0],
        settings=settings,
        weights=weight_bytes(arch, kind, traits),
        demand=request.workload.demand,
    )
    if settings.draft_model is None:
        return case
    return _with_draft(case, request)


def known_class(arch: Architecture) -> MlxTraits:
    """Return the class's traits; UnsupportedError where mlx-lm has no class, or not for this model."""
    traits = mlx_traits(arch)
    if traits is None:
        text = f"mlx-lm {RULES_VERSION} has no class for {arch.model_type}"
        raise UnsupportedError(
            Reason(ReasonKind.NOT_SUPPORTED, text, {"release": RULES_VERSION, "model_type": arch.model_type})
        )
    other = _other_tensors(arch, traits)
    if other is not None:
        name = mlx_class(arch)
        raise UnsupportedError(
            f"mlx-lm {RULES_VERSION}'s class for {name} {other}: it cannot load this model"
        )
    return traits


def _other_tensors(arch: Architecture, traits: MlxTraits) -> str | None:
    """Return what keeps a class from loading the model's file; None where nothing is known to."""
    layers = [(g, c) for g in arch.groups if not g.mtp for c in g.caches]
    if traits.head_gate and any(
        t.rows != c.n_head
        for g, c in layers
        for t in g.tensors
        if t.name == "attn_gate.weight" and isinstance(c, (FullAttention, SlidingWindow))
    ):
        return "gates attention a head, the file every element"
    if traits.all_indexed and any(isinstance(c, LatentAttention) and c.indexer is None for _, c in layers):
        return "has an indexer in every layer, the file in some"
    return None


def refuse_quantised(arch: Architecture, traits: MlxTraits, settings: MlxSettings, tokens: int) -> None:
    """Raise RefusedError where a sequence grows until its cache is to be quantised and cannot be (--kv-bits)."""
    if settings.kv_bits is None or tokens < settings.quantized_kv_start:
        return
    caches = [c for g in arch.groups if not g.mtp for c in g.caches]
    rotating = traits.windows and any(isinstance(c, SlidingWindow) and not c.chunked for c in caches)
    if rotating or (settings.max_kv_size is not None and traits.rotates):
        raise RefusedError("RotatingKVCache Quantization NYI")
    latent = any(isinstance(c, LatentAttention) and c.indexer is None for c in caches)
    if not traits.reads_quantised or (latent and not traits.whole_kv):
        raise RefusedError(
            f"mlx-lm {RULES_VERSION}'s class for {mlx_class(arch)} cannot read a quantised cache (--kv-bits)"
        )


def _with_draft(case: Case, request: PlanRequest) -> Case:
    draft = case.settings.draft_model
    arch = draft.model.architecture
    other = known_class(arch)
    kind = format_of(draft.quant, arch)
    small = replace(
        case, arch=arch, kind=kind, traits=other, weights=weight_bytes(arch, kind, other), draft=None
    )
    return replace(case, weights=case.weights + small.weights, draft=small)
