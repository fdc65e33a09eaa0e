"""The command lines of llama.cpp (llama-server) and Ollama, with the files and environment that they need.

Flags are those of llama.cpp b11434 (common/arg.cpp); every one that the plan's memory rests on is printed, and
--fit is switched off, so that what was planned is what runs. Where --fit does as well, there is a command for it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from planner.launching.render import Launch
from planner.models.model import Model
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
# Who publishes GGUF files of everything, best kept up first.
_PUBLISHERS: Final = ("ggml-org", "unsloth", "bartowski", "lmstudio-community")
_FIT_CONTEXT: Final = 4096  # tokens a sequence that --fit keeps, rather than leave layers on the host
_UNSAFE: Final = re.compile(r"[^a-z0-9._-]+")


def llama_server(plan: Plan, model: Model) -> Launch:
    """Return llama-server's command for a plan."""
    argv, source = _start(plan, model)
    words = [*argv, *llama_arguments(plan.settings)]
    return Launch(shlex.join(words), env=dict(plan.env), source=source)


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
    return shlex.join([*_start(plan, model)[0], *_flags(kept), *fit])


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
            argv += ["-m", f"{_file_stem(model)}-{plan.quant}.gguf"]
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


def gguf_repository(model: Model, quant: str) -> str | None:
    """Return the repository to fetch a GGUF of this quantisation from; None where none is known."""
    if model.repository is not None:
        return model.repository
    if model.entry is None:
        return None
    wanted = _plain(quant)
    candidates = [f for f in model.entry.files if f.format == "gguf"]
    named = [f.repo for f in candidates if wanted in {_plain(q) for q in f.quants}]
    if named:
        return named[0]
    open_ones = [f.repo for f in candidates if not f.quants]

    def rank(repository: str) -> int:
        owner = repository.split("/", 1)[0]
        order = _PUBLISHERS if wanted.startswith("MXFP4") else ("unsloth", "bartowski", *_PUBLISHERS)
        return order.index(owner) if owner in order else len(order)

    return min(open_ones or [f.repo for f in candidates], key=rank, default=None)


def ollama(plan: Plan, model: Model) -> Launch:
    """Return Ollama's commands for a plan: fetch or create the model where needed, then run it.

    The environment is the server's (`ollama serve`); options of one model go into a Modelfile. So does the
    context where it is not Ollama's own: a server that runs already would not hear of the environment.
    """
    source, from_file = _ollama_source(plan, model)
    env = dict(plan.env)
    names = ["num_gpu", "num_thread"]
    # A plan that has its command already has lost the variable to its Modelfile.
    if env.pop("OLLAMA_CONTEXT_LENGTH", None) is not None or plan.command.startswith("ollama create"):
        names.insert(0, "num_ctx")
    parameters = {key: plan.settings[key] for key in names if plan.settings.get(key) is not None}
    if not from_file and not parameters:
        return Launch(shlex.join(["ollama", "run", source]), env=env, source=source)
    name = f"{_file_stem(model)}-planned"
    lines = [f"FROM {source}", *(f"PARAMETER {key} {value}" for key, value in parameters.items())]
    commands = [["ollama", "create", name, "-f", "Modelfile"], ["ollama", "run", name]]
    return Launch(
        command="\n".join(shlex.join(words) for words in commands),
        files=(("Modelfile", "\n".join(lines) + "\n"),),
        env=env,
        source=source,
    )


def _ollama_source(plan: Plan, model: Model) -> tuple[str, bool]:
    """What the model comes from, and whether that is a file that has to be imported."""
    if model.path is not None:
        return str(Path(model.path).resolve()), True
    wanted = _plain(plan.quant)
    if model.entry is not None and model.repository is None:
        for tag in model.entry.ollama:
            if _plain(tag.quant) == wanted:
                return tag.tag, False
    repository = gguf_repository(model, plan.quant)
    if repository is not None:
        return f"hf.co/{repository}:{plan.quant}", False
    return f"./{_file_stem(model)}-{plan.quant}.gguf", True


def _plain(quant: str) -> str:
    """A quantisation's name without what differs between publishers."""
    name = quant.upper().replace("-", "_")
    return {"MXFP4_MOE": "MXFP4", "FP16": "F16"}.get(name, name)


def _file_stem(model: Model) -> str:
    stem = _UNSAFE.sub("-", model.name.rsplit("/", 1)[-1].lower()).strip("-.")
    return stem.removesuffix(".gguf")[:60] or "model"
