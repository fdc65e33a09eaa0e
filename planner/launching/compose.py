"""Docker Compose: one service that runs the plan (https://github.com/compose-spec/compose-spec).

In a Compose file `$` begins an interpolation, so every `$` of a value is written `$$`.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Final

from planner.engines.container import Container, backend_of
from planner.engines.launch import Launch
from planner.engines.register import engine_facts
from planner.errors import InputError
from planner.hardware.machine import Backend
from planner.launching.names import service_name
from planner.launching.yaml_text import to_yaml
from planner.models.model import Model
from planner.plan import Plan
from planner.safe_text import one_line

FILE: Final = "compose.yaml"
# Device nodes of what isn't NVIDIA's. The images run as root, which may open them; they know no group "render".
_NODES: Final = {
    Backend.ROCM: ("/dev/kfd", "/dev/dri"),
    Backend.VULKAN: ("/dev/dri",),
    Backend.SYCL: ("/dev/dri",),
}


def render(plan: Plan, model: Model, shell: Launch) -> Launch:
    """Return compose.yaml and the command that starts it; InputError for an engine without an image."""
    if plan.settings.get("nnodes", 1) > 1:
        raise InputError(
            "Compose starts one machine; this plan spans several: use --format kubernetes or ray"
        )
    facts = engine_facts(plan.engine)
    container = facts.container(plan, model, shell)
    name = service_name(model.name)
    document = {"name": name, "services": {name: _service(container, plan)}, "volumes": {"models": {}}}
    comment = f"{plan.model} ({plan.quant}) with {facts.title}; start: docker compose up --detach"
    command = "docker compose up --detach --wait"
    for words in container.then:
        command += "\n" + shlex.join(["docker", "compose", "exec", name, *words])
    return Launch(
        command=command,
        files=((FILE, to_yaml(document, one_line(comment))), *container.files),
        source=shell.source,
    )


def inert(text: str) -> str:
    """Return a value that Compose doesn't interpolate."""
    return text.replace("$", "$$")


def _service(container: Container, plan: Plan) -> dict[str, Any]:
    service: dict[str, Any] = {"image": container.image}
    if container.words:
        service["command"] = [inert(word) for word in container.words]
    token = {"HF_TOKEN": "${HF_TOKEN:-}"} if container.fetches_from_hub else {}
    # device_ids say which GPUs: inside, they are numbered from 0
    env = {k: inert(v) for k, v in container.env.items() if k != "CUDA_VISIBLE_DEVICES"}
    service |= {
        "environment": {**token, **env},
        # No key is asked: nobody else's until the owner opens it.
        "ports": [f"127.0.0.1:{container.port}:{container.port}"],
        "volumes": [f"models:{container.cache}", *(_mount(*mount) for mount in container.mounts)],
    }
    if container.shares_memory:
        service["ipc"] = "host"
    service |= {"restart": "unless-stopped", **_gpus(plan)}
    if container.health is not None:
        service["healthcheck"] = {
            "test": [
                "CMD-SHELL",
                f"curl --fail --silent http://localhost:{container.port}{container.health}",
            ],
            "interval": "10s",
            "timeout": "5s",
            "retries": 6,
            "start_period": "30m",
        }
    return service


def _mount(source: str, target: str) -> dict[str, Any]:
    """What is written beside the file is named so: both may be moved together."""
    place = source if source.startswith("./") else str(Path(source).resolve())
    return {"type": "bind", "source": inert(place), "target": target, "read_only": True}


def _gpus(plan: Plan) -> dict[str, Any]:
    """Hand in the GPUs that the plan uses: NVIDIA's by its container toolkit, others by their nodes.

    None for a CPU plan; InputError for GPUs that no container sees.
    """
    backend = backend_of(plan)
    if backend is Backend.CPU:
        return {}
    if backend in _NODES:
        return {"devices": list(_NODES[backend])}
    if backend is not Backend.CUDA:
        raise InputError(f"a container sees no GPU that is driven by {backend.value}; use --format shell")
    chosen = plan.env.get("CUDA_VISIBLE_DEVICES")
    device: dict[str, Any] = {"driver": "nvidia", "capabilities": ["gpu"]}
    if chosen:
        device["device_ids"] = chosen.split(",")
    else:
        device["count"] = sum(1 for d in plan.memory.devices if d.kind == "gpu")
    return {"deploy": {"resources": {"reservations": {"devices": [device]}}}}
