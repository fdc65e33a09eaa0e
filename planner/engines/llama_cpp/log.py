"""What llama.cpp's log says that it allocates: buffers, caches, the memory breakdown.

The lines are those of llama.cpp b11434 (common_memory_breakdown_print in common/fit.cpp, llama_kv_cache in
src/llama-kv-cache.cpp, sched_reserve in src/llama-context.cpp), and of the builds around it.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Final

from planner.engines.allocated import Allocated
from planner.fast_dataclass import dataclass

MIB: Final = 1 << 20
_SIZE: Final = r"(?P<size>\d+(?:\.\d+)?) MiB"
_BUFFER: Final = re.compile(
    rf"\s(?P<device>[A-Za-z][\w]*)\s+(?P<what>model|KV|RS|compute|output) buffer size\s*=\s*{_SIZE}"
)
_CACHE: Final = re.compile(
    rf"llama_(?:kv_cache|memory_recurrent|kv_cache_dsa|kv_cache_dsv4)\w*: size =\s*{_SIZE}"
)
_ROW: Final = re.compile(r"\|\s+- (?P<name>[^|(]+?)\s*(?:\([^|]*\))?\s*\|(?P<numbers>[^|]*)\|")
_N_CTX: Final = re.compile(r"llama_context: n_ctx\s+= (\d+)")
_ERROR: Final = re.compile(
    r"error loading model: (.+)|(?:GGML_ASSERT\(.+\) failed)|(?:failed|unable) to (?:load|allocate|create) (?:.+)"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the memory breakdown, bytes rounded down to whole MiB."""

    device: str  # "CUDA0", "Host", "CPU_REPACK"
    model: int
    context: int
    compute: int


@dataclass(slots=True)
class EngineLog:
    """What one pass of the engine said."""

    rows: list[Row] = field(default_factory=list)  # where the breakdown was printed
    buffers: dict[tuple[str, str], int] = field(default_factory=dict)  # (device, what) -> bytes
    cache: int = 0  # bytes of all caches, to 10 KiB
    n_ctx: int | None = None
    errors: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        """Take one line into account; a model that is loaded anew starts the account anew."""
        if "llama_model_loader: loaded meta data" in line:
            self.rows, self.buffers, self.cache, self.n_ctx = [], {}, 0, None
        elif "breakdown" in line and (row := _row(line)):
            self.rows.append(row)
        elif match := _CACHE.search(line):
            self.cache += _bytes(match["size"])
        elif match := _BUFFER.search(line):
            key = match["device"], match["what"]
            self.buffers[key] = self.buffers.get(key, 0) + _bytes(match["size"])
        elif match := _N_CTX.search(line):
            self.n_ctx = int(match[1])
        elif match := _ERROR.search(line):
            self.errors.append((match[1] or match[0]).strip()[:300])


def allocated(log: EngineLog) -> tuple[Allocated, ...]:
    """Return what a log says of each device, the host last.

    All that lies in host memory is one device: also repacked weights, and the output buffer, which the
    breakdown leaves out.
    """
    devices = [row for row in log.rows if is_device(row.device)]
    host = [row for row in log.rows if not is_device(row.device)]
    found = [
        Allocated(r.device, True, r.model, r.context, log.buffers.get((r.device, "compute"), r.compute))
        for r in devices
    ]
    names = {name for name, what in log.buffers if what == "compute" and not is_device(name)}
    compute = sum(log.buffers[name, "compute"] for name in names) or sum(r.compute for r in host)
    compute += sum(size for (_, what), size in log.buffers.items() if what == "output")
    # The caches' own lines are more precise than the breakdown, where they tell of the same memory.
    caches = sum(r.context for r in host)
    if not devices and 0 <= log.cache - caches < MIB:
        caches = log.cache
    return (*found, Allocated("host", False, sum(r.model for r in host), caches, compute))


def is_device(name: str) -> bool:
    """True for memory of its own ("CUDA0", "ROCm1", "Vulkan0", "Metal"), not pinned or plain host memory."""
    return name != "Host" and not name.startswith("CPU") and not name.endswith("_Host")


def _row(line: str) -> Row | None:
    """Read "- CUDA0 (…) | total = free + (self = model + context + compute) + unaccounted"."""
    match = _ROW.search(line)
    if match is None:
        return None
    inner = match["numbers"].rpartition("(")[2]
    figures = [int(n) for n in re.findall(r"\d+", inner.partition(")")[0])]
    if len(figures) != 4:
        return None
    _, model, context, compute = (n * MIB for n in figures)
    return Row(match["name"], model, context, compute)


def _bytes(mib: str) -> int:
    return round(float(mib) * MIB)
