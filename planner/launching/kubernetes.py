"""Kubernetes: a Deployment on one node; over several nodes a LeaderWorkerSet, or a KubeRay RayService.

apps/v1 and v1 objects, leaderworkerset.x-k8s.io/v1 and ray.io/v1. Kubernetes expands `$(NAME)` in commands
and arguments and reads `$$` as `$`, so every `$` of a value is doubled. How vLLM runs over several nodes
follows its own pages on parallelism and LWS (0.33.0) and Ray Serve's LLM API (Ray 2.60). Weights lie on a
claim that outlives the pods: one for a Deployment, one a pod for a LeaderWorkerSet (volumeClaimTemplates, LWS
0.8), a shared one for a RayService, whose pods can't have their own.
"""

from __future__ import annotations

import shlex
from typing import Any, Final

from planner.engines.launch import Launch
from planner.engines.vllm.releases import RULES_VERSION
from planner.errors import InputError
from planner.launching.kubernetes_storage import VOLUME, claim, claim_spec, claimed, storage_gib
from planner.launching.names import first_command, service_name
from planner.launching.ray_serve import ray_service
from planner.launching.yaml_text import to_yaml_documents
from planner.models.model import Model
from planner.plan import Plan

IMAGE: Final = f"vllm/vllm-openai:v{RULES_VERSION}"
ROCM_IMAGE: Final = f"vllm/vllm-openai-rocm:v{RULES_VERSION}"
PORT: Final = 8000
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
    """Return the manifests and the command that applies them; InputError for another engine than vLLM."""
    if plan.engine != "vllm":
        raise InputError(f"--format kubernetes renders vLLM plans; for {plan.engine} use compose or systemd")
    if model.path is not None:
        raise InputError(
            f"{model.path} lies on this machine only; give the model's Hugging Face id, which every node can fetch"
        )
    name = service_name(model.name)
    nodes = int(plan.settings.get("nnodes", 1))
    size = storage_gib(plan, model)
    other: tuple[tuple[str, str], ...] = ()
    if nodes > 1:
        documents = _leader_worker_set(name, plan, shell, nodes, size)
        file = f"{name}-lws.yaml"
        comment = (
            "Needs the LeaderWorkerSet controller, 0.8 or later. The other file does the same on KubeRay: apply one.\n"
            f"Each pod keeps the weights on a claim of its own ({size} GiB), over restarts and deletion."
        )
        other = ((f"{name}-rayservice.yaml", ray_service(name, plan, model, shell, nodes, size)),)
    else:
        documents = _deployment(name, plan, shell, size)
        file = f"{name}.yaml"
        comment = f"The claim {name}-models ({size} GiB) keeps the weights over restarts."
    head = f"{_one_line(plan.model)} ({plan.quant}) with vLLM; apply: kubectl apply --filename {file}"
    content = to_yaml_documents(documents, f"{head}\n{comment}\n{TOKEN}")
    return Launch(
        command=shlex.join(["kubectl", "apply", "--filename", file]),
        files=((file, content), *other),
        source=shell.source,
    )


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def inert(text: str) -> str:
    """Return a value in which Kubernetes expands nothing."""
    return text.replace("$", "$$")


def _resource(plan: Plan) -> str:
    amd = any("AMD" in d.name or "Radeon" in d.name or "Instinct" in d.name for d in plan.memory.devices)
    return "amd.com/gpu" if amd else "nvidia.com/gpu"


def gpus_per_node(plan: Plan, nodes: int) -> int:
    """GPUs that each node gives."""
    return -(-sum(1 for d in plan.memory.devices if d.kind == "gpu") // nodes)


def _environment(shell: Launch) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [
        {
            "name": "HF_TOKEN",
            "valueFrom": {"secretKeyRef": {"name": "hf-token", "key": "token", "optional": True}},
        }
    ]
    for key, value in shell.env.items():
        if key != "CUDA_VISIBLE_DEVICES":  # the device plugin chooses
            entries.append({"name": key, "value": inert(value)})
    return entries


def _container(plan: Plan, shell: Launch, gpus: int) -> dict[str, Any]:
    resource = _resource(plan)
    container: dict[str, Any] = {
        "name": "vllm",
        "image": ROCM_IMAGE if resource.startswith("amd") else IMAGE,
        "env": _environment(shell),
        "volumeMounts": [
            {"name": VOLUME, "mountPath": "/root/.cache/huggingface"},
            {"name": "shm", "mountPath": "/dev/shm"},
        ],
    }
    if gpus:
        container["resources"] = {"limits": {resource: str(gpus)}}
    return container


def _probes() -> dict[str, Any]:
    health = {"httpGet": {"path": "/health", "port": PORT}}
    return {
        "ports": [{"name": "http", "containerPort": PORT}],
        # Loading and compiling take minutes: the other probes begin when this one has passed.
        "startupProbe": {**health, "periodSeconds": 10, "failureThreshold": 360},
        "readinessProbe": {**health, "periodSeconds": 5},
        "livenessProbe": {**health, "periodSeconds": 10, "failureThreshold": 6},
    }


_SHM: Final[dict[str, Any]] = {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}


def _service(name: str, selector: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "selector": selector,
            "ports": [{"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP"}],
        },
    }


def _deployment(name: str, plan: Plan, shell: Launch, size: int) -> list[dict[str, Any]]:
    labels = {"app": name}
    container = _container(plan, shell, gpus_per_node(plan, 1))
    container |= {"command": [inert(w) for w in first_command(shell)], **_probes()}
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
                "spec": {"containers": [container], "volumes": [claimed(f"{name}-models"), _SHM]},
            },
        },
    }
    return [claim(f"{name}-models", size), deployment, _service(name, labels)]


def _leader_worker_set(name: str, plan: Plan, shell: Launch, nodes: int, size: int) -> list[dict[str, Any]]:
    gpus = gpus_per_node(plan, nodes)
    leader, worker = _container(plan, shell, gpus), _container(plan, shell, gpus)
    # The script is a constant; the plan's words come after it as "$@" and are never read by the shell.
    leader |= {
        "command": ["/bin/sh", "-c", inert(_LEADER), "leader", *(inert(w) for w in first_command(shell))],
        **_probes(),
    }
    worker |= {"command": ["/bin/sh", "-c", inert(_WORKER)]}
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
    return [group, _service(name, selector)]
