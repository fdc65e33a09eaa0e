"""The machines of a cluster: from a running Ray cluster, or from what `kubectl get nodes -o json` prints.

Kubernetes knows GPUs by the labels of NVIDIA's GPU feature discovery (nvidia.com/gpu.product, .memory,
.count) and AMD's labeller; Ray runs the planner's own detection as a task on every node.
"""

from __future__ import annotations

import json
import logging
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from planner.errors import InputError
from planner.fast_dataclass import replace
from planner.hardware.machine import Accelerator, Backend, Cpu, Host, Machine
from planner.outside_numbers import MAX_BYTES, real
from planner.units import KIB, MIB

_PACKAGE: Final = Path(__file__).parents[1]  # what a node without the planner is sent
MAX_NODES: Final = 5000  # Kubernetes' own limit of a cluster
MAX_GPUS: Final = 64  # of a node
MAX_TEXT: Final = 256 << 20
_PROBE_SECONDS: Final = 60.0
_CONNECT_SECONDS: Final = 5.0
_QUANTITY: Final = re.compile(r"^(\d{1,18}(?:\.\d{1,9})?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?\Z")
_FACTORS: Final = {
    None: 1.0,
    "m": 1e-3,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "Ki": float(KIB),
    "Mi": float(MIB),
    "Gi": float(1 << 30),
    "Ti": float(1 << 40),
    "Pi": float(1 << 50),
}


def machine_from_kubernetes(text: str) -> Machine:
    """Return the cluster that `kubectl get nodes -o json` describes.

    Only nodes that are ready and may be scheduled count; allocatable is what a node offers to all pods
    together, running ones included, and the notes say so. Raises InputError for anything else.
    """
    hosts: list[Host] = []
    notes = ["Kubernetes tells what nodes can allocate, not what running pods already use"]
    for item in _items(text):
        name = _text(item.get("metadata"), "name") or f"node-{len(hosts)}"
        reason = _unusable(item)
        if reason:
            notes.append(f"{name} is left out: {reason}")
            continue
        host, said = _node_host(item, name)
        hosts.append(host)
        notes.extend(said)
    if not hosts:
        raise InputError("no node of the Kubernetes cluster is ready: see `kubectl get nodes`")
    return Machine(
        hosts=tuple(hosts),
        name=f"Kubernetes cluster of {len(hosts)} nodes",
        detected=True,
        notes=tuple(dict.fromkeys(notes)),
        sources={"nodes": "kubectl get nodes -o json"},
    )


def _items(text: str) -> Sequence[Mapping[str, Any]]:
    if len(text) > MAX_TEXT:
        raise InputError("what came on stdin is too long for a list of nodes")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(
            "stdin holds no JSON; run: kubectl get nodes -o json | planner check --cluster kubernetes"
        ) from None
    items = data.get("items") if isinstance(data, dict) else None
    if isinstance(data, dict) and data.get("kind") == "Node":
        items = [data]
    if not isinstance(items, list) or not all(isinstance(i, dict) for i in items):
        raise InputError("stdin holds no list of nodes; run: kubectl get nodes -o json")
    if any(i.get("kind", "Node") != "Node" for i in items):
        raise InputError("stdin lists other objects than nodes; run: kubectl get nodes -o json")
    if len(items) > MAX_NODES:
        raise InputError(f"stdin lists {len(items)} nodes, more than the {MAX_NODES} that Kubernetes allows")
    return items


