"""Which engines and quantisations are worth trying for a model on a machine, the natural choice first."""

from __future__ import annotations

from typing import Final

from planner.advice.plan.question import PlanQuestion
from planner.engines.base import get_engine
from planner.hardware.machine import Accelerator, Backend, Machine
from planner.models.model import Model
from planner.plan import Workload
from planner.units import GIB

# From the closest to the original down to what still makes sense, with the bits a weight that a whole model
# takes on average: only to decide which ones to plan exactly. An engine offers more, and any of them may be
# asked for by name.
GGUF_LADDER: Final = {
    "Q8_0": 8.5,
    "Q6_K": 6.57,
    "Q5_K_M": 5.69,
    "Q4_K_M": 4.87,
    "IQ4_XS": 4.31,
    "Q3_K_M": 3.91,
    "Q2_K": 3.0,
}
# The same for checkpoints that vLLM loads; 4-bit ones keep embeddings and head in 16 bits.
CHECKPOINT_BITS: Final = {
    "BF16": 16.0,
    "F16": 16.0,
    "FP8": 8.0,
    "W8A8": 8.0,
    "NVFP4": 4.5,
    "MXFP4": 4.25,
    "GPTQ-Int4": 4.2,
    "W4A16": 4.2,
    "AWQ": 4.1,
}
# Beside the CPU, where every bit costs speed, experts take four bits or less.
HYBRID_LADDER: Final = ("Q4_K_M", "IQ4_XS", "Q3_K_M", "Q2_K")
LAST_RESORT: Final = frozenset({"Q2_K"})  # loses too much to be recommended
# The bits above are averages: a model may lie this much below them.
BITS_SLACK: Final = 0.94
SIXTEEN_BITS: Final = 16.0
_WHOLE: Final = frozenset({"BF16", "F16", "F32"})
EIGHT_BITS: Final = 8.0
FOUR_BITS: Final = GGUF_LADDER["IQ4_XS"]
FASTEST_BITS: Final = GGUF_LADDER["Q4_K_M"]
SERVER_MEMORY: Final = 32 * GIB
# From this many users on, a batching server is the right kind of engine.
SERVING_USERS: Final = 4
# From this many on, nobody runs anything else on GPUs that vLLM knows.
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
    candidates = dict.fromkeys((*natural, "llama.cpp", "vllm"))
    return tuple(n for n in candidates if set(question.settings) <= get_engine(n).settings) or natural


def _natural(model: Model, machine: Machine, workload: Workload) -> tuple[str, ...]:
    if model.tensors is not None:
        return ("llama.cpp",)
    cuda = any(a.backend in (Backend.CUDA, Backend.ROCM) for a in machine.accelerators)
    serving = workload.users >= SERVING_USERS or len(machine.hosts) > 1
    linked = len(machine.accelerators) > 1 and all(_is_server_gpu(a) for a in machine.accelerators)
    if cuda and workload.users >= MANY_USERS:
        return ("vllm",)
    if cuda and (serving or linked):
        return ("vllm", "llama.cpp")
    if model.architecture.gguf_arch is None:
        return ("vllm",)
    return ("llama.cpp",)


def _is_server_gpu(accelerator: Accelerator) -> bool:
    """True for a GPU joined to its neighbours by NVLink and as large as those in servers."""
    return bool(accelerator.nvlink_bandwidth) and accelerator.memory_total >= SERVER_MEMORY


def quants_for(model: Model, engine: str) -> tuple[str, ...]:
    """Quantisations worth trying, closest to the original first: published ones where that is known."""
    if model.quant is not None:
        return (model.quant,)
    offered = get_engine(engine).quants(model)
    if engine == "vllm":
        return with_published(model, offered)
    ladder = tuple(q for q in GGUF_LADDER if q in offered)
    native = tuple(q for q in offered if q.startswith("MXFP4"))
    if native and (model.architecture.quantization or {}).get("quant_method") == "mxfp4":
        # Trained in MXFP4: anything else is larger or worse.
        return native
    return ladder or offered


def with_published(model: Model, offered: tuple[str, ...]) -> tuple[str, ...]:
    """Add the quantised checkpoints that are published for a catalogue model, largest first.

    A format that the model itself is published in comes before all others: what is made of it is no closer to it,
    however many bits it takes. Sixteen bits, and eight made of them while loading, only where there is a checkpoint
    to load them from.
    """
    if model.entry is None:
        return offered
    files = [f for f in model.entry.files if f.format == "safetensors"]
    listed = dict.fromkeys(q for f in files for q in f.quants if q in CHECKPOINT_BITS)
    own = {q for f in files if f.repo == model.id for q in f.quants}
    whole = not own or model.id.lower().endswith("-bf16") or bool(_WHOLE & {*own, *listed})
    alone = not whole and bool(listed) and not model.architecture.quantization
    names = listed if alone else dict.fromkeys((*offered, *listed))
    native = offered[:1] if model.architecture.quantization else ()
    return tuple(sorted(names, key=lambda q: (q not in native, -CHECKPOINT_BITS.get(q, 16.0))))


def offered_quants(model: Model, engine: str) -> tuple[str, ...]:
    """Every quantisation that may be asked for by name, published checkpoints included."""
    offered = get_engine(engine).quants(model)
    return with_published(model, offered) if engine == "vllm" else offered


def ladders(
    question: PlanQuestion, engine: str, *, last_resort: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the quantisations to try on GPUs alone, and those to try with the help of RAM.

    Judged by average bits only, generously: what is left out cannot fit, what is tried may still not.
    """
    model, machine = question.model, question.machine
    names = quants_for(model, engine)
    if not last_resort:
        names = tuple(q for q in names if q not in LAST_RESORT)
    if engine == "vllm" or any(q not in GGUF_LADDER for q in names):
        return names, ()
    weights = model.architecture.parameters() / 8 * BITS_SLACK
    gpu = sum(a.memory_free for a in machine.accelerators)
    ram = sum(h.ram_available for h in machine.hosts)
    whole = tuple(q for q in names if GGUF_LADDER[q] * weights < gpu)
    if machine.unified:
        if not machine.host.beyond_gpus:
            return (whole or names[-1:]), ()
        gpu = 0
    spill = tuple(q for q in HYBRID_LADDER if q in names and GGUF_LADDER[q] * weights < gpu + ram)
    return whole, (spill or names[-1:])


def bits_of(quant: str) -> float:
    """Bits a weight that a whole model takes on average in this quantisation."""
    return GGUF_LADDER.get(quant) or CHECKPOINT_BITS.get(quant, SIXTEEN_BITS)
