"""llama.cpp's command line: llama-server with every flag that makes the plan true.

Flags are those of llama.cpp b11434 (common/arg.cpp); every one that the plan's memory rests on is printed, and
--fit is switched off, so that what was planned is what runs. Where --fit does as well, there is a command for it.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any, Final

from planner.engines.launch import Launch, file_stem
from planner.engines.llama_cpp.builds import installed_build
from planner.models.model import Model
from planner.models.sources import gguf_repository
from planner.plan import FitAdvice, Plan

# setting -> flag, in the order of the command line; only what the plan holds is printed
_VALUES: Final[Mapping[str, str]] = {
    "n_ctx": "-c",
    "n_parallel": "-np",
    "n_gpu_layers": "-ngl",
    "n_cpu_moe": "--n-cpu-moe",
    "split_mode": "-sm",
    "main_gpu": "-mg",
    "n_batch": "-b",
    "n_ubatch": "-ub",
    "flash_attn": "-fa",
    "cache_type_k": "-ctk",
    "cache_type_v": "-ctv",
    "threads": "-t",
    "cache_ram_mib": "--cache-ram",
    "n_ctx_checkpoints": "--ctx-checkpoints",
    "image_max_tokens": "--image-max-tokens",
    "moe_cache_mib": "--moe-cache-mib",
    "spec_draft_n_max": "--spec-draft-n-max",
    "spec_draft_ngl": "-ngld",
    "spec_draft_type_k": "-ctkd",
    "spec_draft_type_v": "-ctvd",
}
_DEFAULTS: Final[Mapping[str, Any]] = {
    "n_batch": 2048,
    "n_ubatch": 512,
    "flash_attn": "auto",
    "cache_type_k": "f16",
    "cache_type_v": "f16",
    "split_mode": "layer",
    "main_gpu": 0,
}
# setting -> flag for True, flag for False; only values other than the default are in a plan
_SWITCHES: Final[Mapping[str, tuple[str, str]]] = {
    "cpu_moe": ("--cpu-moe", ""),
    "kv_offload": ("", "-nkvo"),
    "op_offload": ("", "--no-op-offload"),
    "swa_full": ("--swa-full", ""),
    "repack_weights": ("", "--no-repack"),
    "embeddings": ("--embeddings", ""),
    "kv_unified": ("-kvu", ""),
}
PORT: Final = 8080
_FIT_CONTEXT: Final = 4096  # tokens a sequence that --fit keeps, rather than leave layers on the host


def llama_server(plan: Plan, model: Model) -> Launch:
    """Return llama-server's command for a plan."""
    argv, source = _start(plan, model)
    placed = (
        llama_arguments(plan.settings)
        if installed_build(plan.request.machine).fits
        else _flags(plan.settings)
    )
    words = [*argv, *_port(plan), *placed]
    paths = tuple(words[at + 1] for at, word in enumerate(words) if word in ("-m", "-md"))
    return Launch(shlex.join(words), env=dict(plan.env), source=source, paths=paths)


def fit_command(plan: Plan, model: Model, advice: FitAdvice) -> str:
    """Return the command that leaves placement, and a context nobody asked for, to llama-server."""
    left = {"n_gpu_layers", "tensor_split", "split_mode", "main_gpu"} | (
        {"n_ctx"} if advice.shrinks else set()
    )
    kept = {name: value for name, value in plan.settings.items() if name not in left}
    fit = [
        "-fit",
        "on",
        "-fitt",
        str(advice.target),
        *(("-fitc", str(_FIT_CONTEXT)) if advice.shrinks else ()),
    ]
    words = [*_start(plan, model)[0], *_port(plan), *_flags(kept), *fit]
    return shlex.join([*words, *plan.request.written.kept])


def _port(plan: Plan) -> list[str]:
    """Say the port: without it b11434 listens on 8080, b11549 on 9931 (common/common.h)."""
    return [] if "--port" in plan.request.written.kept else ["--port", str(PORT)]


def _start(plan: Plan, model: Model) -> tuple[list[str], str | None]:
    """The command with its model, and where that comes from."""
    argv, source = ["llama-server"], None
    if model.path is not None:
        argv += ["-m", model.path]
        source = model.path
    else:
        repository = gguf_repository(model, plan.quant)
        if repository is not None:
            argv += ["-hf", f"{repository}:{plan.quant}"]
            source = repository
            if model.file is not None:
                argv[-1] = repository
                argv += ["-hff", model.file]
        else:
            argv += ["-m", f"{file_stem(model)}-{plan.quant}.gguf"]
    if source is not None and model.path is None and not plan.settings.get("mmproj"):
        argv.append("--no-mmproj")  # the projector's memory is not part of the plan
    return argv, source


def llama_arguments(settings: Mapping[str, Any]) -> list[str]:
    """Return the flags that make a plan's settings true."""
    return [*_flags(settings), "-fit", "off"]


def _flags(settings: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for name, flag in _VALUES.items():
        value = settings.get(name)
        if value is None or value == _DEFAULTS.get(name, object()):
            continue
        words += [flag, str(value)]
    if settings.get("n_gpu_layers") == 0:
        words += ["-dev", "none"]  # else the GPU would still be used for large batches
    split = settings.get("tensor_split")
    if split:
        words += ["-ts", ",".join(f"{share:g}" for share in split)]
    overrides = settings.get("override_tensor")
    if overrides:
        words += ["-ot", ",".join(f"{pattern}={buffer}" for pattern, buffer in overrides)]
    for name, (on, off) in _SWITCHES.items():
        if name not in settings or (name == "op_offload" and settings.get("n_gpu_layers") == 0):
            continue
        flag = on if settings[name] else off
        if flag:
            words.append(flag)
    if settings.get("mmap") is False:
        words += ["-lm", "none"]
    draft = settings.get("spec_draft_model")
    if draft is not None:
        words += ["-md" if draft.endswith(".gguf") else "-hfd", draft]
    if settings.get("spec_type", "none") != "none":
        words += ["--spec-type", settings["spec_type"]]
    return words
