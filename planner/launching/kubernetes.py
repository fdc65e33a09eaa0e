"""Kubernetes: a Deployment on one node; over several nodes a LeaderWorkerSet, or a KubeRay RayService.

apps/v1 and v1 objects, leaderworkerset.x-k8s.io/v1 and ray.io/v1. Kubernetes expands `$(NAME)` in commands
and arguments and reads `$$` as `$`, so every `$` of a value is doubled. How vLLM runs over several nodes
follows its own pages on parallelism and LWS (0.33.0) and Ray Serve's LLM API (Ray 2.60). Weights lie on a
claim that outlives the pods: one for a Deployment, one a pod for a LeaderWorkerSet (volumeClaimTemplates, LWS
0.8), a shared one for a RayService, whose pods can't have their own.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any, Final

from planner.engines.container import Container, backend_of
from planner.engines.launch import Launch, first_command
from planner.engines.register import engine_facts, planning, titles
from planner.errors import InputError
from planner.hardware.machine import Backend
from planner.launching.kubernetes_storage import VOLUME, claim, claim_spec, claimed, storage_gib
from planner.launching.names import service_name
from planner.launching.ray_serve import ray_service
from planner.launching.yaml_text import to_yaml_documents
from planner.models.model import Model
from planner.plan import Plan
from planner.safe_text import one_line

# What the vendors' device plugins call a GPU.
_RESOURCES: Final = {Backend.CUDA: "nvidia.com/gpu", Backend.ROCM: "amd.com/gpu"}
TOKEN: Final = "A gated model needs: kubectl create secret generic hf-token --from-literal=token=YOUR_TOKEN"
_LEADER: Final = """\
set -eu
command -v ray >/dev/null || pip install --quiet ray
ray start --head --port=6379
until [ "$(python3 -c 'import ray; ray.init("auto", logging_level="ERROR")
print(sum(n["Alive"] for n in ray.nodes()))')" -ge "$LWS_GROUP_SIZE" ]; do
  echo "waiting for $LWS_GROUP_SIZE nodes"; sleep 5
done
exec "$@"
"""
_WORKER: Final = """\
set -eu
command -v ray >/dev/null || pip install --quiet ray
until ray start --address="$LWS_LEADER_ADDRESS:6379" --block; do
  echo "waiting for $LWS_LEADER_ADDRESS"; sleep 5
done
"""


def render(plan: Plan, model: Model, shell: Launch) -> Launch:
    """Return the manifests and the command that applies them; InputError for an engine not made to serve many."""
    facts = engine_facts(plan.engine)
    if not facts.serves_many:
        able = titles(tuple(facts for facts in planning() if facts.serves_many))
        instead = "launchd" if plan.backend is Backend.METAL else "compose or systemd"
        raise InputError(f"--format kubernetes renders {able} plans; for {plan.engine} use {instead}")
    if model.path is not None:
        raise InputError(
            f"{model.path} lies on this machine only; give the model's Hugging Face id, which every node can fetch"
        )
    name = service_name(model.name)
    nodes = int(plan.settings.get("nnodes", 1))
    size = storage_gib(plan, model)
    container = facts.container(plan, model, shell)
    base = _container(plan, container, gpus_per_node(plan, nodes))
    other: tuple[tuple[str, str], ...] = ()
    if nodes > 1:
        documents = _leader_worker_set(name, base, container, first_command(shell), nodes, size)
        file = f"{name}-lws.yaml"
        comment = (
            "Needs the LeaderWorkerSet controller, 0.8 or later. The other file does the same on KubeRay: apply one.\n"
            f"Each pod keeps the weights on a claim of its own ({size} GiB), over restarts and deletion."
        )
        other = ((f"{name}-rayservice.yaml", ray_service(name, plan, model, shell, nodes, size)),)
    else:
        documents = _deployment(name, base, container, first_command(shell), size)
        file = f"{name}.yaml"
        comment = f"The claim {name}-models ({size} GiB) keeps the weights over restarts."
    head = f"{one_line(plan.model)} ({plan.quant}) with {facts.title}; apply: kubectl apply --filename {file}"
    content = to_yaml_documents(documents, f"{head}\n{comment}\n{TOKEN}")
    return Launch(
        command=shlex.join(["kubectl", "apply", "--filename", file]),
        files=((file, content), *other),
        source=shell.source,
    )


def inert(text: str) -> str:
    """Return a value in which Kubernetes expands nothing."""
    return text.replace("$", "$$")


def gpus_per_node(plan: Plan, nodes: int) -> int:
    """GPUs that each node gives."""
    return -(-sum(1 for d in plan.memory.devices if d.kind == "gpu") // nodes)


def _environment(container: Container) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    if container.fetches_from_hub:
        secret = {"secretKeyRef": {"name": "hf-token", "key": "token", "optional": True}}
        entries.append({"name": "HF_TOKEN", "valueFrom": secret})
    for key, value in container.env.items():
        if key != "CUDA_VISIBLE_DEVICES":  # the device plugin chooses
            entries.append({"name": key, "value": inert(value)})
    return entries


def _container(plan: Plan, container: Container, gpus: int) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": service_name(plan.engine),
        "image": container.image,
        "env": _environment(container),
        "volumeMounts": [
            {"name": VOLUME, "mountPath": container.cache},
            {"name": "shm", "mountPath": "/dev/shm"},
        ],
    }
    if gpus:
        described["resources"] = {"limits": {gpu_resource(plan): str(gpus)}}
    return described


def gpu_resource(plan: Plan) -> str:
    """Return what a cluster calls the plan's GPUs. Raises InputError where no device plugin offers them."""
    backend = backend_of(plan)
    if backend not in _RESOURCES:
        raise InputError(f"no device plugin of Kubernetes is known for GPUs driven by {backend.value}")
    return _RESOURCES[backend]


def _probes(container: Container) -> dict[str, Any]:
    ports = [{"name": "http", "containerPort": container.port}]
    if container.health is None:
        return {"ports": ports}
    health = {"httpGet": {"path": container.health, "port": container.port}}
    return {
        "ports": ports,
        # Loading and compiling take minutes: the other probes begin when this one has passed.
        "startupProbe": {**health, "periodSeconds": 10, "failureThreshold": 360},
        "readinessProbe": {**health, "periodSeconds": 5},
        "livenessProbe": {**health, "periodSeconds": 10, "failureThreshold": 6},
    }


_SHM: Final[dict[str, Any]] = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}


