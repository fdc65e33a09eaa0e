"""What people tell Ollama, on the command line, in the environment and in Modelfiles -> what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from planner.engines.commands import read_command
from planner.errors import InputError

RUN: list[tuple[str, str, dict[str, Any]]] = [
    ("ollama run qwen3:32b", "qwen3:32b", {}),
    ("ollama run llama3.3", "llama3.3", {}),
    ("$ ollama run gpt-oss:20b", "gpt-oss:20b", {}),
    ("ollama.exe run gemma4:12b", "gemma4:12b", {}),
    ("ollama run hf.co/unsloth/Qwen3-8B-GGUF:Q4_K_M", "hf.co/unsloth/Qwen3-8B-GGUF:Q4_K_M", {}),
    ("ollama run qwen3:8b 'Why is the sky blue?'", "qwen3:8b", {}),
    ("ollama run qwen3:8b why is the sky blue", "qwen3:8b", {}),
    ("ollama run --verbose qwen3:8b", "qwen3:8b", {}),
    ("ollama run qwen3:8b --keepalive 1h", "qwen3:8b", {}),
    ("ollama run qwen3:8b --think=false", "qwen3:8b", {}),
    ("ollama run qwen3:8b --format json --nowordwrap", "qwen3:8b", {}),
    ("docker exec -it ollama ollama run qwen3:8b", "qwen3:8b", {}),
    ("docker exec ollama ollama run qwen3:8b", "qwen3:8b", {}),
    ("OLLAMA_NUM_PARALLEL=4 ollama run qwen3:8b", "qwen3:8b", {"num_parallel": 4}),
    ("OLLAMA_CONTEXT_LENGTH=32768 ollama run qwen3:8b", "qwen3:8b", {"num_ctx": 32768}),
    ("OLLAMA_KV_CACHE_TYPE=q8_0 ollama run qwen3:8b", "qwen3:8b", {"kv_cache_type": "q8_0"}),
    ("OLLAMA_KV_CACHE_TYPE='\"q4_0\"' ollama run a", "a", {"kv_cache_type": "q4_0"}),
    ("OLLAMA_FLASH_ATTENTION=1 ollama run a", "a", {"flash_attention": True}),
    ("OLLAMA_FLASH_ATTENTION=true ollama run a", "a", {"flash_attention": True}),
    ("OLLAMA_FLASH_ATTENTION=0 ollama run a", "a", {"flash_attention": False}),
    ("OLLAMA_FLASH_ATTENTION=False ollama run a", "a", {"flash_attention": False}),
    ("OLLAMA_FLASH_ATTENTION=yes ollama run a", "a", {"flash_attention": True}),
    ("OLLAMA_FLASH_ATTENTION= ollama run a", "a", {}),
    ("OLLAMA_GPU_OVERHEAD=1073741824 ollama run a", "a", {"gpu_overhead": 1 << 30}),
    ("OLLAMA_NUM_PARALLEL=many ollama run a", "a", {}),
    ("OLLAMA_CONTEXT_LENGTH=0 ollama run a", "a", {}),
    ("$env:OLLAMA_NUM_PARALLEL=2\nollama run a", "a", {"num_parallel": 2}),
    ("set OLLAMA_NUM_PARALLEL=2\nollama run a", "a", {"num_parallel": 2}),
    ("export OLLAMA_NUM_PARALLEL=2 && ollama run a", "a", {"num_parallel": 2}),
]
SERVE: list[tuple[str, dict[str, Any]]] = [
    ("ollama serve", {}),
    ("ollama start", {}),
    ("OLLAMA_CONTEXT_LENGTH=65536 ollama serve", {"num_ctx": 65536}),
    ("sudo OLLAMA_HOST=0.0.0.0 OLLAMA_NUM_PARALLEL=8 ollama serve", {"num_parallel": 8}),
    ("docker run -d --gpus=all -v ollama:/root/.ollama -p 11434:11434 --name ollama ollama/ollama", {}),
    ("docker run -e OLLAMA_KV_CACHE_TYPE=q8_0 -e OLLAMA_FLASH_ATTENTION=1 ollama/ollama:rocm",
     {"kv_cache_type": "q8_0", "flash_attention": True}),
]  # fmt: skip
KEPT_VARIABLES = [
    "OLLAMA_HOST=0.0.0.0:11434", "OLLAMA_KEEP_ALIVE=-1", "OLLAMA_MODELS=/data", "OLLAMA_ORIGINS=*", "OLLAMA_DEBUG=1",
    "OLLAMA_LOAD_TIMEOUT=10m", "OLLAMA_MAX_QUEUE=64", "OLLAMA_NOPRUNE=1", "OLLAMA_NO_CLOUD=1",
]  # fmt: skip
UNCOUNTED = [
    ("OLLAMA_SCHED_SPREAD=1", "spreading over all GPUs (OLLAMA_SCHED_SPREAD)"),
    ("OLLAMA_MAX_LOADED_MODELS=3", "other models that are loaded (OLLAMA_MAX_LOADED_MODELS)"),
    ("OLLAMA_LLM_LIBRARY=cpu", "the library that drives the GPU (OLLAMA_LLM_LIBRARY)"),
    ("OLLAMA_VULKAN=1", "the library that drives the GPU (OLLAMA_VULKAN)"),
    ("LLAMA_ARG_FIT_TARGET=2048", "llama-server's own fit (LLAMA_ARG_FIT_TARGET)"),
    ("LLAMA_ARG_CPU_MOE=1", "llama-server's own settings (LLAMA_ARG_CPU_MOE)"),
    ("OLLAMA_KV_CACHE_TYPE=q5_1", "a KV cache in q5_1 (OLLAMA_KV_CACHE_TYPE)"),
]
PARAMETERS: list[tuple[str, dict[str, Any]]] = [
    ("PARAMETER num_ctx 32768", {"num_ctx": 32768}),
    ("PARAMETER num_gpu 99", {"num_gpu": 99}),
    ("PARAMETER num_gpu 0", {"num_gpu": 0}),
    ("PARAMETER num_batch 512", {"num_batch": 512}),
    ("PARAMETER num_thread 8", {"num_thread": 8}),
    ("parameter num_ctx 4096", {"num_ctx": 4096}),
    ("PARAMETER temperature 0.7", {}),
    ('PARAMETER stop "<|im_end|>"', {}),
    ("PARAMETER top_p 0.9\nPARAMETER num_ctx 8192", {"num_ctx": 8192}),
    ('SYSTEM """\nFROM here PARAMETER num_ctx 1\n"""', {}),
    ("# PARAMETER num_ctx 1", {}),
    ('TEMPLATE "{{ .Prompt }}"', {}),
]
REFUSED = [
    ("ollama run qwen3:8b --num-ctx 8192", "unknown flag: --num-ctx"),
    ("ollama run qwen3:8b --verbos", "did you mean --verbose?"),
    ("ollama serve qwen3:8b", "unknown command"),
    ("OLLAMA_KV_CACHE_TYPE=q3 ollama run a", "Unsupported cache type: q3"),
    ("ollama run --help", "prints something and ends"),
    ("FROM a\nPARAMETER num_ctx many", "invalid int value [many]"),
    ("FROM a\nPARAMETER nonsense 1", "unknown parameter 'nonsense'"),
    ("FROM a\nNONSENSE 1", "command must be one of"),
]


def test_enough_spellings_are_tried() -> None:
    tried = (RUN, SERVE, KEPT_VARIABLES, UNCOUNTED, PARAMETERS, REFUSED)
    assert sum(len(each) for each in tried) >= 70


@pytest.mark.parametrize(("text", "model", "settings"), RUN, ids=[t for t, _, _ in RUN])
def test_run(text: str, model: str, settings: dict[str, Any]) -> None:
    command = read_command(text)
    assert (command.engine, command.model, dict(command.settings)) == ("ollama", model, settings)
    assert command.uncounted == ()


@pytest.mark.parametrize(("text", "settings"), SERVE, ids=[t for t, _ in SERVE])
def test_serve(text: str, settings: dict[str, Any]) -> None:
    command = read_command(text)
    assert (command.engine, command.model, dict(command.settings)) == ("ollama", None, settings)


@pytest.mark.parametrize("variable", KEPT_VARIABLES)
def test_variables_that_move_nothing_stay(variable: str) -> None:
    command = read_command(f"{variable} ollama serve")
    name, _, value = variable.partition("=")
    assert (dict(command.env), dict(command.settings), command.uncounted) == ({name: value}, {}, ())


@pytest.mark.parametrize(("variable", "what"), UNCOUNTED, ids=[v for v, _ in UNCOUNTED])
def test_uncounted(variable: str, what: str) -> None:
    assert [str(each) for each in read_command(f"{variable} ollama run a").uncounted] == [what]


@pytest.mark.parametrize(("lines", "settings"), PARAMETERS, ids=[p for p, _ in PARAMETERS])
def test_modelfile(lines: str, settings: dict[str, Any]) -> None:
    command = read_command(f"FROM qwen3:8b\n{lines}\n")
    assert (command.model, dict(command.settings), command.uncounted) == ("qwen3:8b", settings, ())


def test_modelfile_with_an_adapter() -> None:
    command = read_command("FROM ./a.gguf\nADAPTER ./lora.gguf\nPARAMETER mirostat 2\nPARAMETER main_gpu 1")
    assert command.model == "./a.gguf"
    assert [each.what for each in command.uncounted] == ["LoRA adapters", "the GPU that is used"]
    assert "mirostat" in command.notes[0]


@pytest.mark.parametrize(("text", "said"), REFUSED, ids=[t for t, _ in REFUSED])
def test_refused(text: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        read_command(text)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
