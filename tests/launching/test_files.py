"""Compose files, units and manifests: valid by the published schemas, and inert."""

from __future__ import annotations

import importlib.resources
import json
import re
import shlex
from dataclasses import replace
from typing import Any

import pytest
import yaml

import planner
from planner.engines.launch import Launch
from planner.errors import InputError
from planner.launching.kubernetes import inert
from planner.launching.names import service_name
from planner.launching.render import render
from planner.launching.yaml_text import to_yaml
from planner.models.model import Model
from planner.plan import DeviceMemory, MemoryEstimate, Plan
from planner.safe_text import systemd_word
from tests.asked import plan_of
from tests.launching.plans import HOSTILE, hostile, model_of, rendered, two_hosts


def compose_schema() -> dict[str, Any]:
    package = pytest.importorskip("check_jsonschema", reason="ships the compose-spec schema")
    path = importlib.resources.files(package) / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


def compose_of(launch: Launch) -> dict[str, Any]:
    import jsonschema

    document: dict[str, Any] = yaml.safe_load(dict(launch.files)["compose.yaml"])
    jsonschema.validate(document, compose_schema())
    return document


def interpolated(text: str) -> str:
    """What Compose makes of a value: `$$` is a dollar, `$NAME` and `${NAME}` are replaced by nothing."""
    return re.sub(r"\$\$|\$\{[^}]*\}|\$\w+", lambda m: "$" if m[0] == "$$" else "", text)


@pytest.mark.parametrize(
    "value",
    ["no", "1e3", "a: b", "#x", "- y", "{z}", "é", 'tab\tquote"', "two\nlines\n", "x\n\n", "", " lead\nx\n"],
)
def test_yaml_round_trip(value: str) -> None:
    document = {"key": value, "list": [value, {"on": value, "n": [1, True, None, 0.5]}, [], {}], "yes": {}}
    assert yaml.safe_load(to_yaml(document, "a comment")) == document


def test_compose_of_vllm() -> None:
    document = compose_of(rendered("gpt-oss-20b", "MXFP4", "rtx-4090", "compose"))
    (service,) = document["services"].values()
    assert service["command"][0] == "openai/gpt-oss-20b" and "--max-model-len" in service["command"]
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert device["count"] == 1 and device["capabilities"] == ["gpu"]


def test_compose_is_inert() -> None:
    plan, model = hostile()
    document = compose_of(render(plan, model, "compose"))
    (service,) = document["services"].values()
    assert service["command"][0] == "/model"
    mount = service["volumes"][1]
    assert interpolated(mount["source"]) == HOSTILE.replace("\n", "\n")
    assert interpolated(service["environment"]["SECRET"]) == plan.env["SECRET"]
    remote = replace(model, path=None, repository=HOSTILE)
    (other,) = compose_of(render(plan, remote, "compose"))["services"].values()
    assert interpolated(other["command"][0]) == HOSTILE


def other_plan(engine: str, **settings: Any) -> Plan:
    gpu = DeviceMemory("NVIDIA GeForce RTX 4090", "gpu", weights=1, available=24 << 30)
    return plan_of(engine, settings=settings, memory=MemoryEstimate((gpu,)))


@pytest.mark.parametrize(("engine", "port"), [("llama.cpp", 8080), ("ollama", 11434)])
def test_compose_of_other_engines(engine: str, port: int) -> None:
    model = model_of("gpt-oss-20b")
    plan = other_plan(engine, n_ctx=8192, n_gpu_layers=999)
    launch = render(plan, model, "compose")
    (service,) = compose_of(launch)["services"].values()
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert launch.command.splitlines()[0] == "docker compose up --detach --wait"