def _part(value: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _text(value: Any, key: str) -> str:
    found = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(found, str):
        return ""
    return "".join(c for c in found[:200] if c.isprintable())


def _unusable(item: Mapping[str, Any]) -> str | None:
    if _part(item, "spec").get("unschedulable") is True:
        return "it is cordoned"
    conditions = _part(item, "status").get("conditions")
    if isinstance(conditions, list):
        for condition in conditions:
            if _text(condition, "type") == "Ready" and _text(condition, "status") != "True":
                return "it is not ready"
    return None


def quantity(value: Any) -> float | None:
    """Return a Kubernetes quantity ("62Gi", "7910m", 8) as a number; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if 0 <= value < 1e18 else None
    match = _QUANTITY.match(value) if isinstance(value, str) else None
    found = None if match is None else float(match[1]) * _FACTORS[match[2]]
    return found if found is not None and found < 1e18 else None


def _node_host(item: Mapping[str, Any], name: str) -> tuple[Host, list[str]]:
    labels = _part(item, "metadata", "labels")
    capacity, allocatable = _part(item, "status", "capacity"), _part(item, "status", "allocatable")
    offered = allocatable or capacity
    ram = _memory(capacity) or _memory(offered) or 0.0
    available = _memory(offered) or ram
    cores = quantity(offered.get("cpu"))
    info = _part(item, "status", "nodeInfo")
    gpus, notes = _node_gpus(labels, offered, name)
    if ram <= 0:
        notes.append(f"{name} doesn't say how much memory it has")
    system = _text(info, "operatingSystem") or _text(labels, "kubernetes.io/os")
    host = Host(
        ram_total=int(ram),
        ram_available=int(min(available, ram)),
        cpu=Cpu(
            usable_cores=max(1, int(cores)) if cores else None,
            architecture={"amd64": "x86_64"}.get(_text(info, "architecture"), _text(info, "architecture"))
            or None,
        ),
        accelerators=gpus,
        name=name,
        os=system or None,
    )
    return host, notes


def _memory(part: Mapping[str, Any]) -> float | None:
    """Bytes of memory that a node states; None where it states none, or more than any machine has."""
    return real(quantity(part.get("memory")), 0, MAX_BYTES)


def _node_gpus(
    labels: Mapping[str, Any], offered: Mapping[str, Any], name: str
) -> tuple[tuple[Accelerator, ...], list[str]]:
    notes: list[str] = []
    for resource, vendor, backend, product, memory in (
        ("nvidia.com/gpu", "nvidia", Backend.CUDA, "nvidia.com/gpu.product", "nvidia.com/gpu.memory"),
        ("amd.com/gpu", "amd", Backend.ROCM, "amd.com/gpu.product-name", "amd.com/gpu.vram"),
    ):
        count = int(quantity(offered.get(resource)) or 0)
        if count <= 0:
            continue
        if count > MAX_GPUS:
            raise InputError(f"{name} claims {count} GPUs; a node has at most {MAX_GPUS}")
        label = _text(labels, product)
        shared = label.endswith("-SHARED") or (quantity(_text(labels, "nvidia.com/gpu.replicas")) or 1) > 1
        if shared:
            notes.append(f"{name} shares its GPUs between pods (time-slicing): they are left out")
            return (), notes
        size = _vram(labels, memory, vendor)
        gpu, said = _gpu(label.replace("-", " ").replace("_", " "), size, vendor, backend, name)
        notes.extend(said)
        if gpu is None:
            return (), notes
        return tuple(replace(gpu, index=i) for i in range(count)), notes
    slices = [k for k in offered if isinstance(k, str) and k.startswith("nvidia.com/mig-")]
    if any(quantity(offered[k]) for k in slices):
        notes.append(f"{name} offers MIG slices, which are not planned on")
    return (), notes


def _vram(labels: Mapping[str, Any], key: str, vendor: str) -> int | None:
    value = quantity(_text(labels, key))
    if not value:
        return None
    size = int(value * MIB) if vendor == "nvidia" and value < 1e8 else int(value)  # NVIDIA's label is in MiB
    return size if 1 << 28 <= size <= 1 << 43 else None


def _gpu(
    product: str, size: int | None, vendor: str, backend: Backend, node: str
) -> tuple[Accelerator | None, list[str]]:
    """A GPU by its label: the profile's facts where the product is known, else its memory alone."""
    from planner.hardware.profiles.assemble import accelerator, driver_reserve
    from planner.hardware.profiles.store import find_by_driver_name

    profile = None
    if product:
        for candidate in (product, product.removeprefix("NVIDIA ")):
            try:
                profile = find_by_driver_name(candidate, size)
            except InputError:
                continue
            if profile is not None:
                break
    if profile is not None:
        gpu = accelerator(profile, 0)
        if size is not None:
            kept = gpu.memory_total - gpu.memory_free
            gpu = replace(gpu, memory_total=size, memory_free=max(0, size - kept))
        return gpu, []
    if size is None:
        return None, [
            f"{node}: nothing says how much memory its GPUs have ({product or 'no label'}): left out"
        ]
    name = product or f"{vendor} GPU"
    reserve = driver_reserve(size) if vendor == "nvidia" else 0
    unknown = Accelerator(
        name=name, vendor=vendor, backend=backend, memory_total=size, memory_free=size - reserve
    )
    return unknown, [f"{node}: no profile knows '{name}'; only its memory is used"]


def machine_from_ray(address: str | None = None, *, timeout: float = _PROBE_SECONDS) -> Machine:
    """Return the cluster behind a Ray address ("auto": the one that this node belongs to).

    Every live node runs the planner's detection as a task of its own (no CPU or GPU is reserved); a node
    that does not answer in `timeout` seconds is left out and named. Raises InputError without Ray or
    without a cluster.
    """
    try:
        import ray
    except ImportError:
        raise InputError(
            "Ray is not installed here; install the planner with the extra [cluster], or pip install ray"
        ) from None
    started = False
    if not ray.is_initialized():
        _reachable(address)
        try:
            ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError, RuntimeError) as error:
            first = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"no Ray cluster answers at {address or 'auto'}: {first[:200]}") from None
        started = True
    try:
        return _probed(ray, timeout)
    finally:
        if started:
            ray.shutdown()


