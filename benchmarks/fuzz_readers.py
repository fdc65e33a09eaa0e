"""Every reader of what strangers write, as one function of bytes; and inputs that it accepts, to be damaged.

Each ends in an answer or in a PlannerError, which the command line prints as one line; anything else is a bug.
"""

from __future__ import annotations

import json
import shlex
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from planner import safe_text
from planner.errors import InputError

ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class FuzzedReader:
    """A reader, and how inputs for it begin."""

    read: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]


def _config(data: bytes) -> None:
    from planner.models.config.architecture import architecture_from_config
    from planner.models.hub.repository import parse_config

    architecture_from_config(parse_config(data, "config.json"), name="fuzz")


def _configs() -> list[bytes]:
    paths = sorted((ROOT / "seeds").glob("*/*.toml"))[::12]
    configs = [tomllib.loads(path.read_text(encoding="utf-8")).get("config") for path in paths]
    return [json.dumps(config).encode() for config in configs if config]


def _gguf(data: bytes) -> None:
    from planner.models.gguf.architecture import architecture_from_gguf, tensors_from_gguf
    from planner.models.gguf.header import drive, join_shards

    def grow(buf: bytearray, wanted: int) -> None:
        buf += data[len(buf) : max(wanted, len(buf) + 64)]

    header = join_shards([("fuzz.gguf", drive("fuzz.gguf", len(data), grow), len(data))])
    tensors_from_gguf(header)
    architecture_from_gguf(header)


def _ggufs() -> list[bytes]:
    from benchmarks.gguf_seeds import seeds

    return seeds()


def _profile(data: bytes) -> None:
    from planner.hardware.profiles.profile import parse_profile

    try:
        table = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        return  # as read_profile says it
    parse_profile(table, "fuzz.toml")


def _profiles() -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "profiles").rglob("*.toml"))[::40]]


def _card(data: bytes) -> None:
    from pydantic import ValidationError

    from planner.models.catalogue.card import ModelCard

    try:
        ModelCard.model_validate(tomllib.loads(data.decode("utf-8")))
    except (ValueError, RecursionError, ValidationError):
        return  # as read_card says it


def _cards() -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "seeds").glob("*/*.toml"))[::60]]


def _cluster(data: bytes) -> None:
    from planner.hardware.cluster import machine_from_kubernetes

    machine_from_kubernetes(data.decode("utf-8", "replace"))


