"""What people write after `vllm serve` -> what becomes of it, by vLLM 0.33.0's own parser."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from planner.engines.commands import Command, read_command
from planner.errors import InputError

MTP = {"speculative_method": "mtp", "num_speculative_tokens": 2}
# words -> the settings that they are
PLANNED: list[tuple[str, dict[str, Any]]] = [
    ("--tensor-parallel-size 4", {"tensor_parallel_size": 4}),
    ("--tensor_parallel_size 4", {"tensor_parallel_size": 4}),
    ("--tensor-parallel-size=4", {"tensor_parallel_size": 4}),
    ("--tensor-parallel 2", {"tensor_parallel_size": 2}),
    ("-tp 8", {"tensor_parallel_size": 8}),
    ("-tp=8", {"tensor_parallel_size": 8}),
    ("-tp8", {"tensor_parallel_size": 8}),
    ("--pipeline-parallel-size 2", {"pipeline_parallel_size": 2}),
    ("-pp 3", {"pipeline_parallel_size": 3}),
    ("--data-parallel-size 8", {"data_parallel_size": 8}),
    ("-dp 16", {"data_parallel_size": 16}),
    ("--decode-context-parallel-size 4", {"decode_context_parallel_size": 4}),
    ("-dcp 8", {"decode_context_parallel_size": 8}),
    ("--enable-expert-parallel", {"enable_expert_parallel": True}),
    ("--enable_expert_parallel", {"enable_expert_parallel": True}),
    ("-ep", {"enable_expert_parallel": True}),
    ("--disable-expert-parallel", {"enable_expert_parallel": False}),
    ("--no-enable-expert-parallel", {"enable_expert_parallel": False}),
    ("--max-model-len 131072", {"max_model_len": 131072}),
    ("--max_model_len 131072", {"max_model_len": 131072}),
    ("--max-model-len=32768", {"max_model_len": 32768}),
    ("--max-model-len 32k", {"max_model_len": 32000}),
    ("--max-model-len 32K", {"max_model_len": 32768}),
    ("--max-model-len 1M", {"max_model_len": 1048576}),
    ("--max-model-len 1m", {"max_model_len": 1000000}),
    ("--max-model-len 16.5k", {"max_model_len": 16500}),
    ("--max-model-len auto", {"max_model_len": "auto"}),
    ("--max-model-len -1", {"max_model_len": "auto"}),
    ("--max-num-seqs 64", {"max_num_seqs": 64}),
    ("--max_num_seqs=16", {"max_num_seqs": 16}),
    ("--max-num-batched-tokens 8192", {"max_num_batched_tokens": 8192}),
    ("--max-num-batched-tokens 8k", {"max_num_batched_tokens": 8000}),
    ("--max-num-batched-tokens 8K", {"max_num_batched_tokens": 8192}),
    ("--gpu-memory-utilization 0.95", {"gpu_memory_utilization": 0.95}),
    ("--gpu_memory_utilization 0.9", {"gpu_memory_utilization": 0.9}),
    ("--gpu-memory-utilization=.85", {"gpu_memory_utilization": 0.85}),
    ("--device-memory-utilization 0.8", {"gpu_memory_utilization": 0.8}),
    ("--gpu-memory 0.9", {"gpu_memory_utilization": 0.9}),
    ("--kv-cache-dtype fp8", {"kv_cache_dtype": "fp8"}),
    ("--kv-cache-dtype fp8_e4m3", {"kv_cache_dtype": "fp8_e4m3"}),
    ("--kv-cache-dtype auto", {"kv_cache_dtype": "auto"}),
    ("--kv-cache-dtype nvfp4", {"kv_cache_dtype": "nvfp4"}),
    ("--kv-cache-memory-bytes 6G", {"kv_cache_memory_bytes": 6 << 30}),
    ("--kv-cache-memory-bytes 6g", {"kv_cache_memory_bytes": 6 * 10**9}),
    ("--kv-cache-memory 20G", {"kv_cache_memory_bytes": 20 << 30}),
    ("--kv-cache-memory-bytes 25769803776", {"kv_cache_memory_bytes": 25769803776}),
    ("--num-gpu-blocks-override 1024", {"num_gpu_blocks_override": 1024}),
    ("--block-size 64", {"block_size": 64}),
    ("--enable-prefix-caching", {"enable_prefix_caching": True}),
    ("--no-enable-prefix-caching", {"enable_prefix_caching": False}),
    ("--disable-prefix-caching", {"enable_prefix_caching": False}),
    ("--enable-chunked-prefill", {"enable_chunked_prefill": True}),
    ("--enable-chunked-prefill=False", {"enable_chunked_prefill": False}),
    ("--no-enable-chunked-prefill", {"enable_chunked_prefill": False}),
    ("--disable-chunked-prefill", {"enable_chunked_prefill": False}),
    ("--disable-hybrid-kv-cache-manager", {"disable_hybrid_kv_cache_manager": True}),
    ("--no-disable-hybrid-kv-cache-manager", {"disable_hybrid_kv_cache_manager": False}),
    ("--async-scheduling", {"async_scheduling": True}),
    ("--no-async-scheduling", {"async_scheduling": False}),
    ("--enforce-eager", {"enforce_eager": True}),
    ("--enforce_eager", {"enforce_eager": True}),
    ("--no-enforce-eager", {"enforce_eager": False}),
    ("-O0", {"enforce_eager": True}),
    ("-O 0", {"enforce_eager": True}),
    ("--optimization-level 0", {"enforce_eager": True}),
    ("--max-cudagraph-capture-size 32", {"max_cudagraph_capture_size": 32}),
    ("--cpu-offload-gb 10", {"cpu_offload_gb": 10.0}),
    ("--cpu-offload-gb=2.5", {"cpu_offload_gb": 2.5}),
    ("--quantization fp8", {"quantization": "fp8"}),
    ("-q awq_marlin", {"quantization": "awq_marlin"}),
    ("--quantization modelopt_fp4", {"quantization": "modelopt_fp4"}),
    ("--quantization compressed-tensors", {"quantization": "compressed-tensors"}),
    ("--dtype bfloat16", {"dtype": "bfloat16"}),
    ("--dtype half", {"dtype": "half"}),
    ("--moe-backend marlin", {"moe_backend": "marlin"}),
    ("--attention-backend FLASHINFER", {"attention_backend": "FLASHINFER"}),
    ("--attention-backend flash_attn", {"attention_backend": "FLASH_ATTN"}),
    ("--language-model-only", {"language_model_only": True}),
    ("""--limit-mm-per-prompt '{"image":0,"video":0}'""", {"language_model_only": True}),
    ("""--limit-mm-per-prompt '{"image":{"count":0}}'""", {"language_model_only": True}),
    ("--limit-mm-per-prompt.image 0 --limit-mm-per-prompt.video 0", {"language_model_only": True}),
    ("--limit-mm-per-prompt.image=0", {"language_model_only": True}),
    ("--limit_mm_per_prompt.image=0", {"language_model_only": True}),
    ("--mamba-ssm-cache-dtype float32", {"mamba_ssm_cache_dtype": "float32"}),
    ("""--speculative-config '{"method":"mtp","num_speculative_tokens":2}'""", MTP),
    ("""--speculative_config '{"method":"mtp","num_speculative_tokens":2}'""", MTP),
    ("""-sc '{"method":"mtp","num_speculative_tokens":2}'""", MTP),
    ("--speculative-config.method mtp --speculative-config.num_speculative_tokens 2", MTP),
    ("--speculative-config.method=mtp --speculative-config.num-speculative-tokens=2", MTP),
    ("-sc.method mtp -sc.num_speculative_tokens 2", MTP),
    ("--spec-method mtp --spec-tokens 2", MTP),
    ("--spec-tokens 2 --spec-method mtp", MTP),
    ("--spec-method=qwen3_next_mtp", {"speculative_method": "qwen3_next_mtp"}),
    ("--spec-method suffix", {"speculative_method": "suffix"}),
    ("--distributed-executor-backend ray", {"distributed_executor_backend": "ray"}),
    ("--distributed-executor-backend mp", {"distributed_executor_backend": "mp"}),
    ("--nnodes 2", {"nnodes": 2}),
    (
        "--enable-lora --max-loras 4 --max-lora-rank 64",
        {"enable_lora": True, "max_loras": 4, "max_lora_rank": 64},
    ),
    ("--skip-mm-profiling", {"skip_mm_profiling": True}),
    ("--mm-encoder-tp-mode data", {"mm_encoder_tp_mode": "data"}),
    ("-n 2", {"nnodes": 2}),
    ("-tp 8 -tp 4", {"tensor_parallel_size": 4}),
]
# words that move no byte: they stay as they are
KEPT = [
    "--trust-remote-code", "--trust_remote_code", "--served-model-name qwen", "--served-model-name a b",
    "--tool-call-parser hermes", "--enable-auto-tool-choice", "--reasoning-parser qwen3", "--host 0.0.0.0",
    "--port 8000", "--tokenizer-mode mistral", "--load-format safetensors", "--seed 0",
    "--disable-custom-all-reduce", "--api-server-count 4", "-asc 2", "--long-prefill-token-threshold 1024", "-O3",
    "-O2", "--optimization-level 1", "--api-key secret", "--chat-template t.jinja", "--revision main",
    "--tokenizer Qwen/Qwen3-8B", "--download-dir /models", "--generation-config vllm",
    "--override-generation-config '{\"temperature\":0.6}'", "--disable-log-requests", "--no-enable-log-requests",
    "--enable-log-requests", "--disable-log-stats", "--uvicorn-log-level warning", "--root-path /v1",
    "--stream-interval 8", "--scheduling-policy priority", "--data-parallel-size-local 8", "-dpl 4",
    "--data-parallel-address 10.0.0.1", "--data-parallel-rpc-port 13345", "--node-rank 1", "--headless",
    "--master-addr 10.0.0.1", "--max-logprobs 20", "--linear-backend cutlass", "--performance-mode throughput",
    "--default-chat-template-kwargs '{\"enable_thinking\":false}'", "--chat-template-content-format openai",
    "--enable-force-include-usage", "--structured-outputs-config.backend xgrammar", "--allowed-origins '[\"*\"]'",
    "--config-format mistral", "--hf-token hf_x", "--kv-events-config '{}'", "--expert-placement-strategy linear",
    "--model-impl vllm", "--runner generate", "--device-ids 0,1", "--allowed-local-media-path /data",
]  # fmt: skip
# words that move bytes by no rule -> what is named; they stay
UNCOUNTED = [
    (
        """--limit-mm-per-prompt '{"image":4,"video":0}'""",
        "images and videos of a prompt (--limit-mm-per-prompt)",
    ),
    ("--mamba-block-size 64", "blocks of states (--mamba-block-size)"),
    ("--mamba-cache-mode align", "blocks of states (--mamba-cache-mode)"),
    ("--mamba-cache-dtype float32", "states in another format (--mamba-cache-dtype)"),
    (
        """--hf-overrides '{"rope_parameters":{}}'""",
        "overrides of the model's configuration (--hf-overrides)",
    ),
    ("--kv-offloading-size 64", "a KV cache in RAM (--kv-offloading-size)"),
    (
        """--kv-transfer-config '{"kv_connector":"x"}'""",
        "a KV cache that is moved elsewhere (--kv-transfer-config)",
    ),
    ("--runner pooling", "pooling in place of answers (--runner)"),
    ("--convert embed", "pooling (--convert)"),
    ("--enable-dbo", "batches in two halves (--enable-dbo)"),
    ("--enable-eplb", "experts held twice (--enable-eplb)"),
    ("--prefill-context-parallel-size 2", "prompts split over GPUs (--prefill-context-parallel-size)"),
    ("-pcp 2", "prompts split over GPUs (-pcp)"),
    ("--kv-cache-dtype octave_k3v4", "a KV cache in octave_k3v4 (--kv-cache-dtype)"),
    ("--kv-cache-dtype-skip-layers 0 1", "layers with another cache type (--kv-cache-dtype-skip-layers)"),
    ("""-cc '{"cudagraph_mode":"PIECEWISE"}'""", "compilation by hand (-cc)"),
    ("--compilation-config.cudagraph_mode NONE", "compilation by hand (--compilation-config)"),
    ("--model-impl transformers", "the code of transformers (--model-impl)"),
    ("--enable-sleep-mode", "memory pools of sleep mode (--enable-sleep-mode)"),
    ("--all2all-backend deepep_v2", "buffers of the exchange between experts (--all2all-backend)"),
    ("--config serve.yaml", "settings in a file (--config)"),
    ("--mm-processor-cache-gb 0", "the cache of images in RAM (--mm-processor-cache-gb)"),
    ("--offload-group-size 8", "layers held in RAM (--offload-group-size)"),
    ("--spec-method dflash --spec-model a/b", "a model that drafts (dflash) (--spec-method)"),
    ('--speculative-config \'{"model":"a/b"}\'', "a model that drafts (draft_model) (--speculative-config)"),
]
# words of earlier releases -> what they are read as
EARLIER: list[tuple[str, dict[str, Any], str]] = [
    ("--swap-space 16", {}, "left out"),
    ("--num-scheduler-steps 8", {}, "left out"),
    ("--use-v2-block-manager", {}, "left out"),
    ("--guided-decoding-backend xgrammar", {}, "left out"),
    ("--enable-reasoning", {}, "left out"),
    ("--disable-frontend-multiprocessing", {}, "left out"),
    ("--calculate-kv-scales", {}, "left out"),
    ("--task generate", {}, "left out"),
    ("""--rope-scaling '{"rope_type":"yarn"}'""", {}, "left out"),
    ("--worker-use-ray", {"distributed_executor_backend": "ray"}, "--distributed-executor-backend ray"),
    ("--cuda-graph-sizes 1 2 4", {"max_cudagraph_capture_size": 4}, "--cudagraph-capture-sizes 1 2 4"),
    ("--limit-mm-per-prompt image=0,video=0", {"language_model_only": True}, "wants JSON"),
]
# words that vLLM refuses -> what it says
REFUSED = [
    ("--quantization nonsense", "invalid choice: 'nonsense' (choose from awq, auto_awq, fp8"),
    ("--quantization bitsandbytes", "invalid choice: 'bitsandbytes'"),
    ("-q gguf", "invalid choice: 'gguf'"),
    ("--dtype foo", "argument --dtype: invalid choice: 'foo' (choose from auto, bfloat16"),
    ("--kv-cache-dtype q8_0", "invalid choice: 'q8_0'"),
    ("--attention-backend nonsense", "Unknown attention backend: 'nonsense'"),
    ("--spec-method nonsense", "invalid choice: 'nonsense'"),
    ("""--speculative-config '{"method":"nonsense"}'""", "invalid choice: 'nonsense'"),
    ("--speculative-config mtp", "cannot be converted to JSON"),
    ("--spec-method mtp --speculative-config.method ngram", "mutually exclusive"),
    ("--moe-backend x", "invalid choice: 'x'"),
    ("--tool-call-parser x", "invalid choice: 'x'"),
    ("--distributed-executor-backend slurm", "choose from ray, mp, uni, external_launcher"),
    ("--max-model-len 32x", "invalid value: '32x'"),
    ("--max-model-len 1.5K", "invalid value: '1.5K'"),
    ("--kv-cache-memory-bytes 10GiB", "invalid value: '10GiB'"),
    ("--max-num-seqs 8k", "invalid int value: '8k'"),
    ("--gpu-memory-utilization lots", "invalid float value: 'lots'"),
    ("--tensor-parallel-size", "expected one argument"),
    ("--max-model-length 8192", "unrecognized arguments: --max-model-length; did you mean --max-model-len?"),
    ("--tensor-parallel-sise 2", "did you mean --tensor-parallel-size?"),
    ("--compilation-config 3", "-O3 sets the level"),
    ("-O7", "invalid optimization level: '7'"),
    ("--enforce-eager=maybe", "ignored explicit argument 'maybe'"),
    ("extra words", "unrecognized arguments: extra words"),
    ("--help", "prints something and ends"),
]
# Whole lines as they are published -> what is planned, and what isn't counted
LINES: list[tuple[str, str, dict[str, Any], list[str]]] = [
    (
        "vllm serve Qwen/Qwen3.6-27B-FP8 --port 8000 --tensor-parallel-size 2 --max-model-len 262144"
        ' --reasoning-parser qwen3 --speculative-config \'{"method":"qwen3_next_mtp","num_speculative_tokens":2}\'',
        "Qwen/Qwen3.6-27B-FP8",
        {
            "tensor_parallel_size": 2,
            "max_model_len": 262144,
            "speculative_method": "qwen3_next_mtp",
            "num_speculative_tokens": 2,
        },
        [],
    ),
    (
        "vllm serve openai/gpt-oss-120b --tensor-parallel-size 4 --async-scheduling --gpu-memory-utilization 0.95",
        "openai/gpt-oss-120b",
        {"tensor_parallel_size": 4, "async_scheduling": True, "gpu_memory_utilization": 0.95},
        [],
    ),
    (
        "vllm serve deepseek-ai/DeepSeek-V3.1 --enable-expert-parallel -tp 8 --served-model-name ds31"
        " --tool-call-parser deepseek_v31 --enable-auto-tool-choice --chat-template examples/t.jinja",
        "deepseek-ai/DeepSeek-V3.1",
        {"enable_expert_parallel": True, "tensor_parallel_size": 8},
        [],
    ),
    (
        "docker run --runtime nvidia --gpus all -v ~/.cache/huggingface:/root/.cache/huggingface --env"
        ' "HF_TOKEN=$HF_TOKEN" -p 8000:8000 --ipc=host vllm/vllm-openai:latest --model mistralai/Mistral-7B-v0.1',
        "mistralai/Mistral-7B-v0.1",
        {},
        [],
    ),
    (
        "python -m vllm.entrypoints.openai.api_server --model meta-llama/Llama-3.1-8B-Instruct --dtype half"
        " --gpu-memory-utilization 0.85 --max-model-len 8192 --disable-log-requests",
        "meta-llama/Llama-3.1-8B-Instruct",
        {"dtype": "half", "gpu_memory_utilization": 0.85, "max_model_len": 8192},
        [],
    ),
    (
        "uv run --with vllm vllm serve zai-org/GLM-4.5-Air-FP8 --tensor-parallel-size 4 --tool-call-parser glm45"
        " --reasoning-parser glm45 --enable-auto-tool-choice",
        "zai-org/GLM-4.5-Air-FP8",
        {"tensor_parallel_size": 4},
        [],
    ),
    (
        "VLLM_USE_V1=1 CUDA_VISIBLE_DEVICES=0,1 vllm serve Qwen/Qwen2.5-VL-72B-Instruct-AWQ -tp 2"
        " --limit-mm-per-prompt '{\"image\":2}' --enable-lora --max-loras 2 --kv-cache-dtype fp8",
        "Qwen/Qwen2.5-VL-72B-Instruct-AWQ",
        {"tensor_parallel_size": 2, "kv_cache_dtype": "fp8", "enable_lora": True, "max_loras": 2},
        [],
    ),
    (
        "vllm serve moonshotai/Kimi-K2-Instruct -tp 8 -dp 2 --data-parallel-size-local 1 --data-parallel-address"
        " 10.0.0.1 --data-parallel-rpc-port 13345 --enable-expert-parallel --max-num-batched-tokens 8192"
        " --max-num-seqs 256 --gpu-memory-utilization 0.85 --trust-remote-code --tool-call-parser kimi_k2",
        "moonshotai/Kimi-K2-Instruct",
        {
            "tensor_parallel_size": 8,
            "data_parallel_size": 2,
            "enable_expert_parallel": True,
            "max_num_batched_tokens": 8192,
            "max_num_seqs": 256,
            "gpu_memory_utilization": 0.85,
        },
        [],
    ),
    (
        "vllm serve --model MiniMaxAI/MiniMax-M2.7 --trust-remote-code --enable-auto-tool-choice"
        " --tool-call-parser minimax_m2 --reasoning-parser minimax_m2_append_think -tp 4 --max-model-len 131072",
        "MiniMaxAI/MiniMax-M2.7",
        {"tensor_parallel_size": 4, "max_model_len": 131072},
        [],
    ),
]


def serve(words: str) -> Command:
    return read_command(f"vllm serve a/b {words}")


def test_enough_spellings_are_tried() -> None:
    assert len(PLANNED) + len(KEPT) + len(UNCOUNTED) + len(EARLIER) + len(REFUSED) >= 200


@pytest.mark.parametrize(("words", "settings"), PLANNED, ids=[w for w, _ in PLANNED])
def test_planned(words: str, settings: dict[str, Any]) -> None:
    command = serve(words)
    assert (command.model, dict(command.settings), command.uncounted) == ("a/b", settings, ())


@pytest.mark.parametrize("words", KEPT)
def test_kept(words: str) -> None:
    command = serve(words)
    if not words.startswith(("-O", "--structured-outputs-config.")):  # written again in their long form
        assert command.kept == tuple(shlex.split(words))
    assert (dict(command.settings), command.uncounted, command.notes) == ({}, (), ())
    assert read_command(["vllm", "serve", "a/b", *command.kept]).kept == command.kept != ()


@pytest.mark.parametrize(("words", "what"), UNCOUNTED, ids=[w for w, _ in UNCOUNTED])
def test_uncounted(words: str, what: str) -> None:
    command = serve(words)
    assert [str(each) for each in command.uncounted] == [what]
    assert dict(command.settings) == {}
    again = read_command(["vllm", "serve", "a/b", *command.kept])
    assert (again.uncounted, again.kept) == (command.uncounted, command.kept)


@pytest.mark.parametrize(("words", "settings", "said"), EARLIER, ids=[w for w, _, _ in EARLIER])
def test_words_of_earlier_releases(words: str, settings: dict[str, Any], said: str) -> None:
    command = serve(words)
    assert dict(command.settings) == settings
    assert said in command.notes[0]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[w for w, _ in REFUSED])
def test_refused(words: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        serve(words)
    assert said in str(error.value)
    assert str(error.value).startswith("vllm serve")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("line", "model", "settings", "uncounted"), LINES, ids=[m for _, m, _, _ in LINES])
def test_published_lines(line: str, model: str, settings: dict[str, Any], uncounted: list[str]) -> None:
    command = read_command(line)
    assert command.engine == "vllm"
    assert command.model == model
    assert dict(command.settings) == settings
    assert sorted(str(each) for each in command.uncounted) == uncounted


def test_devices() -> None:
    assert serve("--device-ids 2,3").devices == (2, 3)
    assert read_command("CUDA_VISIBLE_DEVICES=4,5 vllm serve a/b --device-ids 1").devices == (5,)
