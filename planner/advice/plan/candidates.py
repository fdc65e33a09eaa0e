"""Which engines and quantisations are worth trying for a model on a machine, the natural choice first."""

from __future__ import annotations

from typing import Final

from planner.advice.plan.question import PlanQuestion
from planner.engines.facts import Weights
from planner.engines.register import engine_facts, get_engine, offered
from planner.hardware.machine import Accelerator, Machine
from planner.models.model import Model
from planner.models.published import listed_quants, lists_are_whole, published_gguf
from planner.models.role import Role
from planner.plan import UseCase, Workload
from planner.quant.mixes import is_mix
from planner.quant.quantisations import QUANTISATIONS, average_bits, checkpoints, key_of, ladder
from planner.units import GIB

# What a row's average bits are too high by for some models: they are only to decide what to plan exactly.
BITS_SLACK: Final = 0.94
SIXTEEN_BITS: Final = 16.0
EIGHT_BITS: Final = 8.0
FOUR_BITS: Final = QUANTISATIONS["IQ4_XS"].average or SIXTEEN_BITS
FASTEST_BITS: Final = QUANTISATIONS["Q4_K_M"].average or SIXTEEN_BITS
SERVER_MEMORY: Final = 32 * GIB
# From this many users on, a batching server is the right kind of engine.
SERVING_USERS: Final = 4
# From this many on, nobody runs anything else where there is one.
MANY_USERS: Final = 16


def engines_for(question: PlanQuestion) -> tuple[str, ...]:
    """Names of the engines to try, the natural choice first: the one that was asked for, else what is worth it.

    Where settings are given, only engines that know all of them; where none does, those there are (to say it).
    """
    if question.engine:
        return (get_engine(question.engine).name,)
    natural = _natural(question.model, question.machine, question.workload)
    if not question.settings:
        return natural
    candidates = dict.fromkeys((*natural, *(facts.name for facts in offered())))
    return tuple(n for n in candidates if set(question.settings) <= get_engine(n).settings) or natural


def _natural(model: Model, machine: Machine, workload: Workload) -> tuple[str, ...]:
    backends = {a.backend for a in machine.accelerators}
    seeing = workload.use_case is UseCase.VISION
    speech = model.entry is not None and model.entry.kind == Role.SPEECH
    engines = tuple(
        e
        for e in offered()
        if e.transcribes is speech
        and (e.loads == model.holds or ((not e.beside or e.beside & backends) and (e.sees or not seeing)))
    )
    named = tuple(e.name for e in engines if e.loads == model.holds)
    if model.tensors is not None:
        return tuple(e.name for e in engines if e.loads is Weights.GGUF)
    if named:
        return named
    servers = tuple(e.name for e in engines if e.serves_many and e.backends & backends)
    others = tuple(e.name for e in engines if not e.serves_many)
    serving = workload.users >= SERVING_USERS or len(machine.hosts) > 1
    if servers and workload.users >= MANY_USERS:
        return servers
    if servers and (serving or is_server(machine)):
        return (*servers, *others)
    if model.architecture.gguf_arch is None:
        return tuple(e.name for e in engines if e.loads is not Weights.GGUF)
    return others


def is_server(machine: Machine) -> bool:
    """True for a machine whose GPUs are those of servers: what batches requests runs there for one user too."""
    return bool(machine.accelerators) and all(_is_server_gpu(a) for a in machine.accelerators)


def serves_all(machine: Machine) -> bool:
    """True where nobody runs an engine for one person: a server's GPUs, or several hosts that it would leave idle."""
    return is_server(machine) or len(machine.hosts) > 1


def _is_server_gpu(accelerator: Accelerator) -> bool:
    """True for a GPU joined to its neighbours by NVLink and as large as those in servers."""
    return bool(accelerator.nvlink_bandwidth) and accelerator.memory_total >= SERVER_MEMORY


def quants_for(model: Model, engine: str) -> tuple[str, ...]:
    """Quantisations worth trying, closest to the original first: published ones where that is known."""
    if model.quant is not None:
        return (model.quant,)
    meant = engine_facts(engine).named_quant(model)
    if meant is not None:
        return (meant,)
    named = get_engine(engine).quants(model)
    if _loads_checkpoints(engine):
        return with_published(model, named)
    if engine_facts(engine).loads is not Weights.GGUF:
        return tuple(q for q in named if _is_judged(q))
    tried = tuple(q.name for q in ladder() if q.name in named)
    if model.entry is not None and (model.repository is not None or lists_are_whole(model.entry)):
        tried = tuple(q for q in tried if published_gguf(model, q)) or tried
    native = tuple(q for q in named if q.startswith("MXFP4"))
    if native and (model.architecture.quantization or {}).get("quant_method") == "mxfp4":
        # Trained in MXFP4: anything else is larger or worse.
        return native
    return tried or named


