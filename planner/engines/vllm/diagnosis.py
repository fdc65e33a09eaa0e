"""What vLLM's messages mean, with their numbers put together (files of vLLM 0.33.0 in messages.json)."""

from __future__ import annotations

import math
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Rule, Weight, plain_finding

PROGRAMS: Final = ("vllm",)
SIGN: Final = r"\bvLLM\b|vllm|EngineCore|max_num_seqs|max_model_len|--max-model-len"  # in any case
UTILIZATION: Final = "--gpu-memory-utilization"
LENGTH: Final = "--max-model-len"
SEQUENCES: Final = "--max-num-seqs"
# Sequences that one GPU serves well beside a short cache; what people set after such a refusal.
FEW_SEQUENCES: Final = 32


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
    return Finding(
        Cause.UNSEEN_MEMORY,
        Weight.PROVEN,
        f"Something else holds GPU memory already: {total - free:.2f} of {total:.2f} GiB are taken before"
        " the start.",
        (
            f"{share:g} of {total:.2f} GiB are {wanted:.2f} GiB; {free:.2f} GiB are free: short by"
            f" {short:.2f} GiB.",
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


def no_room_for_any_block(evidence: Evidence) -> Finding | None:
    """'No available memory for the cache blocks': weights and activations take all of the share."""
    seen = evidence.first("e64")
    if seen is None:
        return None
    left = evidence.last("e79")
    figure = left.number("g") if left else None
    weights = evidence.memory.weights() if evidence.memory is not None else None
    why = ["utilisation × total, less weights, activations and CUDA graphs, is not one block of KV cache."]
    if figure is not None:
        why.append(f"What is left is {figure:.2f} GiB (line {left.line if left else ''}).")
    if weights and evidence.memory is not None:
        why.append(f"{evidence.memory.name}'s weights are {weights / (1 << 30):.1f} GiB over all GPUs.")
    return Finding(
        Cause.TOO_LARGE,
        Weight.NUMBERS,
        "Nothing is left for the KV cache.",
        tuple(why),
        (
            Fix(f"{UTILIZATION} 0.95", "less room for peaks", {UTILIZATION: "0.95"}),
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


def out_of_memory_while(evidence: Evidence) -> Finding | None:
    """PyTorch's own out of memory: what decides is when it came."""
    seen = evidence.first("e68", "e69")
    if seen is None:
        return None
    stages = (
        (
            ("load_model", "loading weights", "create_weights"),
            Cause.TOO_LARGE,
            " while the weights were loaded: they do not fit",
            (Fix("--tensor-parallel-size 2, or a quantised checkpoint", "another GPU, or quality"),),
        ),
        (
            ("capture", "cudagraph", "cuda graph"),
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
    return Finding(
        cause,
        Weight.NUMBERS,
        f"The GPU ran out of memory{when}.",
        (f"Line {seen.line}: {shown}.",),
        (*fixes, Fix(f"{UTILIZATION} lower by 0.03 to 0.05", "KV cache")),
        ask=() if told else ("the lines of the traceback above it",),
        line=seen.line,
    )


def plain(evidence: Evidence) -> Finding | None:
    """What is left: the message's own meaning; a wrapper and a notice last."""
    order = {
        "e70": Cause.UNSUPPORTED,
        "e71": Cause.UNSUPPORTED,
        "e72": Cause.UNSUPPORTED,
        "e74": Cause.ENGINE_LIMIT,
        "e75": Cause.CONTEXT_TOO_LARGE,
        "e76": Cause.UNSUPPORTED,
        "e81": Cause.SLOTS_CONTEXT,
        "e82": Cause.UNSEEN_MEMORY,
        "e78": Cause.UNKNOWN,
        "e79": Cause.NOTICE,
        "e80": Cause.NOTICE,
    }
    weights = {"e78": Weight.WRAPPER, "e79": Weight.NOTICE, "e80": Weight.NOTICE}
    for ident, cause in order.items():
        seen = evidence.first(ident)
        if seen is not None:
            return plain_finding(seen, cause, weights.get(ident, Weight.MESSAGE))
    return None


RULES: Final[tuple[Rule, ...]] = (
    taken_before_the_start,
    one_request_does_not_fit,
    no_room_for_any_block,
    more_sequences_than_states,
    heads_do_not_divide,
    shared_memory_too_small,
    out_of_memory_while,
    plain,
)
