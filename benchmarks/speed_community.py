"""Community runs as cases: a row of community.jsonl (llmfit's own files, MIT) -> a row in the schema of speed.jsonl.

Such a row names what its machine's system calls the device, the model as the person called it, and a mean over a
few short answers. What it doesn't say (residency, quantisation, power limits, the backend) stays unsaid.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.speed_hardware import known
from planner.models.catalogue.catalogue import lookup
from planner.speed.weights import quant_name

_ENGINES: Final = {"ollama": "ollama", "llamacpp": "llama.cpp", "mlx": "mlx", "vllm": "vllm"}
# integrated GPUs that no engine of these rows has kernels for: the processor computed
_NO_KERNELS: Final = re.compile(r"3rd Gen Core|UHD Graphics|^AMD/ATI$", re.IGNORECASE)
_PLACED: Final = re.compile(r"(?:-latest)?(?:-enfixed|-v2ctx65k)?-agent-(cpu|gpu(\d+))$")
_DOTTED: Final = re.compile(r"(?<=[a-z])-?(\d)-(\d)(?=-|$)")
_SHORT: Final = "llmfit bench (short prompt, up to 300 tokens)"


def is_community(row: Mapping[str, Any]) -> bool:
    """True for a row of llmfit's files."""
    return "engine" not in row and {"hw", "prov", "model", "tps"} <= row.keys()


def community_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same run in the schema of speed.jsonl. Raises KeyError for an engine that isn't known."""
    engine = _ENGINES[str(row["prov"])]
    hardware, cpu = str(row["hw"]), str(row["cpu"])
    name = str(row["model"]).removesuffix(":latest").lower()
    placed = _PLACED.search(name)
    if placed:
        name = _DOTTED.sub(r"\1.\2", name[: placed.start()])
    entry = lookup(name)
    tag = next((t for t in entry.ollama if t.tag == name), None) if entry else None
    out: dict[str, Any] = {
        "id": f"llmfit-{row.get('t')}-{name}",
        "engine": engine,
        "date": row.get("date"),
        "model": entry.id if entry else name,
        "model_raw": str(row["model"]),
        "model_kind": "moe" if re.search(r"moe|-a\d+(\.\d+)?b", name) else "dense",
        "quant": tag.quant if tag else _quant(name, engine),
        "hardware": hardware,
        "hw_key": _device(hardware, cpu, float(row["vram"])),
        "hw_count": 1,
        "cpu": cpu,
        "residency": "unknown",
        "test": _SHORT,
        "n_gen": row.get("out"),
        "depth": 0,
        "decode_tps": row["tps"],
    }
    if tag and tag.size:
        out["file_size_gib"] = tag.size / 2**30
    if engine == "ollama" and hardware.startswith(("AMD", "Radeon", "Intel")):
        out["backend"] = "Vulkan"  # what Ollama runs integrated and most desktop Radeon GPUs by
    if _NO_KERNELS.search(hardware) or (placed and placed.group(1) == "cpu"):
        return {**out, "residency": "cpu", "hw_key": cpu}
    if placed and placed.group(2) != "100":
        out |= {"residency": "partial", "gpu_share": int(placed.group(2)) / 100}
    out["vram_gib"] = row.get("vram") if not row.get("uni") else None
    return out


def _quant(name: str, engine: str) -> str | None:
    """The quantisation that a name states, or what the engine pulls by default."""
    try:
        quant_name(name)
    except KeyError:
        return "Q4_K_M" if engine in {"ollama", "llama.cpp"} else None
    return name


def _device(hardware: str, cpu: str, gib: float) -> str:
    """The device as profiles and tables call it; `gib`: of all GPUs, an integrated one among them."""
    if hardware in {"AMD GPU", "AMD/ATI"}:
        hardware = cpu
    for words, device in (("780M", "Radeon 780M"), ("Iris Xe", "Iris Xe"), ("B390", "Arc B390")):
        if words in hardware:
            return device
    text = re.sub(r"^(NVIDIA|AMD)\s+|GeForce |Radeon (?=RX)| GPU$", "", hardware)
    text = text.replace(" with Max-Q Design", " Max-Q")
    sizes = (round(gib), *(n for n in (48, 32, 24, 20, 16, 12, 11, 10, 8, 6, 4) if n < gib))
    return next((f"{text} {n}GB" for n in sizes if known(f"{text} {n}GB")), text)
