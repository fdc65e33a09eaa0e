"""llama-server's command: every setting that the plan rests on, nothing that a shell would read."""

from __future__ import annotations

import shlex

from planner.engines.llama_cpp.command import llama_arguments, llama_server
from planner.models.catalogue.catalogue import find_entry
from planner.models.load import from_entry
from planner.models.model import Model
from planner.plan import Plan
from tests.asked import plan_of
from tests.engines.llama_cpp.llama_shapes import shape


def plan(engine: str, quant: str, **settings: object) -> Plan:
    return plan_of(engine, quant, settings=settings)


def local(path: str) -> Model:
    return Model(id=path, name="my model", architecture=shape("LLAMA_1B"), path=path)


def test_flags_of_a_hybrid_plan() -> None:
    words = llama_arguments(
        {
            "n_ctx": 8192,
            "n_parallel": 2,
            "n_gpu_layers": 999,
            "n_cpu_moe": 20,
            "n_batch": 2048,
            "n_ubatch": 1024,
            "flash_attn": "auto",
            "cache_type_k": "q8_0",
            "cache_type_v": "q8_0",
            "tensor_split": (60.0, 40.5),
            "threads": 8,
            "kv_unified": False,
        }
    )
    line = " ".join(words)
    assert line == (
        "-c 8192 -np 2 -ngl 999 --n-cpu-moe 20 -ub 1024 -ctk q8_0 -ctv q8_0 -t 8 -ts 60,40.5 -fit off"
    )


def test_the_cpu_alone_keeps_the_gpu_out() -> None:
    words = llama_arguments({"n_ctx": 4096, "n_gpu_layers": 0, "op_offload": False})
    assert words[words.index("-dev") + 1] == "none" and "--no-op-offload" not in words


def test_overrides_and_switches() -> None:
    words = llama_arguments({"override_tensor": ((r"blk\.1\.ffn", "CPU"), ("x", "CUDA1")), "swa_full": True})
    assert words[words.index("-ot") + 1] == r"blk\.1\.ffn=CPU,x=CUDA1" and "--swa-full" in words
    assert "-nkvo" in llama_arguments({"kv_offload": False})


def test_a_hostile_path_is_one_word() -> None:
    path = "/tmp/a $(touch x);`b`'.gguf"
    launch = llama_server(plan("llama.cpp", "Q4_K_M", n_ctx=4096), local(path))
    assert shlex.split(launch.command)[:3] == ["llama-server", "-m", path]


def test_repositories_of_the_catalogue() -> None:
    model = from_entry(find_entry("gpt-oss-20b"))
    launch = llama_server(plan("llama.cpp", "MXFP4", n_ctx=4096), model)
    assert "-hf ggml-org/gpt-oss-20b-GGUF:MXFP4" in launch.command
    assert launch.source == "ggml-org/gpt-oss-20b-GGUF" and "--no-mmproj" in launch.command
