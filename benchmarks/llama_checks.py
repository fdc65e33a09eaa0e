"""What llama-server and Ollama refuse at their start, written from their sources and not from the planner's rules.

llama.cpp b11434 (the same in b11549 where nothing else is said): common/arg.cpp, src/llama-context.cpp
(llama_init_from_model, the constructor of llama_context), src/llama-model.cpp, tools/server/server-context.cpp. Ollama
at 00f6d62: api/types.go, envconfig/config.go, llm/llama_server.go. Each check returns why not, or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from planner.models.cache import CompressedAttention, FullAttention, LatentAttention, SlidingWindow
from planner.plan import Plan


@dataclass(frozen=True, slots=True)
class Server:
    """A llama-server as its command starts it: settings as its own parser reads them, and the plan behind it."""

    line: str
    settings: Mapping[str, Any]
    plan: Plan

    def get(self, name: str, default: Any = None) -> Any:
        """Return a setting, or what the server takes where it isn't written."""
        return self.settings.get(name, default)

    @property
    def devices(self) -> int:
        """GPUs that it sees."""
        return sum(d.kind == "gpu" for d in self.plan.memory.devices)


_BLOCKS: Final = {"f32": 1, "f16": 1, "bf16": 1}  # every other cache type has blocks of 32
_MAX_SEQUENCES: Final = 256  # LLAMA_MAX_SEQ in src/llama-cparams.h


def _heads(server: Server) -> list[tuple[int, int]]:
    """(n_embd_head_k, n_embd_head_v) of the layers that attend."""
    found: set[tuple[int, int]] = set()
    for group in server.plan.request.arch.groups:
        for spec in () if group.mtp else group.caches:
            if isinstance(spec, LatentAttention):
                found.add((spec.k_elements, spec.kv_lora_rank))
            elif isinstance(spec, CompressedAttention):
                found.add((spec.head_dim, spec.head_dim))
            elif isinstance(spec, FullAttention | SlidingWindow):
                found.add((spec.head_dim_k, spec.head_dim_v))
    return sorted(found)


def _slots(server: Server) -> str | None:
    """arg.cpp: n_parallel 0 is refused; llama_context: n_seq_max > LLAMA_MAX_SEQ throws."""
    n = server.get("n_parallel", 4)
    return None if 1 <= n <= _MAX_SEQUENCES else f"n_seq_max {n} must be 1 to {_MAX_SEQUENCES}"


def _outputs(server: Server) -> str | None:
    """server-context.cpp: a batch holds at least a row of logits for every slot."""
    batch = min(server.get("n_batch", 2048), server.get("n_ctx") or server.plan.request.arch.n_ctx_train)
    slots = server.get("n_parallel", 4)
    return None if batch >= slots else f"{slots} slots, but batches of {batch}"