@pytest.mark.parametrize(
    ("profile", "engine", "image", "devices"),
    [
        ("rx-7900-xtx", "llama.cpp", "ghcr.io/ggml-org/llama.cpp:server-rocm", ["/dev/kfd", "/dev/dri"]),
        ("arc-b580", "llama.cpp", "ghcr.io/ggml-org/llama.cpp:server-vulkan", ["/dev/dri"]),
        ("rx-7900-xtx", "ollama", "ollama/ollama:rocm", ["/dev/kfd", "/dev/dri"]),
        ("arc-b580", "ollama", "ollama/ollama", ["/dev/dri"]),
    ],
)
def test_the_image_and_the_devices_are_the_cards(
    profile: str, engine: str, image: str, devices: list[str]
) -> None:
    plan = planner.plan("gpt-oss-20b", profile, engine=engine)
    (service,) = compose_of(planner.launch(plan, format="compose"))["services"].values()
    assert (service["image"], service["devices"]) == (image, devices)
    assert "deploy" not in service and "group_add" not in service, "the images know no group of that name"


def test_a_mac_gives_containers_no_gpu() -> None:
    plan = planner.plan("gpt-oss-20b", "apple-m4-max-64gb")
    with pytest.raises(InputError, match="use --format shell"):
        planner.launch(plan, format="compose")


def unquoted(line: str) -> list[str]:
    """Read an ExecStart line back as systemd does: C escapes, `%%` and `$$`."""
    words = []
    for word in re.findall(r'"((?:[^"\\]|\\.)*)"', line):
        raw = re.sub(
            r"\\(x[0-9a-f]{2}|.)", lambda m: chr(int(m[1][1:], 16)) if m[1][0] == "x" else m[1], word
        )
        words.append(raw.replace("%%", "%").replace("$$", "$"))
    return words


def test_systemd_unit() -> None:
    plan, model = hostile()
    launch = render(plan, model, "systemd")
    (name, unit) = launch.files[0]
    assert re.fullmatch(r"[a-z0-9-]+\.service", name)
    lines = unit.splitlines()
    (start,) = (line for line in lines if line.startswith("ExecStart="))
    assert unquoted(start)[:3] == ["vllm", "serve", HOSTILE]
    assert not re.search(r"(?<!%)%(?!%)", start.replace("%%", "")) and all(
        "=" in x or x.startswith("[") for x in lines if x
    )
    assert sum(line.startswith("[") for line in lines) == 3
    for line in launch.command.splitlines():
        assert shlex.split(line)
    assert "loginctl enable-linger" in launch.command  # else the server ends with the last login


def test_systemd_words() -> None:
    assert systemd_word('a "b" \\ $X %h\n') == '"a \\"b\\" \\\\ $$X %%h\\x0a"'


@pytest.mark.parametrize("engine", ["llama.cpp", "ollama"])
def test_systemd_of_other_engines(engine: str) -> None:
    launch = render(other_plan(engine, n_ctx=8192), model_of("gpt-oss-20b"), "systemd")
    unit = launch.files[0][1]
    assert ("llama-server" if engine == "llama.cpp" else '"ollama" "serve"') in unit


def manifests(launch: Launch) -> list[dict[str, Any]]:
    return [d for _, content in launch.files for d in yaml.safe_load_all(content)]


def validate_core(document: dict[str, Any]) -> None:
    checker = pytest.importorskip("kubernetes_validate", reason="ships the Kubernetes schemas")
    checker.validate(document, "1.36", strict=True)


def test_deployment() -> None:
    claim, deployment, service = manifests(rendered("Qwen/Qwen3-8B", "BF16", "rtx-4090 x2", "kubernetes"))
    for document in (claim, deployment, service):
        validate_core(document)
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["command"][:3] == ["vllm", "serve", "Qwen/Qwen3-8B"]
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]


def gib_of(spec: dict[str, Any]) -> int:
    return int(spec["resources"]["requests"]["storage"].removesuffix("Gi"))


def mounted(pod: dict[str, Any]) -> str:
    """Name of the volume that holds the models, mounted in the pod's only container."""
    (container,) = pod["containers"]
    (mount,) = (m for m in container["volumeMounts"] if m["mountPath"] != "/dev/shm")
    return str(mount["name"])


