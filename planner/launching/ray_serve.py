"""A KubeRay RayService that serves a plan through Ray Serve's LLM API (ray.io/v1, Ray 2.60)."""

from __future__ import annotations

from typing import Any, Final

from planner.engines.launch import Launch
from planner.engines.register import engine_facts
from planner.launching.kubernetes_storage import VOLUME, claim, claimed
from planner.launching.yaml_text import to_yaml, to_yaml_documents
from planner.models.model import Model
from planner.models.sources import checkpoint_repository
from planner.plan import Plan

RAY_VERSION: Final = "2.60.0"
IMAGE: Final = f"rayproject/ray-llm:{RAY_VERSION}-py312-cu130"
_MODELS: Final = "/models"


def ray_service(name: str, plan: Plan, model: Model, shell: Launch, nodes: int, size: int) -> str:
    """Return the manifests: a claim of `size` GiB that all workers share, and the service.

    A head without GPUs, `nodes` workers, one LLM deployment over them.
    """
    gpus = -(-sum(1 for d in plan.memory.devices if d.kind == "gpu") // nodes)
    llm = {
        "model_loading_config": {"model_id": plan.model, "model_source": checkpoint_repository(plan, model)},
        "engine_kwargs": engine_facts(plan.engine).ray_arguments(plan, model),
        "placement_group_config": {
            "bundles": [{"CPU": 1, "GPU": 1}] * (gpus * nodes),
            "strategy": "PACK",
        },
        "deployment_config": {"num_replicas": 1},
    }
    serve = {
        "applications": [
            {
                "name": name,
                "import_path": "ray.serve.llm:build_openai_app",
                "route_prefix": "/",
                "args": {"llm_configs": [llm]},
            }
        ]
    }
    environment: list[dict[str, Any]] = [
        {
            "name": "HF_TOKEN",
            "valueFrom": {"secretKeyRef": {"name": "hf-token", "key": "token", "optional": True}},
        },
        {"name": "HF_HOME", "value": _MODELS},
        *({"name": k, "value": v.replace("$", "$$")} for k, v in shell.env.items() if k.startswith("VLLM_")),
    ]
    volume = f"{name}-shared-models"
    service = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": name},
        "spec": {
            "serveConfigV2": to_yaml(serve),
            "rayClusterConfig": {
                "rayVersion": RAY_VERSION,
                "headGroupSpec": {
                    "rayStartParams": {"num-cpus": "0", "dashboard-host": "0.0.0.0"},
                    "template": _pod("ray-head", environment, None, volume, head=True),
                },
                "workerGroupSpecs": [
                    {
                        "groupName": "gpu",
                        "replicas": nodes,
                        "minReplicas": nodes,
                        "maxReplicas": nodes,
                        "rayStartParams": {},
                        "template": _pod("ray-worker", environment, gpus, volume),
                    }
                ],
            },
        },
    }
    return to_yaml_documents(
        [claim(volume, size, shared=True), service],
        f"apply: kubectl apply --filename {name}-rayservice.yaml (needs KubeRay)\n"
        f"The claim {volume} ({size} GiB) is mounted on every node: the default storage class must offer\n"
        "ReadWriteMany (NFS, CephFS, Lustre …); name one that does as storageClassName where it doesn't.",
    )


def _pod(
    name: str, environment: list[dict[str, Any]], gpus: int | None, volume: str, *, head: bool = False
) -> dict[str, Any]:
    container: dict[str, Any] = {"name": name, "image": IMAGE, "env": environment}
    if head:
        ports = (("gcs", 6379), ("dashboard", 8265), ("client", 10001), ("serve", 8000))
        container["ports"] = [{"name": n, "containerPort": p} for n, p in ports]
    if gpus:
        container["resources"] = {"limits": {"nvidia.com/gpu": str(gpus)}}
    container["volumeMounts"] = [
        {"name": VOLUME, "mountPath": _MODELS},
        {"name": "shm", "mountPath": "/dev/shm"},
    ]
    volumes = [claimed(volume), {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "16Gi"}}]
    # The image's user is ray in group users (100): without the group the volume is root's alone.
    return {"spec": {"securityContext": {"fsGroup": 100}, "containers": [container], "volumes": volumes}}
