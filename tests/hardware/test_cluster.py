"""Clusters: what kubectl prints, whatever it holds, and a real Ray cluster of three nodes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from planner.errors import InputError
from planner.hardware.cluster import machine_from_kubernetes, machine_from_ray, quantity
from planner.hardware.machine import Backend

GIB = 1 << 30


def node(name: str, product: str = "", count: int = 0, memory: int = 0, **more: Any) -> dict[str, Any]:
    labels: dict[str, str] = {"kubernetes.io/os": "linux"}
    sizes: dict[str, str] = {"cpu": "63500m", "memory": "515Gi", "ephemeral-storage": "1Ti"}
    if product:
        labels |= {"nvidia.com/gpu.product": product, "nvidia.com/gpu.count": str(count)}
        sizes["nvidia.com/gpu"] = str(count)
    if memory:
        labels["nvidia.com/gpu.memory"] = str(memory)
    labels |= more.pop("labels", {})
    sizes |= more.pop("sizes", {})
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": more.pop("spec", {}),
        "status": {
            "capacity": {**sizes, "memory": "528Gi"},
            "allocatable": sizes,
            "conditions": [{"type": "Ready", "status": more.pop("ready", "True")}],
            "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux"},
        },
    }


def listing(*nodes: dict[str, Any]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(nodes)})


def test_gpus_by_their_labels() -> None:
    machine = machine_from_kubernetes(
        listing(
            node("a", "NVIDIA-H100-80GB-HBM3", 8, 81559),
            node("b", "NVIDIA-GeForce-RTX-4090", 2, 24564),
            node("c"),
        )
    )
    a, b, c = machine.hosts
    assert [h.name for h in machine.hosts] == ["a", "b", "c"]
    assert len(a.accelerators) == 8 and a.accelerators[7].index == 7
    assert a.accelerators[0].profile == "h100-sxm" and a.accelerators[0].sm == 90
    assert a.accelerators[0].memory_total == 81559 << 20
    assert a.accelerators[0].memory_free < a.accelerators[0].memory_total
    assert len(b.accelerators) == 2 and b.accelerators[0].backend is Backend.CUDA
    assert c.accelerators == () and c.ram_total == 528 * GIB and c.ram_available == 515 * GIB
    assert c.cpu.usable_cores == 63 and c.cpu.architecture == "x86_64"
    assert machine.detected and "Kubernetes" in machine.name


def test_what_is_left_out_is_said() -> None:
    machine = machine_from_kubernetes(
        listing(
            node("ok"),
            node("cordoned", spec={"unschedulable": True}),
            node("down", ready="Unknown"),
            node("shared", "NVIDIA-A100-SXM4-40GB-SHARED", 4, 40960),
            node("sliced", sizes={"nvidia.com/mig-1g.10gb": "7"}),
            node("nameless", sizes={"nvidia.com/gpu": "4"}),
        )
    )
    notes = "\n".join(machine.notes)
    assert [h.name for h in machine.hosts] == ["ok", "shared", "sliced", "nameless"]
    for words in (
        "cordoned is left out",
        "down is left out",
        "shared shares",
        "sliced offers MIG",
        "nameless",
    ):
        assert words in notes
    assert machine.accelerators == ()


def test_an_unknown_gpu_keeps_its_memory() -> None:
    machine = machine_from_kubernetes(listing(node("x", "ACME-9000", 1, 48000)))
    (gpu,) = machine.accelerators
    assert gpu.memory_total == 48000 << 20 and gpu.profile is None and "ACME 9000" in gpu.name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nodes",
        "[]",
        "null",
        '{"items": 3}',
        '{"items": [1]}',
        '{"kind": "List", "items": [{"kind": "Pod"}]}',
        "[" * 10**5,
    ],
)
def test_bad_input_is_one_line(text: str) -> None:
    with pytest.raises(InputError) as caught:
        machine_from_kubernetes(text)
    assert "\n" not in str(caught.value) and "kubectl" in str(caught.value)


def test_nothing_ready() -> None:
    with pytest.raises(InputError, match="no node"):
        machine_from_kubernetes(listing(node("down", ready="False")))


@pytest.mark.parametrize(
    "hostile",
    [
        {
            "metadata": {
                "name": ["x"],
                "labels": {"nvidia.com/gpu.product": {"a": 1}, "nvidia.com/gpu.memory": "9" * 400},
            }
        },
        {
            "metadata": None,
            "status": {"allocatable": {"nvidia.com/gpu": -3, "memory": "NaN", "cpu": "1e999"}},
        },
        {"metadata": {"name": "\x1b[31m" + "n" * 5000}, "status": {"conditions": "Ready", "capacity": [1]}},
        {"status": {"allocatable": {"nvidia.com/gpu": True}}},
    ],
)
def test_hostile_nodes_do_no_harm(hostile: dict[str, Any]) -> None:
    machine = machine_from_kubernetes(listing(hostile))
    assert machine.accelerators == ()
    assert all(len(h.name) <= 200 and h.name.isprintable() for h in machine.hosts)


def test_too_many_gpus_are_not_believed() -> None:
    with pytest.raises(InputError, match="at most 64"):
        machine_from_kubernetes(listing(node("x", "NVIDIA-H100-80GB-HBM3", 10**9, 81559)))


@pytest.mark.parametrize(
    ("text", "value"),
    [("62Gi", 62 * GIB), ("7910m", 7.91), (8, 8.0), ("1k", 1000.0), ("-1", None), ("x", None), (None, None)],
)
def test_quantities(text: Any, value: float | None) -> None:
    assert quantity(text) == (None if value is None else pytest.approx(value))


def test_a_real_ray_cluster() -> None:
    ray = pytest.importorskip("ray", reason="Ray is an extra: pip install ray")
    from ray.cluster_utils import Cluster

    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20},
    )
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
        cluster.wait_for_nodes()
        machine = machine_from_ray(cluster.address, timeout=90)
        assert len(machine.hosts) == 3
        assert all(h.ram_total > 1 << 28 for h in machine.hosts)
        assert "Ray cluster of 3 nodes" in machine.name
        assert not ray.is_initialized()
    finally:
        cluster.shutdown()


def test_no_ray_cluster() -> None:
    pytest.importorskip("ray", reason="Ray is an extra: pip install ray")
    with pytest.raises(InputError, match="no Ray cluster answers"):
        machine_from_ray("127.0.0.1:1", timeout=1)