def test_weights_outlive_the_pods() -> None:
    """On one node: a claim with room for the checkpoint, twice the memory where vLLM quantises it."""
    claim, deployment, _ = manifests(rendered("Qwen/Qwen3-8B", "BF16", "rtx-4090 x2", "kubernetes"))
    assert claim["kind"] == "PersistentVolumeClaim" and claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    pod = deployment["spec"]["template"]["spec"]
    (volume,) = (v for v in pod["volumes"] if v["name"] == mounted(pod))
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert gib_of(claim["spec"]) == 20  # 15.3 GiB of weights
    online, *_ = manifests(rendered("google/gemma-3-27b-it", "FP8", "rtx-4090 x2", "kubernetes"))
    assert gib_of(online["spec"]) >= 60  # 27 billion elements in 16 bits, 27 GiB on the GPUs


def test_several_nodes() -> None:
    launch = rendered("deepseek-ai/DeepSeek-R1", "FP8", two_hosts(), "kubernetes")
    group, service, claim, ray = manifests(launch)
    assert group["kind"] == "LeaderWorkerSet" and group["apiVersion"] == "leaderworkerset.x-k8s.io/v1"
    template = group["spec"]["leaderWorkerTemplate"]
    assert template["size"] == 2
    for name in ("leaderTemplate", "workerTemplate"):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": template[name]["spec"]}
        validate_core(pod)
        (container,) = pod["spec"]["containers"]  # type: ignore[index]
        assert container["resources"]["limits"] == {"nvidia.com/gpu": "8"}
    validate_core(service)
    assert ray["kind"] == "RayService" and ray["apiVersion"] == "ray.io/v1"
    (own,) = template["volumeClaimTemplates"]
    validate_core({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **own})
    assert own["spec"]["accessModes"] == ["ReadWriteOnce"] and 700 <= gib_of(own["spec"]) <= 1000
    for name in ("leaderTemplate", "workerTemplate"):  # the template's claim is found by the mount's name
        assert mounted(template[name]["spec"]) == own["metadata"]["name"]
    validate_core(claim)
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"] and gib_of(claim["spec"]) == gib_of(own["spec"])
    config = ray["spec"]["rayClusterConfig"]
    for spec in (config["headGroupSpec"], *config["workerGroupSpecs"]):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec["template"]["spec"]}
        validate_core(pod)
        inside = spec["template"]["spec"]
        held = next(v for v in inside["volumes"] if v["name"] == mounted(inside))
        assert held["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    serve = yaml.safe_load(ray["spec"]["serveConfigV2"])
    (llm,) = serve["applications"][0]["args"]["llm_configs"]
    assert llm["model_loading_config"]["model_source"] == "deepseek-ai/DeepSeek-R1"
    assert llm["engine_kwargs"]["tensor_parallel_size"] == 8
    assert llm["engine_kwargs"]["pipeline_parallel_size"] == 2
    assert len(llm["placement_group_config"]["bundles"]) == 16


def test_kubernetes_expands_nothing() -> None:
    plan, model = hostile()
    remote = replace(model, path=None, repository="a/$(POD)$$x")
    container = manifests(render(plan, remote, "kubernetes"))[1]["spec"]["template"]["spec"]["containers"][0]
    assert container["command"][2] == inert("a/$(POD)$$x") == "a/$$(POD)$$$$x"


@pytest.mark.parametrize("name", ["a/B_c.D", "$(x)", "", "é" * 80, "-" * 9, "Qwen/" + "x" * 90])
def test_names_are_dns_labels(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?", service_name(name))


def test_models_are_not_needed_to_be_known() -> None:
    model = Model(id="someone/new", name="new", architecture=model_of("Qwen/Qwen3-8B").architecture)
    assert "someone/new" in render(other_plan("vllm", max_model_len=4096), model).command
