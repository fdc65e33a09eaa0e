"""What vLLM's messages mean, with their numbers put together (files of vLLM 0.33.0 in messages.json)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Rule, Seen, Sizing, Step, Weight
from planner.engines.refused_options import option_refused
from planner.fast_dataclass import dataclass
from planner.units import GIB

PROGRAMS: Final = ("vllm",)
SIGN: Final = r"\bvLLM\b|vllm|EngineCore|max_num_seqs|max_model_len|--max-model-len"  # in any case
LOG: Final = "the log from its start, to the first error"
UTILIZATION: Final = "--gpu-memory-utilization"
LENGTH: Final = "--max-model-len"
SEQUENCES: Final = "--max-num-seqs"
# Sequences that one GPU serves well beside a short cache; what people set after such a refusal.
FEW_SEQUENCES: Final = 32


UNIFIED_LOW, UNIFIED_HIGH = 119.0, 123.0  # GiB that a GB10 reports: no other GPU has that much
_UNIFIED: Final = (
    "This GPU shares the RAM with the system: page cache, services and the desktop count as taken, and"
    " some of it is never"
    " free for CUDA (about 102 GiB of 121.7 on a GB10)."
)


def taken_before_the_start(evidence: Evidence) -> Finding | None:
    """'Free memory on device … is less than desired' (vllm/v1/worker/utils.py)."""
    seen = evidence.first("e63")
    if seen is None:
        return None
    free, total = seen.number("free") or 0.0, seen.number("total") or 0.0
    wanted, share = seen.number("want") or 0.0, seen.number("util") or 0.0
    if not total:
        return None
    limit = free / total
    below = math.floor(limit * 100) / 100
    short = wanted - free
    shared = UNIFIED_LOW < total < UNIFIED_HIGH or evidence.has("GB10", "Spark", "Jetson", "Thor")
    what = (
        "Something else holds GPU memory already" if not shared else "Not all of the unified memory is free"
    )
    return Finding(
        Cause.UNSEEN_MEMORY,
        Weight.PROVEN,
        f"{what}: {total - free:.2f} of {total:.2f} GiB are taken before the start.",
        (
            f"{share:g} of {total:.2f} GiB are {wanted:.2f} GiB; {free:.2f} GiB are free: short by"
            f" {short:.2f} GiB.",
            *((_UNIFIED,) if shared else ()),
            f"The largest utilisation that passes is {free:.2f} / {total:.2f} = {limit:.4f}, so"
            f" {below:.2f} does"
            f" ({below * total:.2f} GiB).",
        ),
        (
            Fix(
                f"{UTILIZATION} {below:.2f}",
                f"{(share - below) * total:.2f} GiB less for the KV cache",
                {UTILIZATION: f"{below:.2f}"},
            ),
            Fix(
                "end the other process (nvidia-smi names it: another server, a left-over EngineCore, the"
                " desktop)",
                "none",
            ),
            Fix("on unified memory: echo 3 > /proc/sys/vm/drop_caches before the start", "none"),
        ),
        line=seen.line,
    )


def one_request_does_not_fit(evidence: Evidence) -> Finding | None:
    """'To serve at least one request with the model's max seq len' (vllm/v1/core/kv_cache_utils.py)."""
    seen = evidence.first("e65", "e66")
    if seen is None:
        return None
    length = seen.number("len") or 0.0
    need, have = seen.number("need"), seen.number("have")
    longest = seen.number("max") or seen.number("tok")
    if longest is None and need and have and have > 0:
        longest = length * have / need  # of a cache that grows with the length alone
    round_down = int(longest // 1024 * 1024) if longest and longest > 2048 else int(longest or 0)
    why = []
    if need and have:
        why.append(
            f"One request of {length:,.0f} tokens takes {need:.2f} GiB of KV cache; {have:.2f} GiB are"
            " left for it after weights,"
            f" activations and graphs: {need - have:.2f} GiB too little."
        )
    if longest:
        why.append(f"About {longest:,.0f} tokens fit.")
    stages = evidence.number("--pipeline-parallel-size", "-pp")
    if stages and stages > 1:
        why.append(
            f"With {stages} pipeline stages the one with the least room decides for all: give the"
            f" larger GPU more layers"
            " (VLLM_PP_LAYER_PARTITION), or fewer to the smaller one."
        )
    fixes = []
    if round_down > 0:
        fixes.append(Fix(f"{LENGTH} {round_down}", "context", {LENGTH: str(round_down)}))
    fixes += [
        Fix("--kv-cache-dtype fp8", "little quality; twice the tokens", {"--kv-cache-dtype": "fp8"}),
        Fix(f"{UTILIZATION} 0.95", "less room for peaks", {UTILIZATION: "0.95"}),
        Fix("--tensor-parallel-size 2, or a smaller quantisation", "another GPU, or quality"),
    ]
    return Finding(
        Cause.CONTEXT_TOO_LARGE,
        Weight.PROVEN,
        "The KV cache cannot hold one request of the full length (max_model_len).",
        tuple(why),
        tuple(fixes),
        line=seen.line,
    )


@dataclass(frozen=True, slots=True)
class _Parts:
    """Where the memory of a start went, as vLLM's own line says it."""

    share: float
    said: str


def _where_it_goes(evidence: Evidence) -> _Parts | None:
    """The identity of vllm/v1/worker/gpu_worker.py and of V0's worker.py: share × total less the parts is the cache."""
    one, whole_line = evidence.last("e137"), evidence.last("e136")
    seen = one or evidence.last("e135")
    total = (one or whole_line) and (one or whole_line or seen)
    if seen is None or total is None:
        return None
    all_, share = total.number("t") or 0.0, total.number("u") or 0.0
    weights, active = seen.number("w") or 0.0, seen.number("a") or 0.0
    other, graphs = seen.number("n") or 0.0, seen.number("c") or 0.0
    left = share * all_ - weights - active - other - graphs
    named = f", graphs {graphs:.2f}" if graphs else ""
    return _Parts(
        share,
        f"{share:g} × {all_:.2f} GiB = {share * all_:.2f} GiB; weights {weights:.2f}, activations {active:.2f}, other"
        f" {other:.2f}{named}: {left:.2f} GiB are left for the KV cache.",
    )


def request_too_long(evidence: Evidence) -> Finding | None:
    """'maximum context length is N tokens. However, you requested M' (vllm/entrypoints/openai)."""
    seen = evidence.first("e168")
    if seen is None:
        return None
    held, asked = seen.number("max") or 0.0, seen.number("all") or 0.0
    prompt, answer = seen.number("in"), seen.number("out")
    fits = prompt is not None and prompt < held
    why = [f"The request asks for {asked:,.0f} tokens, the server holds {held:,.0f} for each ({LENGTH})."]
    if prompt is not None and answer is not None:
        why.append(
            f"Of these {prompt:,.0f} are the prompt and {answer:,.0f} the answer that it allows (max_tokens)."
        )
    fixes = []
    if fits and prompt is not None:
        fixes.append(Fix(f"max_tokens {held - prompt:.0f} or less in the request", "a shorter answer"))
    longer = str(int(-(-asked * 1.25 // 1024)) * 1024)
    fixes += [
        Fix(f"{LENGTH} {longer}, where the model was trained for it", "KV cache", {LENGTH: longer}),
        Fix("let the client compact its conversation earlier", "it forgets the oldest turns"),
    ]
    return Finding(
        Cause.SLOTS_CONTEXT,
        Weight.PROVEN,
        "The request, with the answer that it asks for, is longer than the server's context.",
        tuple(why),
        tuple(fixes),
        line=seen.line,
    )


def memory_of_others(evidence: Evidence) -> Finding | None:
    """PyTorch's out of memory with what each process holds: most of it is another one's (torch/cuda, c10)."""
    seen = evidence.first("e69")
    if seen is None:
        return None
    held = _PROCESSES.findall(seen.text)
    mine = _MINE.search(seen.text)
    total = re.search(r"total capacity of ([\d.]+) GiB", seen.text)
    others = sum(float(size) for _, size in held)
    if not others or mine is None or total is None or others < float(mine[1]) / 4:
        return None
    named = ", ".join(f"process {pid} holds {size} GiB" for pid, size in held[:4])
    return Finding(
        Cause.UNSEEN_MEMORY,
        Weight.PROVEN,
        f"Another process holds {others:.2f} of the GPU's {total[1]} GiB; the one that failed has {mine[1]} GiB.",
        (
            f"Line {seen.line}: {seen.values.get('want') or 'more'} was asked for; {named}.",
            f"{total[1]} - {others:.2f} - {mine[1]} GiB are free: not enough. The share that vLLM may use"
            f" is of the whole"
            " GPU, and it does not see what others take after its start.",
            "Two processes of one server may be it, too: the API server prepares images on the GPU beside the engine.",
        ),
        (
            Fix("end the other process (nvidia-smi names it), or give each its own GPU", "none"),
            Fix(f"{UTILIZATION} lower for the engine, so that both fit", "KV cache"),
            Fix(
                'images prepared on the CPU (--mm-processor-kwargs \'{"device": "cpu"}\')',
                "slower requests with images",
            ),
        ),
        line=seen.line,
    )


_PROCESSES: Final = re.compile(r"Process (\d+) has ([\d.]{1,12}) GiB memory in use")
_MINE: Final = re.compile(r"this process has ([\d.]{1,12}) GiB memory in use")
LOW_SHARE: Final = 0.8  # below this a share leaves more of the GPU unused than peaks take


def no_room_for_any_block(evidence: Evidence) -> Finding | None:
    """'No available memory for the cache blocks': weights and activations take all of the share."""
    seen = evidence.first("e64")
    if seen is None:
        return None
    left = evidence.last("e79")
    figure = left.number("g") if left else None
    weights = evidence.memory.weights() if evidence.memory is not None else None
    why = ["utilisation × total, less weights, activations and CUDA graphs, is not one block of KV cache."]
    stated = evidence.flag(UTILIZATION)
    share = float(stated) if stated and re.fullmatch(r"0?\.\d{1,4}", stated) else None
    parts = _where_it_goes(evidence)
    if parts is not None:
        why.append(parts.said)
        share = share or parts.share
        stated = stated or f"{parts.share:g}"
    elif share is not None:
        why.append(
            f"{UTILIZATION} is {stated}: of an 80 GiB GPU that is {share * 80:.0f} GiB, for everything."
        )
    if share is not None and share < LOW_SHARE:
        why.append(f"The share is low: {1 - share:.0%} of the GPU are not used at all.")
    if figure is not None and parts is None:
        why.append(f"What is left is {figure:.2f} GiB (line {left.line if left else ''}).")
    if weights and evidence.memory is not None:
        why.append(f"{evidence.memory.name}'s weights are {weights / (1 << 30):.1f} GiB over all GPUs.")
    why.append(
        "A model that sees images or video takes room for the largest of them in the profiling run, too."
    )
    raised = "0.90" if share is not None and share < LOW_SHARE else "0.95"
    return Finding(
        Cause.TOO_LARGE,
        Weight.NUMBERS,
        "Nothing is left for the KV cache.",
        tuple(why),
        (
            Fix(f"{UTILIZATION} {raised}", "less room for peaks", {UTILIZATION: raised}),
            Fix(
                "--max-num-batched-tokens 2048 --max-num-seqs 16",
                "throughput",
                {"--max-num-batched-tokens": "2048", SEQUENCES: "16"},
            ),
            Fix("--limit-mm-per-prompt '{\"image\": 0}' where only text is asked", "no images"),
            Fix("--enforce-eager", "slower decode", {"--enforce-eager": ""}),
            Fix("--tensor-parallel-size 2, or a smaller quantisation", "another GPU, or quality"),
        ),
        line=seen.line,
    )


def more_sequences_than_states(evidence: Evidence) -> Finding | None:
    """'exceeds available Mamba cache blocks': one state block a sequence (vllm/config/compilation.py)."""
    seen = evidence.first("e67")
    if seen is None:
        return None
    blocks = int(seen.number("b") or 0)
    asked = seen.number("s") or evidence.number(SEQUENCES)
    tight = blocks < 256
    wanted = FEW_SEQUENCES if tight and blocks >= FEW_SEQUENCES else blocks
    by_default = "" if evidence.flag(SEQUENCES) else " (its default)"
    why = [
        "This model is a hybrid: beside the KV cache each sequence needs a block for its recurrent state."
        " There are"
        f" {blocks:,} such blocks; max_num_seqs is {f'{asked:,.0f}' if asked else 'larger'}{by_default}.",
        "These are state blocks, not tokens of KV cache: the context fits, and a shorter one changes little.",
        "The check comes with full CUDA graphs, which are captured for every sequence at once.",
    ]
    fixes = [Fix(f"{SEQUENCES} {wanted}", "sequences that nobody serves at once", {SEQUENCES: str(wanted)})]
    if wanted != blocks:
        fixes.append(
            Fix(f"{SEQUENCES} {blocks}: the most that starts", "leaves no headroom", {SEQUENCES: str(blocks)})
        )
        fixes.append(Fix(f"{LENGTH} halved as well: little cache is left", "context"))
    fixes.append(Fix(f"{UTILIZATION} higher: more blocks", "less room for peaks"))
    return Finding(
        Cause.ENGINE_LIMIT,
        Weight.PROVEN,
        f"More sequences are allowed than there are state blocks: {blocks:,}.",
        tuple(why),
        tuple(fixes),
        line=seen.line,
    )


def heads_do_not_divide(evidence: Evidence) -> Finding | None:
    """'Total number of attention heads must be divisible by tensor parallel size'."""
    seen = evidence.first("e73")
    if seen is None:
        return None
    heads, ranks = int(seen.number("h") or 0), int(seen.number("tp") or 0)
    divisor = next((n for n in range(ranks - 1, 0, -1) if heads and heads % n == 0), 1)
    return Finding(
        Cause.ENGINE_LIMIT,
        Weight.PROVEN,
        f"{heads} attention heads cannot be shared by {ranks} GPUs.",
        (
            f"Tensor parallel cuts the heads: {heads} / {ranks} is no whole number. It is no shortage of"
            " memory.",
        ),
        (
            Fix(
                f"--tensor-parallel-size {divisor}",
                f"{ranks - divisor} GPUs idle",
                {"--tensor-parallel-size": str(divisor)},
            ),
            Fix(
                f"--tensor-parallel-size 1 --pipeline-parallel-size {ranks}",
                "slower for one user",
                {"--tensor-parallel-size": "1", "--pipeline-parallel-size": str(ranks)},
            ),
            Fix("llama.cpp, which splits by layers over any number of GPUs", "fewer users at once"),
        ),
        line=seen.line,
    )


def shared_memory_too_small(evidence: Evidence) -> Finding | None:
    """NCCL needs /dev/shm, of which a container has 64 MB by default."""
    seen = evidence.first("e77")
    shm = evidence.has("/dev/shm", "shared memory segment")
    if seen is None and not (shm and evidence.has("nccl")):
        return None
    return Finding(
        Cause.ENGINE_LIMIT,
        Weight.PROVEN if shm else Weight.NUMBERS,
        "The container's shared memory (/dev/shm) is too small for NCCL, not the GPUs' memory."
        if shm
        else "NCCL failed: most often /dev/shm of the container is too small (64 MB by default).",
        ("GPUs of one host talk through segments in /dev/shm; Docker gives a container 64 MB of it.",),
        (
            Fix("docker run --ipc=host, or --shm-size=16g", "none", {"--ipc": "host"}),
            Fix("Kubernetes: an emptyDir with medium: Memory at /dev/shm", "none"),
            Fix(
                "NCCL_P2P_DISABLE=1, if it goes on (PCIe with IOMMU or ACS)",
                "slower tensor parallel",
                env={"NCCL_P2P_DISABLE": "1"},
            ),
        ),
        line=seen.line if seen else None,
    )


_Stage = tuple[tuple[str, ...], Cause, str, tuple[Fix, ...]]


def _while_serving(graphs: Seen) -> _Stage:
    """It had started: what grows then is the activations, beside graphs that were captured."""
    taken = graphs.values["g"]
    return (
        (),
        Cause.EXTRA_UNCOUNTED,
        f" after the start: CUDA graphs took {taken} GiB beside what was planned, and a request found no room",
        (
            Fix("--max-num-seqs 64: fewer and smaller graphs", "fewer requests at once", {SEQUENCES: "64"}),
            Fix("--enforce-eager", "slower decode", {"--enforce-eager": ""}),
        ),
    )


def out_of_memory_while(evidence: Evidence) -> Finding | None:
    """PyTorch's own out of memory: what decides is when it came."""
    seen = evidence.first("e68", "e69")
    if seen is None:
        return None
    stages: tuple[_Stage, ...] = (
        (
            ("multi-modal embeddings", "multimodal encoder", "encoder cache", "visual", "vision_"),
            Cause.EXTRA_UNCOUNTED,
            " for images or video: the profiling run makes room for the largest of them at once",
            (
                Fix('--limit-mm-per-prompt \'{"image": 1, "video": 0}\'', "fewer images in a request"),
                Fix("--max-num-seqs 16", "fewer requests at once", {SEQUENCES: "16"}),
            ),
        ),
        (
            ("load_model", "loading weights", "create_weights"),
            Cause.TOO_LARGE,
            " while the weights were loaded: they do not fit",
            (Fix("--tensor-parallel-size 2, or a quantised checkpoint", "another GPU, or quality"),),
        ),
        (
            ("capture", "capturing", "cudagraph", "cuda graph"),
            Cause.EXTRA_UNCOUNTED,
            " while CUDA graphs were captured: the KV cache took the room",
            (
                Fix("--max-cudagraph-capture-size 32", "slower decode with many users"),
                Fix("--enforce-eager", "slower decode", {"--enforce-eager": ""}),
            ),
        ),
        (
            ("profile_run", "_dummy_run", "determine_available_memory"),
            Cause.EXTRA_UNCOUNTED,
            " in the profiling run: activations of one step do not fit",
            (Fix("--max-num-batched-tokens 2048", "slower prefill", {"--max-num-batched-tokens": "2048"}),),
        ),
        (
            ("warming up sampler", "warming up pooler", "dummy requests"),
            Cause.EXTRA_UNCOUNTED,
            " when the sampler was warmed up: logits of all sequences at once",
            (Fix(f"{SEQUENCES} 64", "fewer requests at once", {SEQUENCES: "64"}),),
        ),
    )
    told = next((stage for stage in stages if evidence.has(*stage[0])), None)
    graphs = evidence.last("e172")
    if graphs is not None and graphs.line < seen.line:
        told = _while_serving(graphs)
    _, cause, when, fixes = told or (
        (),
        Cause.EXTRA_UNCOUNTED,
        "; whether it was loading, profiling, capturing or serving decides what helps",
        (),
    )
    want, free = seen.values.get("want"), seen.values.get("free")
    shown = (
        f"{want} were asked for, {free} of {seen.values['total']} were free"
        if want and free
        else seen.text.strip()[:160].rstrip(".")
    )
    parts = _where_it_goes(evidence)
    why = [f"Line {seen.line}: {shown}."]
    if parts is not None:
        why.append(f"{parts.said} CUDA graphs come on top of that, out of what the share leaves free.")
    if graphs is not None:
        why.append(f"CUDA graphs took {graphs.values['g']} GiB (line {graphs.line}).")
    return Finding(
        cause,
        Weight.NUMBERS,
        f"The GPU ran out of memory{when}.",
        tuple(why),
        (*fixes, Fix(f"{UTILIZATION} lower by 0.03 to 0.05", "KV cache")),
        ask=() if told else ("the lines of the traceback above it",),
        line=seen.line,
    )


_STEPS: Final = (
    Step(
        Fix("--max-num-batched-tokens 2048", "slower prefill", {"--max-num-batched-tokens": "2048"}),
        {"max_num_batched_tokens": 2048},
    ),
    Step(Fix("--max-num-seqs 16", "users at once", {SEQUENCES: "16"}), {"max_num_seqs": 16}),
    Step(
        Fix(f"{UTILIZATION} 0.95", "less room for peaks", {UTILIZATION: "0.95"}),
        {"gpu_memory_utilization": 0.95},
    ),
    Step(Fix("--enforce-eager", "slower decode", {"--enforce-eager": ""}), {"enforce_eager": True}),
    Step(
        Fix("--kv-cache-dtype fp8", "little quality", {"--kv-cache-dtype": "fp8"}), {"kv_cache_dtype": "fp8"}
    ),
    Step(Fix("--max-model-len {}", "context", {LENGTH: ""}), context="max_model_len"),
)
SIZING: Final = Sizing(_STEPS)
_LOADED: Final = re.compile(r"Model loading took ([\d.]{1,10}) Gi?B")


def logged(evidence: Evidence) -> Mapping[str, int]:
    """Return what the log says of the weights of one GPU, bytes."""
    said = _LOADED.search(evidence.text)
    alone = evidence.flag("--tensor-parallel-size", "--pipeline-parallel-size") in (None, "1")
    return {"weights": round(float(said[1]) * GIB)} if said and alone and said[1].count(".") < 2 else {}


RULES: Final[tuple[Rule, ...]] = (
    option_refused,
    taken_before_the_start,
    one_request_does_not_fit,
    no_room_for_any_block,
    request_too_long,
    memory_of_others,
    more_sequences_than_states,
    heads_do_not_divide,
    shared_memory_too_small,
    out_of_memory_while,
)