def with_published(model: Model, named: tuple[str, ...]) -> tuple[str, ...]:
    """Add the quantised checkpoints that are published for a catalogue model, largest first.

    A format that the model itself is published in comes before all others: what is made of it is no closer to it,
    however many bits it takes. Sixteen bits, and eight made of them while loading, only where there is a checkpoint
    to load them from.
    """
    if model.entry is None:
        return named
    files = [f for f in model.entry.files if f.format == "safetensors"]
    listed = dict.fromkeys(q for f in files for q in f.quants if _is_checkpoint(q))
    own = {q for f in files if f.repo == model.id for q in f.quants}
    whole = not own or model.id.lower().endswith("-bf16") or any(_is_whole(q) for q in (*own, *listed))
    alone = not whole and bool(listed) and not model.architecture.quantization
    names = listed if alone else dict.fromkeys((*named, *listed))
    native = named[:1] if model.architecture.quantization else ()
    return tuple(sorted(names, key=lambda q: (q not in native, -bits_of(q))))


def offered_quants(model: Model, engine: str) -> tuple[str, ...]:
    """Every quantisation that may be asked for by name, published checkpoints included."""
    named = get_engine(engine).quants(model)
    if _loads_checkpoints(engine):
        return with_published(model, named)
    if not named or model.entry is None:
        return named
    listed = listed_quants(model.entry, model.repository)
    return tuple(dict.fromkeys((*named, *(q for q in listed if is_mix(q)))))


def _loads_checkpoints(engine: str) -> bool:
    return engine_facts(engine).loads is Weights.CHECKPOINT


def ladders(
    question: PlanQuestion, engine: str, *, last_resort: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the quantisations to try on GPUs alone, and those to try with the help of RAM.

    Judged by average bits only, generously: what is left out cannot fit, what is tried may still not.
    """
    model, machine = question.model, question.machine
    names = quants_for(model, engine)
    if not last_resort:
        names = tuple(q for q in names if not is_last_resort(q))
    tried = {q.name: q.average or SIXTEEN_BITS for q in ladder()}
    if not engine_facts(engine).may_spill or any(q not in tried for q in names):
        return names, ()
    weights = model.architecture.parameters() / 8 * BITS_SLACK
    gpu = sum(a.memory_free for a in machine.accelerators)
    ram = sum(h.ram_available for h in machine.hosts)
    whole = tuple(q for q in names if tried[q] * weights < gpu)
    if machine.unified:
        if not machine.host.beyond_gpus:
            return (whole or names[-1:]), ()
        gpu = 0
    beside = [q.name for q in ladder(beside_cpu=True) if q.name in names]
    spill = tuple(q for q in beside if tried[q] * weights < gpu + ram)
    return whole, (spill or names[-1:])


def bits_of(quant: str) -> float:
    """Bits a weight that a whole model takes on average in this quantisation."""
    return average_bits(quant) or SIXTEEN_BITS


def usual_quants() -> tuple[str, ...]:
    """Quantisations that are tried unasked, of GGUF files and of checkpoints."""
    formats = sorted((q for q in checkpoints() if q.average is not None), key=lambda q: -(q.average or 0.0))
    return tuple(q.name for q in (*ladder(), *formats))


def is_last_resort(quant: str) -> bool:
    """True for what loses too much to be recommended."""
    row = QUANTISATIONS.get(key_of(quant))
    return row is not None and row.last_resort


def _is_judged(quant: str) -> bool:
    """True for a format of which it is known how many bits it takes and what it loses."""
    row = QUANTISATIONS.get(key_of(quant))
    return row is not None and row.average is not None and row.loss is not None


def _is_checkpoint(quant: str) -> bool:
    """True for a format of checkpoints that is offered."""
    row = QUANTISATIONS.get(key_of(quant))
    return row is not None and row.storage is not None and row.average is not None


def _is_whole(quant: str) -> bool:
    row = QUANTISATIONS.get(key_of(quant))
    return row is not None and row.whole
