"""PyTorch's own out of memory: whose it is, and when it came."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Cause, Evidence, Finding, Fix, Seen, Weight
from planner.engines.vllm.diagnosis.budget import where_it_goes
from planner.engines.vllm.diagnosis.flags import SEQUENCES, UTILIZATION

_PROCESSES: Final = re.compile(r"Process (\d+) has ([\d.]{1,12}) GiB memory in use")


_MINE: Final = re.compile(r"this process has ([\d.]{1,12}) GiB memory in use")


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
    parts = where_it_goes(evidence)
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
