"""The claim that keeps downloaded weights: without it every restart fetches hundreds of gigabytes again."""

from __future__ import annotations

from typing import Any, Final

from planner.models.model import Model
from planner.plan import Plan
from planner.units import GIB

VOLUME: Final = "models"
_HEADROOM: Final = 1.2  # what a repository holds beside its weights, and a file in two revisions
_STEP: Final = 10 * GIB
_SIXTEEN_BITS: Final = 2  # bytes an element of a checkpoint that vLLM quantises while it loads


def storage_gib(plan: Plan, model: Model) -> int:
    """GiB to claim for a plan's checkpoint: its weights with headroom, in steps of ten.

    A rank's copies count twice, which errs on the side of room. Quantised while loading means that the 16-bit
    checkpoint is what is fetched.
    """
    weights = sum(device.weights for device in plan.memory.devices)
    if plan.settings.get("quantization"):
        weights = max(weights, model.architecture.parameters() * _SIXTEEN_BITS)
    return -(-int(weights * _HEADROOM) // _STEP) * (_STEP // GIB)


def claim(name: str, size: int, *, shared: bool = False) -> dict[str, Any]:
    """Return a PersistentVolumeClaim of `size` GiB in the cluster's default storage class.

    `shared`: mounted by pods of several nodes at once (ReadWriteMany).
    """
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": claim_spec(size, shared=shared),
    }


def claim_spec(size: int, *, shared: bool = False) -> dict[str, Any]:
    """Return a claim's spec alone."""
    return {
        "accessModes": ["ReadWriteMany" if shared else "ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{size}Gi"}},
    }


def claimed(name: str) -> dict[str, Any]:
    """Return the pod's volume that mounts a claim."""
    return {"name": VOLUME, "persistentVolumeClaim": {"claimName": name}}
