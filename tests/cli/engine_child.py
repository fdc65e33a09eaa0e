"""Runs llama-server with a command line: the wheel's server takes parameters, so flags are translated.

python engine_child.py FLAG… serves until its standard input ends; its log says at which address. A flag that
isn't in the table is an error: whatever the planner prints must be known here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import xllamacpp

Setter = Callable[[Any, str], None]


def _attribute(name: str, kind: Callable[[str], Any] = str) -> Setter:
    return lambda params, value: setattr(params, name, kind(value))


def _enum(name: str, enum: Any, prefix: str, words: dict[str, str] | None = None) -> Setter:
    def set_member(params: Any, value: str) -> None:
        member = (words or {}).get(value, value.upper())
        setattr(params, name, getattr(enum, prefix + member))

    return set_member


def _model(params: Any, value: str) -> None:
    params.model.path = value


def _projector(params: Any, value: str) -> None:
    params.mmproj.path = value


def _draft(params: Any, value: str) -> None:
    params.speculative.draft.mparams.path = value


def _drafting(params: Any, value: str) -> None:
    word = value.upper().replace("-", "_")
    kind = xllamacpp.common_speculative_type
    params.speculative.types = [getattr(kind, f"COMMON_SPECULATIVE_TYPE_{word}")]


def _drafted(params: Any, value: str) -> None:
    params.speculative.draft.n_max = int(value)


def _draft_layers(params: Any, value: str) -> None:
    params.speculative.draft.n_gpu_layers = int(value)


def _threads(params: Any, value: str) -> None:
    params.cpuparams.n_threads = int(value)


def _device(params: Any, value: str) -> None:
    if value != "none":
        raise SystemExit(f"this wheel has no device {value}")


def _ignored(params: Any, value: str) -> None:
    """An option of the web server that has no bearing on memory."""


_FLASH = {"on": "ENABLED", "off": "DISABLED", "auto": "AUTO"}
WITH_VALUE: dict[str, Setter] = {
    "--model": _model,
    "--mmproj": _projector,
    "--image-max-tokens": _attribute("image_max_tokens", int),
    "--ctx-size": _attribute("n_ctx", int),
    "--gpu-layers": _attribute("n_gpu_layers", int),
    "--parallel": _attribute("n_parallel", int),
    "--batch-size": _attribute("n_batch", int),
    "--ubatch-size": _attribute("n_ubatch", int),
    "--flash-attn": _enum(
        "flash_attn_type", xllamacpp.llama_flash_attn_type, "LLAMA_FLASH_ATTN_TYPE_", _FLASH
    ),
    "--cache-type-k": _enum("cache_type_k", xllamacpp.ggml_type, "GGML_TYPE_"),
    "--cache-type-v": _enum("cache_type_v", xllamacpp.ggml_type, "GGML_TYPE_"),
    "--threads": _threads,
    "--model-draft": _draft,
    "--spec-type": _drafting,
    "--spec-draft-n-max": _drafted,
    "--gpu-layers-draft": _draft_layers,
    "--device": _device,
    "--cache-ram": _attribute("cache_ram_mib", int),
    "--ctx-checkpoints": _attribute("n_ctx_checkpoints", int),
    "--alias": _ignored,
    "--host": _ignored,
    "--port": _ignored,
    "--fit": _attribute("fit_params", lambda value: value == "on"),
}
SWITCHES: dict[str, tuple[str, bool]] = {
    "--kv-unified": ("kv_unified", True),
    "--no-kv-unified": ("kv_unified", False),
    "--jinja": ("use_jinja", True),
    "--swa-full": ("swa_full", True),
    "--no-kv-offload": ("no_kv_offload", True),
    "--metrics": ("endpoint_metrics", True),
    "--embeddings": ("embedding", True),
}
SHORT = {
    "-m": "--model",
    "-c": "--ctx-size",
    "-ngl": "--gpu-layers",
    "--n-gpu-layers": "--gpu-layers",
    "-np": "--parallel",
    "-b": "--batch-size",
    "-ub": "--ubatch-size",
    "-fa": "--flash-attn",
    "-ctk": "--cache-type-k",
    "-ctv": "--cache-type-v",
    "-t": "--threads",
    "-md": "--model-draft",
    "-ngld": "--gpu-layers-draft",
    "-dev": "--device",
    "-fit": "--fit",
    "-kvu": "--kv-unified",
    "-no-kvu": "--no-kv-unified",
}


def parameters(arguments: list[str]) -> Any:
    """Translate a command line into the server's parameters."""
    params = xllamacpp.CommonParams()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        flag = SHORT.get(word, word)
        if flag in SWITCHES:
            name, value = SWITCHES[flag]
            setattr(params, name, value)
        elif flag in WITH_VALUE:
            WITH_VALUE[flag](params, rest.pop(0))
        else:
            raise SystemExit(f"unknown flag {word}")
    return params


def main(arguments: list[str]) -> None:
    params = parameters(arguments)
    params.verbosity = 4
    params.port = 0
    params.warmup = False
    server = xllamacpp.Server(params)  # serves as long as it is referenced
    sys.stdin.read()
    del server


if __name__ == "__main__":
    main(sys.argv[1:])
