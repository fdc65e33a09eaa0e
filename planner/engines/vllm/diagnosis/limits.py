"""Refusals that are no shortage of memory: sequences, heads, shared memory, a request that is too long."""

from __future__ import annotations

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Weight
from planner.engines.vllm.diagnosis.flags import FEW_SEQUENCES, LENGTH, SEQUENCES, UTILIZATION


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