def _service(name: str, port: int, selector: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "selector": selector,
            "ports": [{"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}],
        },
    }


def _deployment(
    name: str, base: dict[str, Any], container: Container, argv: Sequence[str], size: int
) -> list[dict[str, Any]]:
    labels = {"app": name}
    server = base | {"command": [inert(w) for w in argv], **_probes(container)}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},  # two replicas at once would need twice the GPUs
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [server], "volumes": [claimed(f"{name}-models"), _SHM]},
            },
        },
    }
    return [claim(f"{name}-models", size), deployment, _service(name, container.port, labels)]


def _leader_worker_set(
    name: str, base: dict[str, Any], container: Container, argv: Sequence[str], nodes: int, size: int
) -> list[dict[str, Any]]:
    # The script is a constant; the plan's words come after it as "$@" and are never read by the shell.
    leader = base | {
        "command": ["/bin/sh", "-c", inert(_LEADER), "leader", *(inert(w) for w in argv)],
        **_probes(container),
    }
    worker = base | {"command": ["/bin/sh", "-c", inert(_WORKER)]}
    labels = {"role": "leader", "app": name}
    group = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": name},
        "spec": {
            "replicas": 1,
            "leaderWorkerTemplate": {
                "size": nodes,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [leader], "volumes": [_SHM]},
                },
                "workerTemplate": {"spec": {"containers": [worker], "volumes": [_SHM]}},
                "volumeClaimTemplates": [{"metadata": {"name": VOLUME}, "spec": claim_spec(size)}],
            },
        },
    }
    selector = {"leaderworkerset.sigs.k8s.io/name": name, "role": "leader"}
    return [group, _service(name, container.port, selector)]
