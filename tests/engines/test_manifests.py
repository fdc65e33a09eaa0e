"""Commands in compose files, units and manifests: those that others write, and the planner's own."""

from __future__ import annotations

import pytest

import planner
from planner.engines.commands import read_command
from planner.errors import InputError

COMPOSE = """
services:
  proxy:
    image: nginx:1.29
  llm:
    image: vllm/vllm-openai:v0.33.0
    command: --model Qwen/Qwen3-8B --max-model-len ${LEN:-32K} --port 9000
    environment:
      - VLLM_LOGGING_LEVEL=DEBUG
      - CUDA_VISIBLE_DEVICES=1
"""
POD = """
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      containers:
        - name: side
          image: busybox
        - name: llm
          image: lmsysorg/sglang:latest
          command: [python3, -m, sglang.launch_server]
          args: ["--model-path", "Qwen/Qwen3-8B", "--tp", "2"]
          env: [{name: HF_HOME, value: /models}]
          resources: {limits: {nvidia.com/gpu: 2}}
"""
UNIT = """
[Service]
Environment="CUDA_VISIBLE_DEVICES=0,1" LLAMA_ARG_CTX_SIZE=8192
ExecStart=/usr/bin/env llama-server -m /models/a.gguf \\
    --alias "100%% mine" -ngl 99
"""


def test_a_compose_file() -> None:
    command = read_command(COMPOSE)
    assert (command.engine, command.model) == ("vllm", "Qwen/Qwen3-8B")
    assert dict(command.settings) == {"max_model_len": 32768}
    assert (command.kept, command.devices, command.image) == (
        ("--port", "9000"),
        (1,),
        "vllm/vllm-openai:v0.33.0",
    )


def test_a_manifest() -> None:
    command = read_command(POD)
    assert (command.engine, command.model, dict(command.settings)) == (
        "sglang",
        "Qwen/Qwen3-8B",
        {"tp_size": 2},
    )
    assert (command.devices, dict(command.env)) == ((0, 1), {"HF_HOME": "/models"})


def test_a_unit() -> None:
    command = read_command(UNIT)
    assert (command.engine, command.model) == ("llama.cpp", "/models/a.gguf")
    assert dict(command.settings) == {"n_ctx": 8192, "n_gpu_layers": 99}
    assert (command.kept, command.devices) == (("--alias", "100% mine"), (0, 1))


@pytest.mark.parametrize("format", ["compose", "kubernetes", "systemd"])
def test_what_is_rendered_is_read_back(format: str) -> None:
    plan = planner.plan("qwen3-8b", "h100-80gb x2", engine="vllm", settings={"tensor_parallel_size": 2})
    (content, *_) = [content for _, content in planner.launch(plan, format=format).files]
    command = read_command(content)
    assert command.model == "Qwen/Qwen3-8B"
    for name, value in command.settings.items():
        assert plan.settings[name] == value
    assert command.settings["tensor_parallel_size"] == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services:\n  a:\n    image: nginx\n", "starts no engine"),
        ("services: [\n", "the YAML can't be read"),
        ("kind: Pod\nspec: &a\n  containers: *a\n", "starts no engine"),
        ("[Service]\nExecStart=llama-server 'a\n", "can't be split into words"),
        ("image: 3\ncommand: {a: b}\n", "starts no engine"),
    ],
)
def test_what_starts_no_engine(text: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        read_command(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
