"""`vllm serve` lines: the flags of a plan, the parsers of a card, nothing that a shell would read."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

import planner
from planner.engines.vllm.command import recipe_flags, serve_argv, settings_flags
from planner.engines.vllm.parsers import REASONING_PARSERS, TOOL_PARSERS
from planner.engines.vllm.settings import VllmSettings
from planner.errors import InputError
from planner.launching.render import render
from planner.models.catalogue.catalogue import load_catalogue
from planner.models.load import from_entry
from tests.launching.plans import HOSTILE, hostile, model_of, planned, rendered, two_hosts


def test_gpt_oss() -> None:
    words = shlex.split(rendered("gpt-oss-120b", "MXFP4", "h100-80gb", "shell").command)
    assert words[:3] == ["vllm", "serve", "openai/gpt-oss-120b"]
    assert words[words.index("--max-model-len") + 1] == "8192"
    assert words[words.index("--tool-call-parser") + 1] == "openai"
    assert words[words.index("--reasoning-parser") + 1] == "openai_gptoss"
    assert "--enable-auto-tool-choice" in words
    assert "--tensor-parallel-size" not in words and "--quantization" not in words


def test_what_the_planner_chose_is_said() -> None:
    words = shlex.split(rendered("google/gemma-3-27b-it", "FP8", "rtx-4090 x2", "shell").command)
    assert words[words.index("--tensor-parallel-size") + 1] == "2"
    assert words[words.index("--quantization") + 1] == "fp8"


def test_defaults_are_left_out_and_the_rest_is_not() -> None:
    assert (
        list(settings_flags({"tensor_parallel_size": 1, "enforce_eager": False, "async_scheduling": True}))
        == []
    )
    words = list(settings_flags({"enforce_eager": True, "async_scheduling": False, "max_model_len": -1}))
    assert words == ["--max-model-len", "auto", "--no-async-scheduling", "--enforce-eager"]


def test_every_setting_has_a_flag_or_a_reason() -> None:
    """A new setting that no command prints would make plans untrue."""
    silent = {"nnodes"}  # the Ray executor finds its nodes by itself
    for name in VllmSettings.__dataclass_fields__:
        default = getattr(VllmSettings(), name)
        given = {
            bool: lambda d: not d,
            int: lambda d: d + 1,
            float: lambda d: d + 0.5,
            str: lambda d: "x",
            type(None): lambda d: 3,
        }[type(default)](default)
        settings = {name: given, "distributed_executor_backend": "ray"} if name in silent else {name: given}
        if name in ("num_speculative_tokens", "speculative_model"):
            settings["speculative_method"] = "mtp"
        printed = list(settings_flags(settings))
        assert printed or name in silent, name


def test_recipes_never_change_the_memory() -> None:
    memory = {"--kv-cache-dtype", "--block-size", "--max-model-len", "--enable-expert-parallel", "--dtype"}
    for entry in load_catalogue().all_entries():
        if not entry.vllm:
            continue
        flags = recipe_flags(from_entry(entry)) if entry.config else []
        names = [f for f, _ in flags]
        assert not memory & set(names), entry.id
        assert len(names) == len(set(names)), entry.id
        values = dict(flags)
        assert values.get("--tool-call-parser") in {None, *TOOL_PARSERS}, entry.id
        assert values.get("--reasoning-parser") in {None, *REASONING_PARSERS}, entry.id


def test_a_hostile_path_is_one_word() -> None:
    plan, model = hostile()
    launch = render(plan, model)
    words = shlex.split(launch.command)
    assert words[2] == HOSTILE
    assert words[3] == "--served-model-name" and words == serve_argv(plan, model)


def test_ray_over_two_hosts() -> None:
    launch = rendered("deepseek-ai/DeepSeek-R1", "FP8", two_hosts(), "ray")
    files = dict(launch.files)
    assert set(files) == {"ray-head.sh", "ray-worker.sh"} and launch.command == "sh ray-head.sh"
    assert "--tensor-parallel-size 8 --pipeline-parallel-size 2" in files["ray-head.sh"]
    assert "--distributed-executor-backend ray" in files["ray-head.sh"]
    assert "HEAD_IP:=$(hostname -I" in files["ray-head.sh"] and "sh ray-worker.sh" in files["ray-head.sh"]
    assert "-ge 16 ]" in files["ray-head.sh"] and "--block" in files["ray-worker.sh"]


def test_ray_scripts_are_shell_and_inert(tmp_path: object) -> None:
    import subprocess
    from pathlib import Path

    plan, model = hostile()
    folder = Path(str(tmp_path))
    (head,) = render(plan, model, "ray").files
    # The words that vLLM would get, with every program replaced by one that prints its arguments.
    script = head[1].replace("exec vllm", "exec printf '%s\\0'").replace("ray start", "true ray start")
    script = script.replace("until [", "until true || [")
    path = folder / "head.sh"
    path.write_text(script, encoding="utf-8")
    done = subprocess.run(
        ["sh", str(path)],
        cwd=folder,
        env={"HEAD_IP": "10.0.0.1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
    )
    words = done.stdout.decode().split("\0")
    assert words[1] == HOSTILE
    assert sorted(p.name for p in folder.iterdir()) == ["head.sh"]


def test_sglang() -> None:
    words = shlex.split(rendered("gpt-oss-120b", "MXFP4", "h100-80gb", "sglang").command)
    assert words[words.index("--model-path") + 1] == "openai/gpt-oss-120b"
    assert words[words.index("--reasoning-parser") + 1] == "gpt-oss"
    assert 0.5 < float(words[words.index("--mem-fraction-static") + 1]) <= 0.95
    plan, model = hostile()
    unknown = replace(model, architecture=replace(model.architecture, hf_class="NobodyForCausalLM"))
    with pytest.raises(InputError):
        render(plan, unknown, "sglang")
    assert shlex.split(render(plan, model, "sglang").command)[4] == HOSTILE


def test_formats_that_do_not_suit() -> None:
    model = model_of("deepseek-ai/DeepSeek-R1")
    spread = planned(model, "FP8", two_hosts())
    for format in ("compose", "systemd"):
        with pytest.raises(InputError, match="several"):
            render(spread, model, format)
    plan, local = hostile()
    with pytest.raises(InputError, match="this machine only"):
        render(plan, local, "kubernetes")
    with pytest.raises(InputError, match="not known"):
        render(plan, local, "helm")


@pytest.mark.parametrize(
    ("model", "repository"),
    [
        ("Qwen/Qwen3.8-27B", "Qwen/Qwen3.8-27B-FP8"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8"),
        ("zai-org/GLM-5.3-Flash", "zai-org/GLM-5.3-Flash"),  # FP8 is what it was published in
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-FP8"),
    ],
)
def test_the_vendors_eight_bits_are_served_as_they_are(model: str, repository: str) -> None:
    words = shlex.split(rendered(model, "FP8", "h200-sxm x8", "shell").command)
    assert words[2] == repository
    assert "--quantization" not in words


def test_quantising_while_loading_can_still_be_asked_for() -> None:
    plan = planner.plan("Qwen/Qwen3-32B", "h100-80gb", engine="vllm", settings={"quantization": "fp8"})
    words = shlex.split(plan.command)
    assert words[2] == "Qwen/Qwen3-32B" and words[words.index("--quantization") + 1] == "fp8"