def _clusters() -> list[bytes]:
    labels = {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/gpu.memory": "81559"}
    status = {
        "capacity": {"memory": "528Gi", "cpu": "96", "nvidia.com/gpu": "8"},
        "allocatable": {"memory": "500Gi", "cpu": "95", "nvidia.com/gpu": "8"},
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux"},
    }
    node = {"kind": "Node", "metadata": {"name": "n1", "labels": labels}, "spec": {}, "status": status}
    return [json.dumps({"kind": "List", "items": [node, node]}).encode()]


def _hub(data: bytes) -> None:
    from planner.models.hub.client import parse_models, parse_repository
    from planner.models.hub.gguf_files import group_files, pick_gguf

    parse_models(data, "fuzz")
    files = parse_repository(data, "o/m").files
    pick_gguf("o/m", group_files((file.path, file.size) for file in files))


def _hubs() -> list[bytes]:
    files = ["m-Q4_K_M.gguf", "m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf", "mmproj-F16.gguf"]
    siblings = [{"rfilename": name, "size": 5, "lfs": {"sha256": "ab" * 32}} for name in files]
    page = {"id": "o/m", "cardData": {"license": "mit"}, "siblings": siblings}
    return [
        json.dumps(page).encode(),
        json.dumps([{"id": "o/m", "pipeline_tag": "text-generation"}]).encode(),
    ]


def _cache(data: bytes) -> None:
    """What lies in the user's own folders: headers, refreshed files, measurements."""
    from planner.models.catalogue.refresh import from_entry
    from planner.models.hub.gguf_header import header_of_entry
    from planner.verify.comparison import measurement_of

    measurement_of(data.decode("utf-8", "replace"))
    try:
        entry = json.loads(data)
    except (ValueError, RecursionError):
        return  # as load_entry says it
    if isinstance(entry, dict):
        header_of_entry(entry)
        from_entry("o/m", entry)


def _caches() -> list[bytes]:
    header = {
        "version": 3,
        "metadata": {"general.architecture": "llama", "tokens": {"of": "string", "length": 5}},
        "tensors": [["a", [32, 2], 0, 0, 256]],
        "alignment": 32,
        "data_offset": 64,
        "data_size": 256,
    }
    measured = {"model": "a/b", "quant": "Q8_0", "engine": "llama.cpp", "build": "b1", "time": 1.0}
    measured |= {"total": 5, "settings": {}, "agrees": True}
    files = {"asked": "2026-01-01", "licence": "mit", "repositories": {"o/m": [["a.gguf", 5, "ab" * 32]]}}
    entries: list[Mapping[str, Any]] = [{"etag": "x", "size": 320, "header": header}, measured, files]
    return [json.dumps(entry).encode() for entry in entries]


def _command(data: bytes) -> None:
    from planner.engines.commands import read_command

    read_command(data.decode("utf-8", "replace"))


def _commands() -> list[bytes]:
    return [
        b"llama-server -hf unsloth/Qwen3-8B-GGUF:Q4_K_M -c 32768 -ngl 99 -fa on --cache-type-k q8_0",
        b"CUDA_VISIBLE_DEVICES=0,1 vllm serve openai/gpt-oss-20b --tensor-parallel-size 2 --max-model-len 32768",
        b"docker run --gpus all -p 8000:8000 vllm/vllm-openai:latest --model Qwen/Qwen3-8B --dtype auto",
        b"ollama run qwen3:8b --verbose && echo 'done' | tee \\\n log",
        b'sh -c "OLLAMA_CONTEXT_LENGTH=8192 ollama serve"',
    ]


def _paste(data: bytes) -> None:
    from planner.verify.diagnose.paste import clean
    from planner.verify.diagnose.read import read

    read(clean(data.decode("utf-8", "replace")))


def _pastes() -> list[bytes]:
    return [
        b"ggml_backend_cuda_buffer_type_alloc_buffer: allocating 5120.00 MiB on device 0: cudaMalloc failed",
        b"ValueError: The model's max seq len (131072) is larger than the maximum number of tokens that can be",
        b"load_tensors: CUDA0 model buffer size = 4403.49 MiB\nllama_context: n_ctx = 4096\n",
    ]


def _options(data: bytes) -> None:
    """What people type: sizes, contexts, machines, models."""
    from planner.hardware.profiles.load import load_profile
    from planner.models.hub.repository import parse_hub_ref
    from planner.units import parse_context, parse_size

    text = data.decode("utf-8", "replace")
    parse_hub_ref(text)
    for parse in (parse_size, parse_context, load_profile):
        try:
            parse(text)
        except InputError:
            continue


def _option_texts() -> list[bytes]:
    return [
        b"24GiB",
        b"32k",
        b"2x rtx-3090 + 128GiB ddr5-6000",
        b"hf:unsloth/gpt-oss-20b-GGUF:Q4_K_M",
        b"rtx-4090",
    ]


def _rendered(data: bytes) -> None:
    """Text written for each format, and read back where the format has a reader at hand."""
    text = data.decode("utf-8", "surrogateescape")
    assert safe_text.one_line(text).isprintable()
    assert safe_text.markdown(text).isprintable()
    assert not set(safe_text.html(text)) & set("<>\"'")
    assert json.loads(safe_text.json_text(json.dumps([text], ensure_ascii=False))) == [text]
    if "\0" not in text:
        assert shlex.split(safe_text.shell_join([text, "x"])) == [text, "x"]
        assert safe_text.systemd_word(text).isprintable()
    for write in (safe_text.toml_string, safe_text.modelfile_value):
        try:
            written = write(text)
        except InputError:
            continue
        assert written.isprintable()
        if write is safe_text.toml_string:
            assert tomllib.loads(f"a = {written}") == {"a": text}


def _texts() -> list[bytes]:
    return [
        b"plain",
        "日本 🤖 é".encode(),
        b"a'b\"c\\d$e`f%g",
        b"\x1b[31m\r\n\t\x7f\xff",
        b"[x](y) | <z> *a*",
    ]


def _server(data: bytes) -> None:
    """One body for every page of a server."""
    from unittest.mock import patch

    from planner.verify import running_server

    def text(server: Any, page: str) -> str:
        server.answered = True
        return data.decode("utf-8", "replace")

    with patch.object(running_server._Server, "text", text):  # in place of the network
        running_server.probe("http://other.example")


def _pages() -> list[bytes]:
    props = {"build_info": "b1", "model_path": "/m.gguf", "total_slots": 4}
    props |= {"default_generation_settings": {"n_ctx": 4096}}
    ollama = {"version": "1", "models": [{"name": "q:4b", "size": 5, "size_vram": 5, "context_length": 4096}]}
    vllm = {"version": "1", "data": [{"id": "a/b", "owned_by": "vllm", "max_model_len": 4096}]}
    return [json.dumps(page).encode() for page in (props, ollama, vllm)]


READERS: Final[Mapping[str, FuzzedReader]] = {
    "config": FuzzedReader(_config, cache(_configs)),
    "gguf": FuzzedReader(_gguf, cache(_ggufs)),
    "profile": FuzzedReader(_profile, cache(_profiles)),
    "card": FuzzedReader(_card, cache(_cards)),
    "cluster": FuzzedReader(_cluster, cache(_clusters)),
    "hub": FuzzedReader(_hub, cache(_hubs)),
    "server": FuzzedReader(_server, cache(_pages)),
    "cache": FuzzedReader(_cache, cache(_caches)),
    "command": FuzzedReader(_command, cache(_commands)),
    "paste": FuzzedReader(_paste, cache(_pastes)),
    "options": FuzzedReader(_options, cache(_option_texts)),
    "rendered": FuzzedReader(_rendered, cache(_texts)),
}
