"""What people write after SGLang's launch_server -> what becomes of it, by SGLang 0.5.23's own parser."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from planner.engines.commands import Command, read_command
from planner.errors import InputError

PLANNED: list[tuple[str, dict[str, Any]]] = [
    ("--tp-size 8", {"tp_size": 8}),
    ("--tp 8", {"tp_size": 8}),
    ("--tensor-parallel-size 2", {"tp_size": 2}),
    ("--tp=4", {"tp_size": 4}),
    ("--pp-size 2", {"pp_size": 2}),
    ("--pipeline-parallel-size 2", {"pp_size": 2}),
    ("--dp-size 8", {"dp_size": 8}),
    ("--dp 2", {"dp_size": 2}),
    ("--data-parallel-size 4", {"dp_size": 4}),
    ("--dp 8 --enable-dp-attention", {"dp_size": 8, "enable_dp_attention": True}),
    ("--attn-dp-size 8", {"attn_dp_size": 8}),
    ("--ep-size 8", {"ep_size": 8}),
    ("--ep 16", {"ep_size": 16}),
    ("--expert-parallel-size 4", {"ep_size": 4}),
    ("--dcp-size 2", {"dcp_size": 2}),
    ("--nnodes 2", {"nnodes": 2}),
    ("--context-length 65536", {"context_length": 65536}),
    ("--context-length 64Ki", {"context_length": 65536}),
    ("--context-length 64k", {"context_length": 64000}),
    ("--context-length 1M", {"context_length": 1000000}),
    ("--mem-fraction-static 0.85", {"mem_fraction_static": 0.85}),
    ("--mem-frac 0.9", {"mem_fraction_static": 0.9}),
    ("--max-running-requests 64", {"max_running_requests": 64}),
    ("--max-total-tokens 200000", {"max_total_tokens": 200000}),
    ("--chunked-prefill-size 4096", {"chunked_prefill_size": 4096}),
    ("--chunked-prefill-size -1", {"chunked_prefill_size": -1}),
    ("--max-prefill-tokens 16k", {"max_prefill_tokens": 16000}),
    ("--page-size 64", {"page_size": 64}),
    ("--dtype bfloat16", {"dtype": "bfloat16"}),
    ("--quantization fp8", {"quantization": "fp8"}),
    ("--quantization w8a8_int8", {"quantization": "w8a8_int8"}),
    ("--kv-cache-dtype fp8_e4m3", {"kv_cache_dtype": "fp8_e4m3"}),
    ("--kv-cache-dtype fp8_e5m2", {"kv_cache_dtype": "fp8_e5m2"}),
    ("--disable-radix-cache", {"disable_radix_cache": True}),
    ("--swa-full-tokens-ratio 0.5", {"swa_full_tokens_ratio": 0.5}),
    ("--disable-hybrid-swa-memory", {"disable_hybrid_swa_memory": True}),
    ("--attention-backend fa3", {"attention_backend": "fa3"}),
    ("--attention-backend flashinfer", {"attention_backend": "flashinfer"}),
    ("--moe-runner-backend triton", {"moe_runner_backend": "triton"}),
    ("--cuda-graph-max-bs-decode 64", {"cuda_graph_max_bs_decode": 64}),
    ("--cuda-graph-bs-decode 1 2 4 8", {"cuda_graph_max_bs_decode": 8}),
    ("--disable-cuda-graph", {"disable_cuda_graph": True}),
    ("--cuda-graph-backend-decode disabled", {"disable_cuda_graph": True}),
    ("--speculative-algorithm EAGLE", {"speculative_algorithm": "EAGLE"}),
    ("--speculative-algo NEXTN", {"speculative_algorithm": "NEXTN"}),
    ("--speculative-num-steps 3", {"speculative_num_steps": 3}),
    ("--speculative-eagle-topk 1", {"speculative_eagle_topk": 1}),
    ("--speculative-num-draft-tokens 4", {"speculative_num_draft_tokens": 4}),
    ("--speculative-draft-model-path a/c", {"speculative_draft_model_path": "a/c"}),
    ("--speculative-draft-model a/c", {"speculative_draft_model_path": "a/c"}),
    ("--max-mamba-cache-size 512", {"max_mamba_cache_size": 512}),
    ("--mamba-ssm-dtype bfloat16", {"mamba_ssm_dtype": "bfloat16"}),
    ("--mamba-full-memory-ratio 0.8", {"mamba_full_memory_ratio": 0.8}),
    ("--cpu-offload-gb 16", {"cpu_offload_gb": 16}),
    ("--language-model-only", {"language_model_only": True}),
]
KEPT = [
    "--host 0.0.0.0", "--port 30000", "--trust-remote-code", "--served-model-name qwen", "--reasoning-parser qwen3",
    "--tool-call-parser qwen3_coder", "--chat-template t.jinja", "--schedule-policy lpm", "--random-seed 1",
    "--enable-metrics", "--log-level info", "--log-requests", "--dist-init-addr 10.0.0.1:20000", "--node-rank 1",
    "--nccl-init-addr 10.0.0.1:20000", "--schedule-conservativeness 0.8", "--stream-interval 2",
    "--watchdog-timeout 1200", "--grammar-backend xgrammar", "--disable-overlap-schedule", "--api-key x",
    "--tokenizer-path a/t", "--load-format dummy", "--revision main", "--download-dir /m", "--enable-mixed-chunk",
    "--sampling-backend pytorch", "--disable-custom-all-reduce", "--decode-log-interval 10",
    "--num-continuous-decode-steps 4", "--disable-shared-experts-fusion", "--fp8-gemm-backend cutlass",
    "--enable-p2p-check", "--skip-server-warmup", "--deepep-mode normal",
]  # fmt: skip
UNCOUNTED = [
    ("--enable-lora --lora-paths l=/l", "LoRA adapters (--enable-lora, --lora-paths)"),
    ("--max-loras-per-batch 4", "LoRA adapters (--max-loras-per-batch)"),
    (
        "--enable-hierarchical-cache --hicache-ratio 2",
        "a KV cache in RAM (--enable-hierarchical-cache, --hicache-ratio)",
    ),
    (
        "--enable-eplb --ep-num-redundant-experts 32",
        "experts held twice (--enable-eplb, --ep-num-redundant-experts)",
    ),
    ("--moe-a2a-backend deepep", "buffers of the exchange between experts (--moe-a2a-backend)"),
    ("--enable-two-batch-overlap", "batches in two halves (--enable-two-batch-overlap)"),
    ("--is-embedding", "pooling in place of answers (--is-embedding)"),
    ("--enable-torch-compile", "compilation by hand (--enable-torch-compile)"),
    (
        "--json-model-override-args '{}'",
        "overrides of the model's configuration (--json-model-override-args)",
    ),
    ("--disaggregation-mode prefill", "a KV cache that is moved elsewhere (--disaggregation-mode)"),
    ("--enable-memory-saver", "copies of the weights in RAM (--enable-memory-saver)"),
    ("--kt-weight-path /w", "experts on the CPU (--kt-weight-path)"),
    ("--config s.yaml", "settings in a file (--config)"),
]
EARLIER: list[tuple[str, dict[str, Any], str]] = [
    ("--cuda-graph-max-bs 16", {"cuda_graph_max_bs_decode": 16}, "--cuda-graph-max-bs-decode 16"),
    ("--cuda-graph-bs 1 2", {"cuda_graph_max_bs_decode": 2}, "--cuda-graph-bs-decode 1 2"),
    ("--enable-flashinfer-mla", {"attention_backend": "flashinfer"}, "--attention-backend flashinfer"),
    ("--disable-mla", {}, "left out"),
]
REFUSED = [
    ("--quantization nonsense", "invalid choice: 'nonsense'"),
    ("--dtype foo", "argument --dtype: invalid choice: 'foo' (choose from auto, half"),
    ("--kv-cache-dtype fp8", "invalid choice: 'fp8'"),
    ("--attention-backend x", "invalid choice: 'x'"),
    ("--tp two", "invalid int value: 'two'"),
    ("--context-length 64K", "invalid value: '64K'"),
    ("--mem-fraction-static 1.5", "no share"),
    ("--tensor_parallel_size 2", "unrecognized arguments: --tensor_parallel_size"),
    ("--mem-fraction-statik 0.9", "did you mean --mem-fraction-static?"),
    ("--tp", "expected one argument"),
    ("stray", "unrecognized arguments: stray"),
]


def serve(words: str) -> Command:
    return read_command(f"python -m sglang.launch_server --model-path a/b {words}")


def test_enough_spellings_are_tried() -> None:
    assert len(PLANNED) + len(KEPT) + len(UNCOUNTED) + len(EARLIER) + len(REFUSED) >= 100


@pytest.mark.parametrize(("words", "settings"), PLANNED, ids=[w for w, _ in PLANNED])
def test_planned(words: str, settings: dict[str, Any]) -> None:
    command = serve(words)
    assert (command.engine, command.model) == ("sglang", "a/b")
    assert (dict(command.settings), command.uncounted) == (settings, ())


@pytest.mark.parametrize("words", KEPT)
def test_kept(words: str) -> None:
    command = serve(words)
    assert command.kept == tuple(shlex.split(words))
    assert (dict(command.settings), command.uncounted, command.notes) == ({}, (), ())


@pytest.mark.parametrize(("words", "what"), UNCOUNTED, ids=[w for w, _ in UNCOUNTED])
def test_uncounted(words: str, what: str) -> None:
    command = serve(words)
    assert [str(each) for each in command.uncounted] == [what]
    assert command.kept == tuple(shlex.split(words))


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
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        "python3 -m sglang.launch_server --model a/b --tp 2",
        "python -u -m sglang.launch_server --model-path=a/b --tp-size=2",
        "sglang serve a/b --tp 2",
        "uv run python -m sglang.launch_server --model-path a/b --tp 2",
        "docker run --gpus all --shm-size 32g -p 30000:30000 --ipc=host lmsysorg/sglang:latest"
        " python3 -m sglang.launch_server --model-path a/b --tp 2",
    ],
)
def test_ways_to_start(line: str) -> None:
    command = read_command(line)
    assert (command.model, dict(command.settings)) == ("a/b", {"tp_size": 2})


def test_devices() -> None:
    assert serve("--base-gpu-id 4 --tp 2").devices == (4, 5)
    assert serve("--tp 2").devices is None