def _context(server: Server) -> str | None:
    """llama_context: n_ctx_seq == 0 throws."""
    n, slots = server.get("n_ctx", 0), server.get("n_parallel", 4)
    if n < 0 or (n and not server.get("kv_unified", False) and n // slots < 1):
        return f"n_ctx {n} over {slots} slots leaves none a token"
    return None


def _quantised_v(server: Server) -> str | None:
    """llama_init_from_model: quantized V cache requires flash_attn to be enabled."""
    quantised = server.get("cache_type_v", "f16") not in _BLOCKS
    return (
        "quantized V cache requires flash_attn" if quantised and server.get("flash_attn") == "off" else None
    )


def _latent_types(server: Server) -> str | None:
    """llama_init_from_model: with MLA both cache types are the same."""
    latent = any(
        isinstance(s, LatentAttention | CompressedAttention)
        for g in server.plan.request.arch.groups
        for s in g.caches
    )
    k, v = server.get("cache_type_k", "f16"), server.get("cache_type_v", "f16")
    return f"different K ({k}) and V ({v}) cache types" if latent and k != v else None


def _head_blocks(server: Server) -> str | None:
    """llama_init_from_model: a cache type's block divides every head, under flash attention."""
    if server.get("flash_attn") == "off":
        return None
    for at, name in enumerate(("cache_type_k", "cache_type_v")):
        kind = server.get(name, "f16")
        if kind not in _BLOCKS and any(heads[at] % 32 for heads in _heads(server)):
            return f"{kind} with blocks of 32 doesn't divide a head"
    return None


def _split(server: Server) -> str | None:
    """llama_model_load and common/arg.cpp: as many shares as there are devices, and a main one among them."""
    shares, main = server.get("tensor_split", ()), server.get("main_gpu", 0)
    if len(shares) > max(server.devices, 1):
        return f"{len(shares)} shares for {server.devices} devices"
    if server.devices and not 0 <= main < server.devices:
        return f"main_gpu {main} of {server.devices}"
    if server.get("split_mode") == "row":
        return "device does not support split buffers"
    if server.get("split_mode") == "tensor" and server.get("flash_attn") == "off":
        return "SPLIT_MODE_TENSOR requires flash_attn to be enabled"
    return None


def _placed(server: Server) -> str | None:
    """common/arg.cpp parse_tensor_buffer_overrides: unknown buffer type."""
    for pattern, buffer in server.get("override_tensor", ()):
        re.compile(pattern)
        if not re.fullmatch(r"CPU|(CUDA|ROCm|Vulkan|SYCL|MTL)\d+", buffer):
            return f"unknown buffer type {buffer}"
    negative = [n for n in ("n_cpu_moe", "n_cpu_ffn", "n_gpu_layers") if server.get(n, 0) < 0]
    return f"{negative[0]} is negative" if negative else None


def _draft(server: Server) -> str | None:
    """llama-context.cpp: a context of type MTP wants prediction layers in the file."""
    if server.get("spec_type", "none") != "draft-mtp":
        return None
    held = any(g.mtp and g.in_gguf for g in server.plan.request.arch.groups)
    return None if held else "context type MTP requested but model doesn't contain MTP layers"


def _kept(server: Server) -> str | None:
    """common/common.h: -1 is no limit, 0 none."""
    if server.get("cache_ram_mib", 0) < -1 or server.get("n_ctx_checkpoints", 0) < 0:
        return "a negative limit of kept prompts"
    return None


def _port(server: Server) -> str | None:
    """tools/server/server-http.cpp binds it; without the flag the port differs by build."""
    found = re.search(r"--port (\d+)", server.line)
    return None if found and 0 < int(found[1]) < 1 << 16 else "no port is said"


def _model(server: Server) -> str | None:
    """common/arg.cpp: --model is required."""
    return None if re.search(r" -(m|hf) \S", server.line) else "error: --model is required"


def _implemented(server: Server) -> str | None:
    """llama-model-loader.cpp: unknown model architecture."""
    return None if server.plan.request.arch.gguf_arch else "unknown model architecture"


def _room(server: Server) -> str | None:
    """No device is asked for more than it has free, at the upper end of what it may take."""
    for device in server.plan.memory.devices:
        worst = device.total - device.overhead + max(device.overhead, device.overhead_high)
        if worst > device.available:
            return f"{device.name}: {worst:,} of {device.available:,} bytes"
    return None


Check = Callable[[Server], str | None]
CHECKS: Final[Mapping[str, Check]] = {
    "slots": _slots, "outputs": _outputs, "context": _context, "quantised V": _quantised_v,
    "latent cache types": _latent_types, "blocks of heads": _head_blocks, "split": _split, "placement": _placed,
    "drafting": _draft, "kept prompts": _kept, "port": _port, "model": _model, "architecture": _implemented,
    "room": _room,
}  # fmt: skip
# A runner of Ollama is started by Ollama: it has no command of its own to check.
_OF_A_RUNNER: Final = frozenset(CHECKS) - {"port", "model"}


def refusals(server: Server) -> dict[str, str]:
    """Return why llama-server would not start, by check."""
    return {name: why for name, check in CHECKS.items() if (why := check(server))}


# Options in api/types.go that a Modelfile may set, of those that a plan has
_PARAMETERS: Final = frozenset({"num_ctx", "num_gpu", "num_thread", "num_batch"})
_VARIABLES: Final[Mapping[str, str]] = {  # envconfig/config.go, and llama.cpp's own that a runner inherits
    "OLLAMA_CONTEXT_LENGTH": r"[1-9]\d*",
    "OLLAMA_NUM_PARALLEL": r"[1-9]\d*",
    "OLLAMA_KV_CACHE_TYPE": "f16|q8_0|q4_0",
    "OLLAMA_FLASH_ATTENTION": "0|1",
    "OLLAMA_GPU_OVERHEAD": r"\d+",
    "LLAMA_ARG_CACHE_RAM": r"\d+",
    "LLAMA_ARG_CTX_CHECKPOINTS": r"\d+",
}


def ollama_refusals(
    server: Server, env: Mapping[str, str], files: tuple[tuple[str, str], ...]
) -> dict[str, str]:
    """Return why Ollama, or the llama-server that it starts, would not run a plan."""
    found = {name: why for name in _OF_A_RUNNER if (why := CHECKS[name](server))}
    for name, value in env.items():
        pattern = _VARIABLES.get(name)
        if pattern is None or not re.fullmatch(pattern, value):
            found["environment"] = f"{name}={value}"
    for _, content in files:
        first, *others = content.splitlines()
        if not first.startswith("FROM "):
            found["Modelfile"] = "no FROM line"
        for line in others:
            words = line.split()
            if words and (words[0] != "PARAMETER" or words[1] not in _PARAMETERS):
                found["Modelfile"] = line
    narrow = env.get("OLLAMA_KV_CACHE_TYPE", "f16") != "f16"
    if narrow and env.get("OLLAMA_FLASH_ATTENTION") == "0":
        found["environment"] = "a quantised cache without flash attention"
    return found