def _reachable(address: str | None) -> None:
    """Raise InputError where nothing listens at an address: Ray itself would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return  # "auto" or nothing: Ray looks for a cluster on this node
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_SECONDS):
            pass
    except (OSError, OverflowError) as error:
        raise InputError(f"no Ray cluster answers at {address}: {error}") from None


def _probed(ray: Any, timeout: float) -> Machine:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(num_cpus=0, max_retries=0)(_probe)
    nodes = [n for n in ray.nodes() if n.get("Alive")][:MAX_NODES]
    pending = {}
    for node in nodes:
        strategy = NodeAffinitySchedulingStrategy(node_id=node["NodeID"], soft=False)
        options: dict[str, Any] = {"scheduling_strategy": strategy}
        if _elsewhere(ray, node):
            options["runtime_env"] = {"py_modules": [str(_PACKAGE)]}
        pending[remote.options(**options).remote()] = node
    hosts: list[Host] = []
    notes: list[str] = []
    ready, late = ray.wait(list(pending), num_returns=len(pending), timeout=timeout) if pending else ([], [])
    for answer in ready:
        node = pending[answer]
        name = str(node.get("NodeName") or node.get("NodeManagerHostname") or node["NodeID"])
        try:
            machine: Machine = ray.get(answer)
        except Exception as error:  # whatever a foreign node raises must not end the others' answers
            notes.append(f"{name} is left out: its probe failed ({type(error).__name__})")
            continue
        hosts.append(replace(machine.host, name=name))
        notes.extend(f"{name}: {note}" for note in machine.notes)
    for answer in late:
        ray.cancel(answer, force=True)
        node = pending[answer]
        notes.append(f"{node.get('NodeName')} is left out: its probe took more than {timeout:g} s")
    if not hosts:
        raise InputError("no node of the Ray cluster answered the probe")
    hosts.sort(key=lambda h: h.name)
    return Machine(
        hosts=tuple(hosts),
        name=f"Ray cluster of {len(hosts)} nodes",
        detected=True,
        notes=tuple(dict.fromkeys(notes)),
        sources={"nodes": "a probe as a Ray task on every node"},
    )


def _elsewhere(ray: Any, node: Mapping[str, Any]) -> bool:
    """True for a node on another computer, which may not have the planner installed."""
    own = ray.util.get_node_ip_address()
    return bool(node.get("NodeManagerAddress") != own)


def _probe() -> Machine:
    """What runs on every node."""
    from planner.hardware.detect import detect

    return detect()
