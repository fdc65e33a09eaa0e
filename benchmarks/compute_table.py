"""Measure compute.json: ``python -m benchmarks.compute_table`` (a minute or two; after changes to the graph)."""

from __future__ import annotations

import json
import sys

from planner.engines.llama_cpp.graph.reserve import compute_buffers
from planner.engines.llama_cpp.placing.placement import place
from planner.engines.llama_cpp.placing.run import Run
from planner.engines.llama_cpp.placing.weights import weight_table
from planner.engines.llama_cpp.settings import LlamaCppSettings, resolve
from planner.engines.llama_cpp.shipped.constants import FILE, UBATCH, signature
from planner.errors import PlannerError
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture
from planner.models.catalogue.catalogue import load_catalogue

_CONTEXTS = (4096, 8192, 24576, 65536)  # those up to what the model was trained for must lie on the line
_KINDS = (("Q4_K_M", "q"), ("BF16", "f"))
_BACKENDS = ((Backend.CUDA, "c"), (Backend.SYCL, "o"))


def measure(arch: Architecture, quant: str, backend: Backend) -> list[int] | None:
    """Constants of device and host; None where they differ between contexts, or no graph is known."""
    table = weight_table(arch, quant)
    found: set[tuple[int, int]] = set()
    for n_ctx in [n for n in _CONTEXTS if n <= arch.n_ctx_train] or [arch.n_ctx_train]:
        settings = LlamaCppSettings.of({"n_ctx": n_ctx, "n_outputs_max": 1})
        context = resolve(arch, settings, backend)
        if not context.flash_attn:
            return None
        placement = place(arch, settings, (1 << 46,))
        buffers = compute_buffers(Run(table, placement, settings, context, backend))
        mask = 2 * UBATCH * context.n_ctx_seq
        found.add((buffers.devices[0] - mask, buffers.host - mask))
    return list(found.pop()) if len(found) == 1 else None


def build() -> dict[str, list[int]]:
    """Measure every model of the catalogue that llama.cpp runs."""
    rows: dict[str, list[int]] = {}
    for entry in load_catalogue().entries():
        try:
            arch = entry.architecture()
        except PlannerError:
            continue
        if arch.gguf_arch is None or arch.n_ctx_train < UBATCH:
            continue
        name = signature(arch)
        for quant, kind in _KINDS:
            for backend, suffix in _BACKENDS:
                key = f"{name}{kind}{suffix}"
                if key in rows:
                    continue
                try:
                    row = measure(arch, quant, backend)
                except PlannerError as error:
                    print(f"{entry.id}: {error}", file=sys.stderr)
                    break
                if row is not None:
                    rows[key] = row
    return dict(sorted(rows.items()))


def main() -> None:
    """Write the table."""
    rows = build()
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(row)}" for key, row in rows.items())
    FILE.write_text("{\n" + lines + "\n}\n", encoding="utf-8")
    print(f"{FILE}: {len(rows)} rows")


if __name__ == "__main__":
    main()
