"""Docker Compose: one service that runs the plan (https://github.com/compose-spec/compose-spec).

In a Compose file `$` begins an interpolation, so every `$` of a value is written `$$`.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Final

from planner.engines.launch import Launch
from planner.engines.vllm.releases import RULES_VERSION
from planner.errors import InputError
from planner.launching.names import first_command, service_name
from planner.launching.yaml_text import to_yaml
from planner.models.model import Model
from planner.plan import ENGINE_NAMES, Placement, Plan

FILE: Final = "compose.yaml"
_VLLM_IMAGE: Final = f"vllm/vllm-openai:v{RULES_VERSION}"
_VLLM_ROCM: Final = f"vllm/vllm-openai-rocm:v{RULES_VERSION}"
_LLAMA_IMAGE: Final = "ghcr.io/ggml-org/llama.cpp"
_OLLAMA_IMAGE: Final = "ollama/ollama"


def render(plan: Plan, model: Model, shell: Launch) -> Launch:
    """Return compose.yaml and the command that starts it; InputError for an engine without an image."""
    if plan.settings.get("nnodes", 1) > 1:
        raise InputError(
            "Compose starts one machine; this plan spans several: use --format kubernetes or ray"
        )
    services = {"vllm": _vllm, "llama.cpp": _llama, "ollama": _ollama}
    if plan.engine not in services:
        raise InputError(f"there is no container image for {plan.engine}")
    name = service_name(model.name)
    service, after = services[plan.engine](plan, model, shell)
    document = {"name": name, "services": {name: service}, "volumes": {"models": {}}}
    comment = (
        f"{plan.model} ({plan.quant}) with {ENGINE_NAMES[plan.engine]}; start: docker compose up --detach"
    )
    command = "docker compose up --detach --wait"
    for words in after:
        command += "\n" + shlex.join(["docker", "compose", "exec", name, *words])
    others = tuple(f for f in shell.files if plan.engine == "ollama")
    return Launch(
        command=command,
        files=((FILE, to_yaml(document, _one_line(comment))), *others),
        source=shell.source,
    )


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def inert(text: str) -> str:
    """Return a value that Compose doesn't interpolate."""
    return text.replace("$", "$$")


def _gpus(plan: Plan) -> dict[str, Any]:
    """Reserve the GPUs that the plan uses (NVIDIA container toolkit); none for a CPU plan."""
    used = [d for d in plan.memory.devices if d.kind == "gpu"]
    if plan.placement is Placement.CPU or not used:
        return {}
    if _amd(plan):
        return {"devices": ["/dev/kfd", "/dev/dri"], "group_add": ["video", "render"]}
    chosen = plan.env.get("CUDA_VISIBLE_DEVICES")
    device: dict[str, Any] = {"driver": "nvidia", "capabilities": ["gpu"]}
    if chosen:
        device["device_ids"] = chosen.split(",")
    else:
        device["count"] = len(used)
    return {"deploy": {"resources": {"reservations": {"devices": [device]}}}}


def _amd(plan: Plan) -> bool:
    return any("AMD" in d.name or "Radeon" in d.name or "Instinct" in d.name for d in plan.memory.devices)


def _environment(shell: Launch, *, keep_devices: bool = False) -> dict[str, str]:
    env = dict(shell.env)
    if not keep_devices:
        env.pop("CUDA_VISIBLE_DEVICES", None)  # device_ids say it: inside, the GPUs are numbered from 0
    return {k: inert(v) for k, v in env.items()}


def _vllm(plan: Plan, model: Model, shell: Launch) -> tuple[dict[str, Any], list[list[str]]]:
    argv = first_command(shell)[2:]  # the image's entrypoint is `vllm serve`
    volumes: list[str | dict[str, Any]] = ["models:/root/.cache/huggingface"]
    if model.path is not None and argv and argv[0] == model.path:
        argv[0] = "/model"
        volumes.append(_mount(model.path, "/model"))
    service: dict[str, Any] = {
        "image": _VLLM_ROCM if _amd(plan) else _VLLM_IMAGE,
        "command": [inert(word) for word in argv],
        "environment": {"HF_TOKEN": "${HF_TOKEN:-}", **_environment(shell)},
        "ports": ["127.0.0.1:8000:8000"],  # no key is asked: nobody else's until the owner opens it
        "volumes": volumes,
        "ipc": "host",  # ranks share tensors through /dev/shm
        "restart": "unless-stopped",
        **_gpus(plan),
        "healthcheck": {
            "test": ["CMD-SHELL", "curl --fail --silent http://localhost:8000/health"],
            "interval": "10s",
            "timeout": "5s",
            "retries": 6,
            "start_period": "30m",
        },
    }
    return service, []


def _mount(source: str, target: str) -> dict[str, Any]:
    return {
        "type": "bind",
        "source": inert(str(Path(source).resolve())),
        "target": target,
        "read_only": True,
    }


def _llama(plan: Plan, model: Model, shell: Launch) -> tuple[dict[str, Any], list[list[str]]]:
    argv = first_command(shell)[1:]  # the image's entrypoint is llama-server
    volumes: list[str | dict[str, Any]] = ["models:/root/.cache"]
    if model.path is not None and model.path in argv:
        folder, file = Path(model.path).resolve().parent, Path(model.path).name
        argv[argv.index(model.path)] = f"/models/{file}"
        volumes.append(_mount(str(folder), "/models"))
    if "--host" not in argv:
        argv += ["--host", "0.0.0.0"]  # inside the container; the port below decides who reaches it
    kind = "server" if plan.placement is Placement.CPU else "server-rocm" if _amd(plan) else "server-cuda"
    service: dict[str, Any] = {
        "image": f"{_LLAMA_IMAGE}:{kind}",
        "command": [inert(word) for word in argv],
        "environment": _environment(shell),
        "ports": ["127.0.0.1:8080:8080"],
        "volumes": volumes,
        "restart": "unless-stopped",
        **_gpus(plan),
    }
    return service, []


def _ollama(plan: Plan, model: Model, shell: Launch) -> tuple[dict[str, Any], list[list[str]]]:
    volumes: list[str | dict[str, Any]] = ["models:/root/.ollama"]
    mounted = {name: f"/{name}" for name, _ in shell.files}
    after = [[mounted.get(word, word) for word in shlex.split(line)] for line in shell.command.splitlines()]
    for name, target in mounted.items():
        volumes.append({"type": "bind", "source": f"./{name}", "target": target, "read_only": True})
    service: dict[str, Any] = {
        "image": f"{_OLLAMA_IMAGE}:rocm" if _amd(plan) else _OLLAMA_IMAGE,
        "environment": _environment(shell),
        "ports": ["127.0.0.1:11434:11434"],
        "volumes": volumes,
        "restart": "unless-stopped",
        **_gpus(plan),
    }
    return service, after
