"""The settings search: which parallelism and which knobs serve a context and a number of users.

Candidates are the engine's legal combinations, fewest GPUs first; for each the engine's defaults are tried
and then, one after the other, what an operator would change, each step with its price.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from planner.demand import Demand
from planner.engines.vllm.architectures import smallest_batch, vllm_traits
from planner.engines.vllm.deployment import Deployment, Devices
from planner.engines.vllm.expert_parallel import for_many_users
from planner.engines.vllm.memory.budget import CONTEXT, after_cache
from planner.engines.vllm.memory.weights import WeightTable, resolve, tower_ranks
from planner.engines.vllm.outcome import Outcome, evaluate
from planner.engines.vllm.refusals import uses_mla
from planner.engines.vllm.releases import CURRENT
from planner.engines.vllm.settings import AUTO, VllmSettings, settings_from
from planner.fast_dataclass import dataclass, replace
from planner.plan import ContextNeed, UseCase
from planner.reason import Reason, ReasonKind

SHORTEST: Final = 2048  # below this a plan isn't one
_BIG_SHARE: Final = 0.2  # of a GPU's memory: weights worth reading from two GPUs at once


@dataclass(frozen=True, slots=True)
class Found:
    """The chosen settings and how they were found."""

    chosen: VllmSettings  # what goes on the command line: only what was set
    outcome: Outcome
    changes: tuple[Reason, ...]  # what differs from the defaults, with the reason
    fits: bool
    defaults: Outcome | None  # the engine's defaults on the same GPUs, at the model's full length
    demand: Demand  # of one data parallel rank: each has a cache of its own


_Try = tuple[VllmSettings, Outcome, tuple[Reason, ...]]  # settings, what they give, what was changed

_PARALLEL: Final = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")


def parallel_choices(deployment: Deployment) -> list[VllmSettings]:
    """Return the legal ways to split a model over the devices, fewest GPUs first.

    Tensor parallel inside a host (or over hosts that a quick network joins), pipeline parallel across hosts and
    where no tensor split is legal. What is given is kept as it is.
    """
    arch, scheme, devices = deployment.arch, deployment.scheme, deployment.devices
    given = deployment.given
    base = settings_from(given)
    if not base.quantization and scheme.online:
        base = replace(base, quantization=scheme.method)
    if base.dtype == "auto" and not devices.gpu.has_bf16 and arch.dtype != "float16":
        base = replace(base, dtype="half" if vllm_traits(arch).float16 else "float32")
    if any(name in given for name in _PARALLEL):
        return [_executor(base, devices)]
    found = []
    for world in range(1, devices.count + 1):
        for tp in range(min(world, devices.together), 0, -1):
            if world % tp:
                continue
            pp = world // tp
            if pp > 1 and not _worthwhile(tp, pp, devices):
                continue
            candidate = replace(base, tensor_parallel_size=tp, pipeline_parallel_size=pp)
            unsplit = vllm_traits(arch).tower == "split" and tower_ranks(arch, candidate) < tp
            if unsplit and "mm_encoder_tp_mode" not in given:
                candidate = replace(candidate, mm_encoder_tp_mode="data")
            if deployment.refusal(candidate) is None:
                found.append(_executor(candidate, devices))
                break
    return found


def _worthwhile(tp: int, pp: int, devices: Devices) -> bool:
    """Whole hosts only, none of whose tensor parallel groups reaches into the next.

    Inside a host that is a pipeline over GPUs that tensors can't be split over (three, six). Where two, four or
    eight can take the model, a pipeline over five or seven would only let one request wait for each in turn.
    """
    if tp * pp <= devices.per_host:
        return tp * pp == devices.per_host
    return devices.per_host % tp == 0 and (tp * pp) % devices.per_host == 0


def _executor(settings: VllmSettings, devices: Devices) -> VllmSettings:
    if devices.hosts > 1 and settings.world_size > devices.per_host:
        nodes = -(-settings.world_size // devices.per_host)
        return replace(settings, distributed_executor_backend="ray", nnodes=nodes)
    return settings


def rungs(
    deployment: Deployment, start: VllmSettings
) -> Iterator[tuple[VllmSettings, tuple[Reason, ...], int]]:
    """Yield settings from the engine's defaults to the tightest, each with what was changed and why.

    The last value is the context, in tokens, from which the step isn't worth its price to the user.
    """
    arch, devices, workload = deployment.arch, deployment.devices, deployment.workload
    given, need, most = deployment.given, deployment.request.context_need, deployment.longest_open
    settings = start
    said: tuple[Reason, ...] = ()
    budget = _utilization(deployment, start)
    if budget is not None and "gpu_memory_utilization" not in given:
        settings = replace(settings, gpu_memory_utilization=budget)
        why = _FREE
        if budget == _UNIFIED_SHARE and devices.gpu.unified:
            why = "the system and the engine's own processes live in the same memory"
        said = (_change("gpu_memory_utilization", budget, why),)
    yield settings, said, most
    seqs = max(16, 1 << max(0, workload.demand.over(start.data_parallel_size).users - 1).bit_length())
    full = resolve(arch, settings, devices.gpu)
    for name, value, reason in _steps(deployment, full, seqs):
        if name in given:
            continue
        settings = replace(settings, **{name: value})
        said = tuple(change for change in said if change.values["setting"] != name)
        said = (*said, _change(name, value, reason))
        lower = _utilization(deployment, settings)
        if (
            lower is not None
            and lower < (settings.gpu_memory_utilization or 1)
            and "gpu_memory_utilization" not in given
        ):
            settings = replace(settings, gpu_memory_utilization=lower)
            said = tuple(change for change in said if change.values["setting"] != "gpu_memory_utilization")
            said = (*said, _change("gpu_memory_utilization", lower, _FREE))
        enough = _enough(name, need)
        if name == "max_num_seqs" and value >= 64:
            enough = most
        yield settings, said, enough


def _change(name: str, value: int | float | str, reason: str) -> Reason:
    """Say which setting differs from its default, and why."""
    flag, shown = f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else str(value)
    text = f"{flag}: {reason}" if value is True else f"{flag} {shown}: {reason}"
    return Reason(ReasonKind.SETTING_CHANGED, text, {"setting": name, "value": value})


def _enough(name: str, need: ContextNeed) -> int:
    """Tokens from which changing a setting isn't worth its price.

    A coarser cache only where the context would be felt to be short, eager mode only where there is none at all.
    """
    return {"kv_cache_dtype": need.short, "enforce_eager": SHORTEST}.get(name, need.needed)


def _steps(deployment: Deployment, full: VllmSettings, seqs: int) -> Iterator[tuple[str, Any, str]]:
    arch, devices, workload = deployment.arch, deployment.devices, deployment.workload
    if (full.max_num_seqs or 0) > max(256, seqs):
        yield "max_num_seqs", max(256, seqs), "the sampler's warm-up takes memory for every sequence allowed"
    if (full.max_num_seqs or 0) > max(64, seqs):
        yield "max_num_seqs", max(64, seqs), "the sampler's warm-up takes memory for every sequence allowed"
    small = max(2048, smallest_batch(arch, text_only=full.language_model_only))
    if (full.max_num_batched_tokens or 0) > small:
        yield (
            "max_num_batched_tokens",
            small,
            "a smaller batch needs less activation memory, prefill is slower",
        )
    if arch.vision is not None and workload.use_case is not UseCase.VISION:
        yield "language_model_only", True, "text only: the vision tower isn't loaded"
    roomy = devices.free - int(0.95 * devices.gpu.total)
    shared = devices.gpu.unified
    if devices.gpus and not shared and (full.gpu_memory_utilization or 0) < 0.95 and roomy >= CONTEXT.high:
        yield "gpu_memory_utilization", 0.95, "nothing else may use this GPU"
    if (full.max_num_seqs or 0) > seqs:
        yield "max_num_seqs", seqs, "the users asked for, rounded up"
    narrow = vllm_traits(arch).narrow_cache or not uses_mla(arch)
    if devices.gpu.sm is not None and devices.gpu.sm >= 89 and narrow:
        yield "kv_cache_dtype", "fp8", "half the cache, at a small loss of accuracy on long contexts"
    if devices.gpus and workload.users == 1:  # several wait for room sooner than they give up CUDA graphs
        yield "enforce_eager", True, "no CUDA graphs: less memory, slower decode"


# Of one memory for GPU and system: what vLLM's own recipe starts a DGX Spark with, because 0.92 isn't free there when
# it looks (vllm-project/recipes, pull request 632, July 2026).
_UNIFIED_SHARE: Final = 0.85


_FREE: Final = "as much as is free once vLLM's own context is there"


def _utilization(deployment: Deployment, settings: VllmSettings) -> float | None:
    """A lower utilisation where other processes hold memory; None where the default is free."""
    devices = deployment.devices
    if not devices.gpus:
        return None
    default = settings.gpu_memory_utilization or CURRENT.default_utilization
    wanted = min(default, _UNIFIED_SHARE) if devices.gpu.unified else default
    # The process's own context is there before vLLM looks at what is free (request_memory in worker/utils.py).
    after = after_cache(deployment.arch, settings, devices.gpu)
    free = devices.free - _tables_beside(deployment, settings)
    usable_share = (free - CONTEXT.high - after) / devices.gpu.total
    if usable_share >= wanted:
        return wanted if wanted < default else None
    return max(0.01, int(usable_share * 100) / 100)


def _tables_beside(deployment: Deployment, settings: VllmSettings) -> int:
    """Bytes of tables that the system's memory holds, where that is the GPU's too."""
    devices = deployment.devices
    if not devices.gpu.unified or not vllm_traits(deployment.arch).tables_in_ram:
        return 0
    table = WeightTable(deployment.arch, deployment.scheme, devices.gpu)
    return table.tables(table.resolved(settings))


def search(deployment: Deployment) -> Found | None:
    """Return the best settings; None where no legal split exists.

    Where nothing fits, the split with the most room is returned with fits=False.
    """
    devices = deployment.devices
    table = WeightTable(deployment.arch, deployment.scheme, devices.gpu)
    best: Found | None = None
    fitting: list[Found] = []
    for choice in parallel_choices(deployment):
        found = _fit(deployment, table, choice)
        if found.fits:
            fitting.append(found)
            if not _faster_on_more(found, devices):
                break
        elif best is None or _missing(found.outcome) < _missing(best.outcome):
            best = found
    result = _preferred(fitting, devices) if fitting else best
    return None if result is None else _spread(deployment, table, result)


def longest_anywhere(deployment: Deployment) -> int:
    """Longest context for the workload's users over every legal split, each at its tightest settings; 0 where none
    starts. It never falls with more memory: no split and no step depends on how much there is.
    """
    arch, devices = deployment.arch, deployment.devices
    table, best = WeightTable(arch, deployment.scheme, devices.gpu), 0
    for choice in parallel_choices(deployment):
        *_, (tightest, _, _) = rungs(deployment, choice)
        outcome = evaluate(table, replace(tightest, max_model_len=arch.n_ctx_train), devices.free)
        if outcome.starts_shorter:
            demand = deployment.workload.demand.over(choice.data_parallel_size)
            best = max(best, outcome.longest(arch.n_ctx_train, demand, safe=True))
    return best


def _spread(deployment: Deployment, table: WeightTable, found: Found) -> Found:
    """The whole host with experts (and attention) spread for many users, where that holds no less.

    Not where half a host is enough: the other half holds a replica.
    """
    devices, given = deployment.devices, deployment.given
    world = found.outcome.settings.world_size
    if devices.hosts != 1 or (found.fits and not devices.per_host // 2 < world <= devices.per_host):
        return found
    plain = replace(
        settings_from(given),
        tensor_parallel_size=devices.per_host,
        quantization=found.chosen.quantization,
        dtype=found.chosen.dtype,
    )
    wide = for_many_users(
        table.arch, plain, deployment.workload.users, given, nvlink=devices.nvlink, tight=not found.fits
    )
    for choice, reason in wide:
        if deployment.refusal(choice) is not None:
            continue
        other = _fit(deployment, table, choice)
        enough = other.outcome.length >= found.outcome.length or not found.fits
        more = choice.data_parallel_size * other.outcome.concurrency > found.outcome.concurrency
        if other.fits and enough and (more or choice.data_parallel_size == 1):
            return replace(other, changes=(reason, *other.changes))
    return found


def _missing(outcome: Outcome) -> int:
    return max(outcome.weights) - min(outcome.available, default=0)


def _faster_on_more(found: Found, devices: Devices) -> bool:
    """True where weights are large enough that reading them from more GPUs at once is felt."""
    return devices.count > 1 and max(found.outcome.weights) > _BIG_SHARE * devices.gpu.total


def _preferred(fitting: list[Found], devices: Devices) -> Found:
    """The fewest GPUs that serve the workload comfortably; more of one host where that is felt.

    Tensor parallelism over PCIe pays up to four GPUs; a pipeline never makes one stream faster.
    """
    first = fitting[0]
    chosen = first
    limit = devices.together if devices.nvlink else min(4, devices.together)
    for found in fitting[1:]:
        settings = found.outcome.settings
        wider = settings.pipeline_parallel_size <= chosen.outcome.settings.pipeline_parallel_size
        longer = found.outcome.length > chosen.outcome.length
        if wider and (longer or settings.tensor_parallel_size <= limit):
            chosen = found
    return chosen


def _fit(deployment: Deployment, table: WeightTable, choice: VllmSettings) -> Found:
    devices, workload = deployment.devices, deployment.workload
    given = deployment.given

    def tried(settings: VllmSettings) -> Outcome:
        return evaluate(table, settings, devices.free)

    def capped(settings: VllmSettings, outcome: Outcome, said: tuple[Reason, ...]) -> _Try:
        """No more sequences than state blocks, where the number is the planner's to choose."""
        most = outcome.most_sequences(safe=True) if outcome.allows_too_many(safe=True) else None
        if most is None or most < demand.users or "max_num_seqs" in given:
            return settings, outcome, said
        fewer = replace(settings, max_num_seqs=most // 8 * 8 if most > 16 else most)
        why = f"each sequence needs a block for its recurrent state, {most} are certain"
        others = (change for change in said if change.values["setting"] != "max_num_seqs")
        return fewer, tried(fewer), (*others, _change("max_num_seqs", fewer.max_num_seqs or 0, why))

    wanted = given.get("max_model_len", workload.context)
    demand = workload.demand.over(choice.data_parallel_size)
    asked = wanted if isinstance(wanted, int) and wanted != AUTO else None
    defaults: Outcome | None = None
    best: tuple[int, VllmSettings, Outcome, tuple[Reason, ...]] | None = None
    settings: VllmSettings = choice
    said: tuple[Reason, ...] = ()
    for rung, changed, enough in rungs(deployment, choice):
        if best is not None and best[0] >= enough:
            break
        if rung.enforce_eager and defaults is not None and _too_many_stated(defaults, given):
            break
        length = asked or deployment.longest_open
        settings, said = replace(rung, max_model_len=length), changed
        outcome = tried(settings)
        if defaults is None:
            defaults = outcome
            if _hopeless(outcome, devices):
                return Found(settings, outcome, said, False, defaults, demand)
        settings, outcome, said = capped(settings, outcome, said)
        if outcome.holds(demand):
            return Found(settings, outcome, said, True, defaults, demand)
        if asked is None:
            longest = outcome.longest(deployment.longest_open, demand, safe=True)
            if outcome.starts_shorter and (best is None or longest > best[0]):
                best = (longest, settings, outcome, said)
    assert defaults is not None
    if best is not None and best[0] >= SHORTEST:
        length = best[0] // 1024 * 1024
        settings = replace(best[1], max_model_len=length)
        settings, outcome, said = capped(settings, tried(settings), best[3])
        if outcome.holds(demand):
            why = "the longest that fits with the engine's own memory at its upper end"
            said = (*said, _change("max_model_len", length, why))
            return Found(settings, outcome, said, True, defaults, demand)
    final = replace(settings, max_model_len=asked or deployment.longest_open)
    outcome = tried(final)
    return Found(final, outcome, said, False, defaults, demand)


def _too_many_stated(outcome: Outcome, given: Mapping[str, Any]) -> bool:
    """True where the sequences that a person stated are too many: what they want is fewer, not eager mode."""
    return outcome.allows_too_many() and "max_num_seqs" in given and "enforce_eager" not in given


def _hopeless(outcome: Outcome, devices: Devices) -> bool:
    """True where the weights alone are more than any utilisation allows; only offloading could help."""
    vision = max(outcome.weights) // 8  # --language-model-only drops a tower, which is never this large
    return max(outcome.weights) - vision > max(devices.free, outcome.requested)
