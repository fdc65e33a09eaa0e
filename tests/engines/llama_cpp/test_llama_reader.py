"""What people write after llama-server -> what becomes of it, by llama.cpp's own parser (common/arg.cpp)."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from planner.engines.commands import read_command
from planner.engines.llama_cpp.reader import read, started
from planner.errors import InputError
from planner.hardware.profiles.load import load_profile
from planner.models.load import load_model

ALL = 999

# words -> the settings that they are
PLANNED: list[tuple[str, dict[str, Any]]] = [
    ("-c 4096", {"n_ctx": 4096}),
    ("--ctx-size 131072", {"n_ctx": 131072}),
    ("--ctx_size 8192", {"n_ctx": 8192}),
    ("-c 0", {"n_ctx": 0}),
    ("-c 2048 -c 4096", {"n_ctx": 4096}),
    ("-np 8", {"n_parallel": 8}),
    ("--cache-ram 0", {"cache_ram_mib": 0}),
    ("-cram 16384", {"cache_ram_mib": 16384}),
    ("--ctx-checkpoints 64", {"n_ctx_checkpoints": 64}),
    ("--swa-checkpoints 3", {"n_ctx_checkpoints": 3}),
    ("--parallel 2", {"n_parallel": 2}),
    ("-np -1", {}),
    ("-kvu", {"kv_unified": True}),
    ("--kv-unified", {"kv_unified": True}),
    ("-no-kvu", {"kv_unified": False}),
    ("--no-kv-unified", {"kv_unified": False}),
    ("-np 4 --kv-unified-per-slot 8192", {"n_parallel": 4, "n_ctx": 32768}),
    ("-c 4096 --kv-unified-per-slot 8192", {"n_ctx": 4096}),
    ("-b 4096", {"n_batch": 4096}),
    ("--batch-size 512", {"n_batch": 512}),
    ("-ub 1024", {"n_ubatch": 1024}),
    ("--ubatch-size 2048", {"n_ubatch": 2048}),
    ("-b 8192 -ub 8192", {"n_batch": 8192, "n_ubatch": 8192}),
    ("-fa on", {"flash_attn": "on"}),
    ("-fa off", {"flash_attn": "off"}),
    ("-fa auto", {"flash_attn": "auto"}),
    ("-fa 1", {"flash_attn": "on"}),
    ("-fa 0", {"flash_attn": "off"}),
    ("-fa -1", {"flash_attn": "auto"}),
    ("--flash-attn true", {"flash_attn": "on"}),
    ("--flash-attn disabled", {"flash_attn": "off"}),
    ("-fa -c 4096", {"flash_attn": "on", "n_ctx": 4096}),
    ("-ctk q8_0", {"cache_type_k": "q8_0"}),
    ("-ctv q4_0", {"cache_type_v": "q4_0"}),
    ("--cache-type-k bf16", {"cache_type_k": "bf16"}),
    ("--cache-type-v iq4_nl", {"cache_type_v": "iq4_nl"}),
    ("--cache_type_k q5_1", {"cache_type_k": "q5_1"}),
    ("-ngl 99", {"n_gpu_layers": 99}),
    ("-ngl 0", {"n_gpu_layers": 0}),
    ("-ngl all", {"n_gpu_layers": ALL}),
    ("-ngl -2", {"n_gpu_layers": ALL}),
    ("-ngl auto", {}),
    ("-ngl -1", {}),
    ("--n-gpu-layers 33", {"n_gpu_layers": 33}),
    ("--gpu-layers 20", {"n_gpu_layers": 20}),
    ("--n_gpu_layers 20", {"n_gpu_layers": 20}),
    ("-cmoe", {"cpu_moe": True}),
    ("--cpu-moe", {"cpu_moe": True}),
    ("-ncmoe 12", {"n_cpu_moe": 12}),
    ("--n-cpu-moe 30", {"n_cpu_moe": 30}),
    ("-ncffn 1", {"override_tensor": ((r"blk\.0\.ffn_(up|down|gate)\.", "CPU"),)}),
    ("-ot exps=CPU", {"override_tensor": (("exps", "CPU"),)}),
    ("-ot '.ffn_(up|down)_exps.=CPU'", {"override_tensor": ((".ffn_(up|down)_exps.", "CPU"),)}),
    ("--override-tensor a=CUDA0,b=CPU", {"override_tensor": (("a", "CUDA0"), ("b", "CPU"))}),
    ("-ot a=CPU -ot b=CUDA1", {"override_tensor": (("a", "CPU"), ("b", "CUDA1"))}),
    ("-sm row", {"split_mode": "row"}),
    ("-sm none -mg 1", {"split_mode": "none", "main_gpu": 1}),
    ("--split-mode tensor", {"split_mode": "tensor"}),
    ("--split-mode layer", {"split_mode": "layer"}),
    ("--main-gpu 1", {"main_gpu": 1}),
    ("-ts 3,1", {"tensor_split": (3.0, 1.0)}),
    ("-ts 3/1", {"tensor_split": (3.0, 1.0)}),
    ("--tensor-split 11,11,10", {"tensor_split": (11.0, 11.0, 10.0)}),
    ("--tensor-split 0.6,0.4", {"tensor_split": (0.6, 0.4)}),
    ("-nkvo", {"kv_offload": False}),
    ("--no-kv-offload", {"kv_offload": False}),
    ("-kvo", {"kv_offload": True}),
    ("--no-op-offload", {"op_offload": False}),
    ("--op-offload", {"op_offload": True}),
    ("--swa-full", {"swa_full": True}),
    ("--no-repack", {"repack_weights": False}),
    ("-nr", {"repack_weights": False}),
    ("--embedding", {"embeddings": True}),
    ("--embeddings", {"embeddings": True}),
    ("--reranking", {"embeddings": True}),
    ("--rerank", {"embeddings": True}),
    ("--mmproj mmproj-F16.gguf", {"mmproj": True}),
    ("--image-max-tokens 1024", {"image_max_tokens": 1024}),
    ("--moe-cache-mib 512", {"moe_cache_mib": 512}),
    ("-mm mmproj.gguf", {"mmproj": True}),
    ("--no-mmproj", {"mmproj": False}),
    ("--no-mmproj-auto", {"mmproj": False}),
    ("-lm none", {"mmap": False}),
    ("--load-mode dio", {"mmap": False}),
    ("--load-mode mmap", {"mmap": True}),
    ("--load-mode mmap+mlock", {"mmap": True}),
    ("--load-mode mlock", {"mmap": False}),
    ("-t 8", {"threads": 8}),
    ("--threads -1", {}),
    ("-dev none", {"n_gpu_layers": 0}),
    ("-fit off", {"fit": False}),
    ("--fit on", {"fit": True}),
    ("-fitt 512", {"fit_target": (512,)}),
    ("--fit-target 1024,2048", {"fit_target": (1024, 2048)}),
    ("-fitc 16384", {"fit_ctx": 16384}),
    ("--spec-type draft-mtp", {"spec_type": "draft-mtp"}),
    ("--spec-type none", {"spec_type": "none"}),
    ("--spec-draft-n-max 4", {"spec_draft_n_max": 4}),
    ("-md draft.gguf", {"spec_draft_model": "draft.gguf"}),
    ("--model-draft draft.gguf", {"spec_draft_model": "draft.gguf"}),
    ("-hfd ggml-org/Qwen3-0.6B-GGUF", {"spec_draft_model": "ggml-org/Qwen3-0.6B-GGUF"}),
    ("--spec-draft-hf a/b:Q8_0", {"spec_draft_model": "a/b:Q8_0"}),
    ("-ngld 99", {"spec_draft_ngl": 99}),
    ("--gpu-layers-draft all", {"spec_draft_ngl": ALL}),
    ("-ctkd q8_0", {"spec_draft_type_k": "q8_0"}),
    ("--cache-type-v-draft q8_0", {"spec_draft_type_v": "q8_0"}),
    ("--gpt-oss-20b-default", {"n_ubatch": 2048, "n_batch": 32768, "n_parallel": 2, "n_ctx": 262144}),
]  # fmt: skip
# words that move no byte: they stay as they are
KEPT = [
    "--host 0.0.0.0", "--port 8080", "--alias qwen", "-a my-model", "--jinja", "--no-jinja", "--metrics",
    "--slots", "--no-slots", "--props", "--api-key secret", "--api-key-file keys.txt", "--temp 0.7",
    "--top-p 0.95", "--top-k 20", "--min-p 0", "--seed 42", "-s 1", "--repeat-penalty 1.1", "-n 512",
    "--predict 2048", "-tb 16", "--prio 2", "--numa distribute", "--no-webui", "--no-ui", "-lv 5", "-v",
    "--verbose", "--log-file x.log", "--no-warmup", "--cont-batching", "-nocb", "--context-shift",
    "--no-context-shift", "--cache-reuse 256", "--no-cache-prompt", "--chat-template chatml",
    "--chat-template-file t.jinja", "--chat-template-kwargs '{\"enable_thinking\":false}'",
    "--reasoning-format deepseek", "--reasoning-budget 0", "-rea off", "--rope-scaling yarn", "--rope-scale 4",
    "--yarn-orig-ctx 32768", "--threads-http 4", "-to 600", "--timeout 1200", "--path public",
    "--slot-save-path /tmp/slots", "-sps 0.1", "--offline", "-hft token", "--pooling mean", "--keep 4",
    "--spec-draft-n-min 1", "--spec-draft-p-min 0.8", "--draft-p-min 0.6", "--check-tensors", "--no-perf",
    "--ssl-key-file k.pem", "--samplers 'top_k;temperature'", "--mirostat 2", "--presence-penalty 1.5",
    "--log-colors off", "--sleep-idle-seconds 300",
]  # fmt: skip
# words that move bytes by no rule: they stay, and are named
UNCOUNTED = [
    ("--lora a.gguf", "LoRA adapters (--lora)"),
    ("--lora-scaled a.gguf:0.5", "LoRA adapters (--lora-scaled)"),
    ("--control-vector v.gguf", "control vectors (--control-vector)"),
    ("--rpc 10.0.0.2:50052", "devices of other machines (--rpc)"),
    ("--no-host", "weights in buffers other than the host's (--no-host)"),
    ("--no-mmproj-offload", "where the projector lies (--no-mmproj-offload)"),
    ("-devd CUDA1", "the draft's placement (-devd)"),
    ("--override-kv a=int:1", "metadata other than the file's (--override-kv)"),
    ("--spec-type ngram-mod", "drafting by ngram-mod (--spec-type)"),
    ("--spec-type draft-eagle3", "drafting by draft-eagle3 (--spec-type)"),
]
# words of earlier builds -> what they are read as
EARLIER: list[tuple[str, dict[str, Any], str]] = [
    ("--no-mmap", {"mmap": False}, "--load-mode none"),
    ("--mlock", {"mmap": True}, "--load-mode mmap+mlock"),
    ("--direct-io", {"mmap": False}, "--load-mode dio"),
    ("--draft-max 16", {"spec_draft_n_max": 16}, "--spec-draft-n-max 16"),
    ("--draft 8", {"spec_draft_n_max": 8}, "--spec-draft-n-max 8"),
    ("--draft-min 1", {}, "--spec-draft-n-min 1"),
    ("-fa", {"flash_attn": "on"}, "read as on"),
    ("--defrag-thold 0.1", {}, "left out"),
]
# words that llama.cpp refuses -> what it says
REFUSED = [
    ("--split-mode x", "invalid value 'x'; it takes none, layer, row, tensor"),
    ("--cache-type-k q3", "invalid value 'q3'; it takes f32, f16, bf16, q8_0"),
    ("-ctv q6_K", "invalid value 'q6_K'"),
    ("-fa maybe", "unknown value 'maybe'"),
    ("--load-mode swap", "it takes auto, none, mmap"),
    ("--spec-type nonsense", "it takes none, draft-simple"),
    ("-c 32k", "'32k' is not a whole number"),
    ("-c", "expected value for argument"),
    ("-np 0", "invalid value for n_parallel"),
    ("-ngl some", "neither a number, auto nor all"),
    ("-ncmoe -3", "invalid value"),
    ("-ts a,b", "not a list of numbers"),
    ("-ot CPU", "it takes pattern=buffer"),
    ("--ctx-size=4096", "its value is a word of its own: --ctx-size 4096"),
    ("--ctx-sise 4096", "did you mean --ctx-size?"),
    ("--n-gpu-layer 4", "did you mean --n-gpu-layers?"),
    ("--rope-scaling ntk", "it takes none, linear, yarn"),
    ("prompt", "error: invalid argument: prompt"),
    ("--version", "prints something and ends"),
]


def test_enough_spellings_are_tried() -> None:
    assert len(PLANNED) + len(KEPT) + len(UNCOUNTED) + len(EARLIER) + len(REFUSED) >= 200


@pytest.mark.parametrize(("words", "settings"), PLANNED, ids=[w for w, _ in PLANNED])
def test_planned(words: str, settings: dict[str, Any]) -> None:
    command = read_command(f"llama-server {words}")
    assert dict(command.settings) == settings
    assert command.uncounted == ()


@pytest.mark.parametrize("words", KEPT)
def test_kept(words: str) -> None:
    command = read_command(f"llama-server {words}")
    assert command.kept == tuple(shlex.split(words))
    assert (dict(command.settings), command.uncounted, command.notes) == ({}, (), ())


@pytest.mark.parametrize(("words", "what"), UNCOUNTED, ids=[w for w, _ in UNCOUNTED])
def test_uncounted(words: str, what: str) -> None:
    command = read_command(f"llama-server {words}")
    assert [str(each) for each in command.uncounted] == [what]
    assert command.kept == tuple(shlex.split(words))


@pytest.mark.parametrize(("words", "settings", "said"), EARLIER, ids=[w for w, _, _ in EARLIER])
def test_words_of_earlier_builds(words: str, settings: dict[str, Any], said: str) -> None:
    command = read_command(f"llama-server {words}")
    assert dict(command.settings) == settings
    assert said in command.notes[0]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[w for w, _ in REFUSED])
def test_refused(words: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        read_command(f"llama-server {words}")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "model"),
    [
        ("-m qwen.gguf", "qwen.gguf"),
        ("--model '/models/a b.gguf'", "/models/a b.gguf"),
        ("-hf unsloth/Qwen3-8B-GGUF:Q4_K_M", "unsloth/Qwen3-8B-GGUF:Q4_K_M"),
        ("-hfr ggml-org/gpt-oss-20b-GGUF", "ggml-org/gpt-oss-20b-GGUF"),
        ("-hf a/b -hff c-Q8_0.gguf", "a/b/c-Q8_0.gguf"),
        ("-mu https://h/c.gguf", "https://h/c.gguf"),
        ("--gpt-oss-120b-default", "ggml-org/gpt-oss-120b-GGUF"),
        ("-c 4096", None),
    ],
)
def test_model(words: str, model: str | None) -> None:
    assert read_command(f"llama-server {words}").model == model


@pytest.mark.parametrize(
    ("line", "slots", "unified"),
    [
        ("llama-server -m a.gguf", 4, True),
        ("llama-server -m a.gguf -np 1", 1, None),
        ("llama-cli -m a.gguf", 1, None),
    ],
)
def test_a_server_shares_four_slots_where_nothing_is_said(
    line: str, slots: int, unified: bool | None
) -> None:
    settings = started(read_command(line), load_model("gpt-oss-20b"), load_profile("rtx-4090"))
    assert (settings["n_parallel"], settings.get("kv_unified")) == (slots, unified)


def test_environment() -> None:
    env = {
        "LLAMA_ARG_CTX_SIZE": "8192",
        "LLAMA_ARG_CPU_MOE": "1",
        "LLAMA_ARG_KV_OFFLOAD": "off",
        "PATH": "/bin",
    }
    command = read(("llama-server",), ["-c", "4096"], env)
    assert dict(command.settings) == {"n_ctx": 4096, "cpu_moe": True, "kv_offload": False}
    assert dict(command.env) == {"PATH": "/bin"}
    with pytest.raises(InputError, match="LLAMA_ARG_CACHE_TYPE_K"):
        read(("llama-server",), [], {"LLAMA_ARG_CACHE_TYPE_K": "q3"})


def test_devices_by_number() -> None:
    assert read_command("llama-server -dev CUDA1,CUDA2").devices == (1, 2)
    assert read_command("CUDA_VISIBLE_DEVICES=2,3 llama-server -dev CUDA1").devices == (3,)
    assert read_command("CUDA_VISIBLE_DEVICES=0 llama-server").devices == (0,)
    assert read_command("CUDA_VISIBLE_DEVICES= llama-server").devices == ()
    assert read_command("CUDA_VISIBLE_DEVICES=GPU-8f2a llama-server").devices is None
    assert read_command("docker run --gpus '\"device=1,3\"' x/llama.cpp:server -c 512").devices == (1, 3)
