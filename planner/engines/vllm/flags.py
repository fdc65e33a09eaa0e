"""Flags of `vllm serve`, as vLLM 0.33.0's own parser knows them.

Taken from the parser itself (vllm/engine/arg_utils.py, vllm/entrypoints): names, kinds and choices. 0.33 pairs
--enable-x with --disable-x; --no-enable-x of 0.32 is still read. What argparse lets through and the
configuration refuses later (cache types, quantisations, attention backends) is listed here too.
"""

from __future__ import annotations

from typing import Final

from planner.engines.flags import FlagTable, Role, argparse_dialect, flags
from planner.engines.vllm import choices
from planner.engines.vllm.parsers import REASONING_PARSERS, TOOL_PARSERS

# becomes a setting
_PLANNED: Final = """
--model : text : model
--runner : auto|draft|generate|pooling : runner
--dtype : auto|bfloat16|float|float16|float32|half : dtype
--max-model-len : size : max_model_len
--quantization -q : @QUANTIZATION : quantization
--enforce-eager / --no-enforce-eager : switch : enforce_eager
--model-impl : text : model_impl
--attention-backend : text : attention_backend
--distributed-executor-backend : text : distributed_executor_backend
--pipeline-parallel-size -pp : int : pipeline_parallel_size
--nnodes -n : int : nnodes
--device-ids : text : devices
--tensor-parallel-size -tp : int : tensor_parallel_size
--decode-context-parallel-size -dcp : int : decode_context_parallel_size
--data-parallel-size -dp : int : data_parallel_size
--enable-expert-parallel -ep / --disable-expert-parallel --no-enable-expert-parallel : switch :
 enable_expert_parallel
--block-size : int : block_size
--gpu-memory-utilization --device-memory-utilization : float : gpu_memory_utilization
--kv-cache-memory-bytes : size : kv_cache_memory_bytes
--kv-cache-dtype : @CACHE : kv_cache_dtype
--num-gpu-blocks-override : int : num_gpu_blocks_override
--enable-prefix-caching / --disable-prefix-caching --no-enable-prefix-caching : switch : enable_prefix_caching
--mamba-ssm-cache-dtype : auto|bfloat16|float16|float32 : mamba_ssm_cache_dtype
--cpu-offload-gb : float : cpu_offload_gb
--language-model-only / --no-language-model-only : switch : language_model_only
--limit-mm-per-prompt : text : limit_mm_per_prompt
--mm-encoder-tp-mode : data|weights : mm_encoder_tp_mode
--skip-mm-profiling / --no-skip-mm-profiling : switch : skip_mm_profiling
--enable-lora / --disable-lora --no-enable-lora : switch : enable_lora
--max-loras : int : max_loras
--max-lora-rank : 1|8|16|32|64|128|256|320|512 : max_lora_rank
--max-num-batched-tokens : size : max_num_batched_tokens
--max-num-seqs : int : max_num_seqs
--enable-chunked-prefill / --disable-chunked-prefill --no-enable-chunked-prefill : switch :
 enable_chunked_prefill
--disable-hybrid-kv-cache-manager / --enable-hybrid-kv-cache-manager --no-disable-hybrid-kv-cache-manager :
 switch : disable_hybrid_kv_cache_manager
--async-scheduling / --no-async-scheduling : switch : async_scheduling
--cudagraph-capture-sizes : list : cudagraph_capture_sizes
--max-cudagraph-capture-size : int : max_cudagraph_capture_size
--moe-backend : @MOE : moe_backend
--speculative-config -sc : json : speculative_config
--spec-method : @SPECULATION : spec_method
--spec-model : text : spec_model
--spec-tokens : int : spec_tokens
--compilation-config -cc : json : compilation_config
--optimization-level -O : text : optimization_level
"""
# moves no byte
_KEPT: Final = """
--lora-modules : list
--headless : switch
--api-server-count -asc : int
--grpc : switch
--chat-template : text
--chat-template-content-format : auto|openai|string
--trust-request-chat-template / --no-trust-request-chat-template : switch
--trust-request-mm-kwargs / --no-trust-request-mm-kwargs : switch
--default-chat-template-kwargs : json
--reasoning-effort-map : json
--response-role : text
--return-tokens-as-token-ids / --no-return-tokens-as-token-ids : switch
--enable-auto-tool-choice / --disable-auto-tool-choice --no-enable-auto-tool-choice : switch
--exclude-tools-when-tool-choice-none / --no-exclude-tools-when-tool-choice-none : switch
--tool-call-parser : @TOOLS
--tool-parser-plugin : text
--tool-strict-level : auto|function|parameter
--tool-server : text
--max-log-len : text
--enable-prompt-tokens-details / --disable-prompt-tokens-details --no-enable-prompt-tokens-details : switch
--enable-per-request-metrics / --disable-per-request-metrics --no-enable-per-request-metrics : switch
--enable-server-load-tracking / --disable-server-load-tracking --no-enable-server-load-tracking : switch
--enable-force-include-usage / --disable-force-include-usage --no-enable-force-include-usage : switch
--sse-keep-alive-interval : int
--enable-tokenizer-info-endpoint / --disable-tokenizer-info-endpoint --no-enable-tokenizer-info-endpoint :
 switch
--enable-log-outputs / --disable-log-outputs --no-enable-log-outputs : switch
--enable-log-deltas / --disable-log-deltas --no-enable-log-deltas : switch
--cohere-is-reasoning-model / --no-cohere-is-reasoning-model : switch
--cohere-format : text
--anthropic-disabled-thinking-effort : auto|high|low|max|medium|none|xhigh
--log-error-stack / --no-log-error-stack : switch
--tokens-only / --no-tokens-only : switch
--enable-scale-out / --disable-scale-out --no-enable-scale-out : switch
--fingerprint-mode : custom|full|hash|none
--fingerprint-value : text
--host : text
--port : int
--grpc-port : text
--data-parallel-supervisor-port : int
--dp-supervisor-probe-interval-s : float
--dp-supervisor-probe-timeout-s : float
--dp-supervisor-probe-failure-threshold : int
--uds : text
--uvicorn-log-level : critical|debug|error|info|trace|warning
--disable-uvicorn-access-log / --enable-uvicorn-access-log --no-disable-uvicorn-access-log : switch
--disable-access-log-for-endpoints : text
--allow-credentials / --no-allow-credentials : switch
--allowed-origins : json
--allowed-methods : json
--allowed-headers : json
--api-key : list
--ssl-keyfile : text
--ssl-certfile : text
--ssl-ca-certs : text
--enable-ssl-refresh / --disable-ssl-refresh --no-enable-ssl-refresh : switch
--ssl-cert-reqs : int
--ssl-ciphers : text
--root-path : text
--middleware : text
--enable-request-id-headers / --disable-request-id-headers --no-enable-request-id-headers : switch
--disable-fastapi-docs / --enable-fastapi-docs --no-disable-fastapi-docs : switch
--h11-max-incomplete-event-size : int
--h11-max-header-count : int
--enable-offline-docs / --disable-offline-docs --no-enable-offline-docs : switch
--enable-flash-late-interaction / --disable-flash-late-interaction --no-enable-flash-late-interaction : switch
--tokenizer : text
--tokenizer-mode : text
--trust-remote-code / --no-trust-remote-code : switch
--seed : int
--allowed-local-media-path : text
--allowed-media-domains : list
--revision : text
--code-revision : text
--tokenizer-revision : text
--allow-deprecated-quantization / --no-allow-deprecated-quantization : switch
--enable-return-routed-experts / --disable-return-routed-experts --no-enable-return-routed-experts : switch
--return-sampling-mask / --no-return-sampling-mask : switch
--max-logprobs : int
--logprobs-mode : processed_logits|processed_logprobs|raw_logits|raw_logprobs
--enable-trace-replay / --disable-trace-replay --no-enable-trace-replay : switch
--disable-cascade-attn / --enable-cascade-attn --no-disable-cascade-attn : switch
--skip-tokenizer-init / --no-skip-tokenizer-init : switch
--served-model-name : list
--config-format : text
--hf-token : maybe
--pooler-config : json
--generation-config : text
--override-generation-config : json
--sleep-mode-backend : text
--sleep-mode-offload-cudagraph / --no-sleep-mode-offload-cudagraph : switch
--sleep-preserve-parameter-names : list
--enable-nccl-comm-suspend / --disable-nccl-comm-suspend --no-enable-nccl-comm-suspend : switch
--logits-processors : list
--io-processor-plugin : text
--renderer-num-workers : int
--load-format : @LOAD
--download-dir : text
--safetensors-load-strategy : eager|lazy|prefetch|torchao
--safetensors-prefetch-num-threads : int
--safetensors-prefetch-block-size : size
--model-loader-extra-config : text
--ignore-patterns : list
--use-tqdm-on-load / --no-use-tqdm-on-load : switch
--pt-load-map-location : text
--mamba-backend : text
--mamba-ssu-algorithm : auto|horizontal|simple|vertical
--enable-mamba-cache-stochastic-rounding / --disable-mamba-cache-stochastic-rounding
 --no-enable-mamba-cache-stochastic-rounding : switch
--mamba-cache-philox-rounds : int
--reasoning-parser : @REASONING
--reasoning-parser-plugin : text
--master-addr : text
--master-port : int
--node-rank -r : int
--distributed-timeout-seconds : text
--cpu-distributed-timeout-seconds : text
--numa-bind / --no-numa-bind : switch
--numa-bind-nodes : list
--numa-bind-cpus : list
--dcp-comm-backend : a2a|ag_rs
--dcp-kv-cache-interleave-size : int
--cp-kv-cache-interleave-size : int
--data-parallel-rank -dpn : int
--data-parallel-start-rank -dpr : int
--data-parallel-size-local -dpl : int
--data-parallel-address -dpa : text
--data-parallel-rpc-port -dpp : int
--data-parallel-backend -dpb : text
--data-parallel-hybrid-lb -dph / --no-data-parallel-hybrid-lb : switch
--data-parallel-external-lb -dpe / --no-data-parallel-external-lb : switch
--data-parallel-multi-port-external-lb -dpm : switch
--enable-batch-sharded-sampling / --disable-batch-sharded-sampling --no-enable-batch-sharded-sampling : switch
--enable-ep-weight-filter / --disable-ep-weight-filter --no-enable-ep-weight-filter : switch
--enable-shm-tensor-arena / --disable-shm-tensor-arena --no-enable-shm-tensor-arena : switch
--dbo-decode-token-threshold : int
--dp-sync-interval : int
--dbo-prefill-token-threshold : int
--disable-nccl-for-dp-synchronization / --enable-nccl-for-dp-synchronization
 --no-disable-nccl-for-dp-synchronization : switch
--expert-placement-strategy : linear|round_robin
--max-parallel-loading-workers : text
--ray-workers-use-nsight / --no-ray-workers-use-nsight : switch
--disable-custom-all-reduce / --enable-custom-all-reduce --no-disable-custom-all-reduce : switch
--worker-extension-cls : text
--enable-fault-tolerance / --disable-fault-tolerance --no-enable-fault-tolerance : switch
--fault-tolerance-config : json
--prefix-caching-hash-algo : sha256|sha256_cbor|xxhash|xxhash_cbor
--prefix-cache-retention-interval : text
--kv-offloading-backend : lmcache|native
--media-io-kwargs : json
--mm-processor-cache-type : lru|shm
--mm-hasher-algorithm : blake3|sha256|sha512
--mm-shm-cache-max-object-size-mb : int
--mm-encoder-attn-backend : text
--mm-encoder-fp8-scale-path : text
--mm-encoder-fp8-scale-save-path : text
--mm-encoder-fp8-scale-save-margin : float
--interleave-mm-strings / --no-interleave-mm-strings : switch
--video-pruning-method : evs|vidcom2
--mm-processor-device : auto|cpu
--mm-device-do-normalize / --no-mm-device-do-normalize : switch
--specialize-active-lora / --no-specialize-active-lora : switch
--enable-mixed-moe-lora-format / --disable-mixed-moe-lora-format --no-enable-mixed-moe-lora-format : switch
--enable-moe-shared-loras / --disable-moe-shared-loras --no-enable-moe-shared-loras : switch
--logging-config : json
--log-level : CRITICAL|ERROR|WARNING|INFO|DEBUG|NOTSET
--log-config-file : text
--show-hidden-metrics-for-version : text
--otlp-traces-endpoint : text
--collect-detailed-traces : list
--per-request-spec-decode-metrics : detailed|none|summary
--kv-cache-metrics / --no-kv-cache-metrics : switch
--kv-cache-metrics-sample : float
--custom-histogram-buckets : text
--cudagraph-metrics / --no-cudagraph-metrics : switch
--enable-layerwise-nvtx-tracing / --disable-layerwise-nvtx-tracing --no-enable-layerwise-nvtx-tracing : switch
--enable-mfu-metrics / --disable-mfu-metrics --no-enable-mfu-metrics : switch
--enable-logging-iteration-details / --disable-logging-iteration-details --no-enable-logging-iteration-details :
 switch
--jit-monitor-mode : error|warn
--jit-monitor-verbose / --no-jit-monitor-verbose : switch
--max-num-scheduled-tokens : int
--max-num-queued-reqs : text
--max-num-queued-tokens : text
--long-prefill-token-threshold : int
--long-prefill-token-threshold-adaptive / --no-long-prefill-token-threshold-adaptive : switch
--scheduling-policy : fcfs|priority
--disable-chunked-mm-input / --enable-chunked-mm-input --no-disable-chunked-mm-input : switch
--scheduler-reserve-full-isl / --no-scheduler-reserve-full-isl : switch
--watermark : float
--prefill-schedule-interval : int
--stream-interval : int
--ir-op-priority : json
--enable-flashinfer-autotune / --disable-flashinfer-autotune --no-enable-flashinfer-autotune : switch
--monokernel / --no-monokernel : switch
--linear-backend : @LINEAR
--sparse-indexer-topk-backend : aiter|auto|cooperative|deep_select|flashinfer|per_row|persistent|torch
--watermark-config : text
--kv-events-config : json
--ec-manager-config : json
--attention-config -ac : json
--reasoning-config : json
--structured-outputs-config : json
--aux-output-config : json
--profiler-config : json
--watchdog-config : json
--performance-mode : balanced|interactivity|throughput
--disable-log-stats : switch
--aggregate-engine-logging : switch
--fail-on-environ-validation / --no-fail-on-environ-validation : switch
--shutdown-timeout : int
--gdn-prefill-backend : flashinfer|triton|cutedsl|aiter_flydsl|sycl
--kda-prefill-backend : auto|triton|flashkda|flashinfer|fused
--kda-decode-backend : auto|native|flashinfer|triton
--enable-log-requests / --disable-log-requests --no-enable-log-requests : switch
--max-num-active-seqs : int
"""
# moves bytes (or speed) that no rule counts
_UNCOUNTED: Final = """
--config : text : settings in a file
--convert : auto|classify|embed|none : pooling
--hf-config-path : text : another configuration of the model
--quantization-config : json : formats layer by layer
--use-fp64-gumbel / --no-use-fp64-gumbel : switch : sampling in 64 bits
--disable-sliding-window / --enable-sliding-window --no-disable-sliding-window : switch : windows as whole
 caches
--enable-prompt-embeds / --disable-prompt-embeds --no-enable-prompt-embeds : switch : prompts as embeddings
--hf-overrides : json : overrides of the model's configuration
--model-class-overrides : json : overrides of the model's code
--enable-sleep-mode / --disable-sleep-mode --no-enable-sleep-mode : switch : memory pools of sleep mode
--enable-cumem-allocator / --disable-cumem-allocator --no-enable-cumem-allocator : switch : memory pools of
 sleep mode
--dcp-q-replicate / --no-dcp-q-replicate : switch : queries held on every GPU
--prefill-context-parallel-size -pcp : int : prompts split over GPUs
--enable-hc-sp / --disable-hc-sp --no-enable-hc-sp : switch : sequence parallel layers
--all2all-backend : @ALL2ALL : buffers of the exchange between experts
--enable-dbo / --disable-dbo --no-enable-dbo : switch : batches in two halves
--ubatch-size : int : batches in two halves
--enable-elastic-ep / --disable-elastic-ep --no-enable-elastic-ep : switch : experts held twice
--elastic-ep-max-dp-size : int : experts held twice
--enable-eplb / --disable-eplb --no-enable-eplb : switch : experts held twice
--eplb-config : json : experts held twice
--worker-cls : text : a worker of another make
--kv-cache-dtype-skip-layers : list : layers with another cache type
--kv-sharing-fast-prefill / --no-kv-sharing-fast-prefill : switch : caches that layers share
--swa-bounded-replay / --no-swa-bounded-replay : switch : windows that are replayed
--mamba-cache-dtype : auto|bfloat16|float16|float32 : states in another format
--mamba-block-size : int : blocks of states
--prefix-match-unit : int : blocks of states
--mamba-cache-mode : align|none : blocks of states
--enable-mamba-shared-prefix-checkpoint / --disable-mamba-shared-prefix-checkpoint
 --no-enable-mamba-shared-prefix-checkpoint : switch : blocks of states
--replayssm-buffer-len : int : states that are replayed
--use-replayssm / --no-use-replayssm : switch : states that are replayed
--kv-offloading-size : float : a KV cache in RAM
--offload-backend : auto|prefetch|uva : layers held in RAM
--cpu-offload-params : list : layers held in RAM
--offload-group-size : int : layers held in RAM
--offload-num-in-group : int : layers held in RAM
--offload-prefetch-step : int : layers held in RAM
--offload-params : list : layers held in RAM
--enable-mm-embeds / --disable-mm-embeds --no-enable-mm-embeds : switch : memory of images and video
--mm-processor-kwargs : json : memory of images and video
--mm-processor-cache-gb : float : the cache of images in RAM
--mm-encoder-only / --no-mm-encoder-only : switch : memory of images and video
--mm-encoder-attn-dtype : text : memory of images and video
--video-pruning-rate : text : memory of images and video
--mm-tensor-ipc : direct_rpc|torch_shm : memory of images and video
--mm-ipc-gpu-memory-gb : float : memory of images and video
--lora-dtype : auto|bfloat16|float16 : LoRA adapters
--enable-tower-connector-lora / --disable-tower-connector-lora --no-enable-tower-connector-lora : switch : LoRA
 adapters
--max-cpu-loras : int : LoRA adapters
--fully-sharded-loras / --no-fully-sharded-loras : switch : LoRA adapters
--lora-target-modules : list : LoRA adapters
--default-mm-loras : text : LoRA adapters
--max-lora-cls-labels : text : LoRA adapters
--scheduler-cls : text : a scheduler of another make
--diffusion-config -dc : json : diffusion of text
--kv-transfer-config : json : a KV cache that is moved elsewhere
--ec-transfer-config : json : images that are moved elsewhere
--engram-config : json : memory of n-grams
--kernel-config : json : kernels by hand
--additional-config : text : settings of a plugin
--weight-transfer-config : text : weights that are exchanged
"""
# of earlier releases: what took its place
_GONE: Final = """
--swap-space : float
--task : text
--rope-scaling : json
--rope-theta : float
--speculative-method : text : --spec-method
--speculative-model : text : --spec-model
--num-speculative-tokens : int : --spec-tokens
--speculative-draft-tensor-parallel-size : int
--ngram-prompt-lookup-max : int
--ngram-prompt-lookup-min : int
--guided-decoding-backend : text
--guided-decoding-disable-fallback : switch
--enable-reasoning : switch
--num-scheduler-steps : int
--multi-step-stream-outputs : maybe
--max-seq-len-to-capture : int
--max-context-len-to-capture : int
--cuda-graph-sizes : list : --cudagraph-capture-sizes
--use-v2-block-manager : switch
--disable-frontend-multiprocessing : switch
--calculate-kv-scales : switch
--max-num-partial-prefills : int
--max-long-partial-prefills : int
--preemption-mode : text
--device : text
--worker-use-ray : switch : --distributed-executor-backend ray
--engine-use-ray : switch
--tokenizer-pool-size : int
--lora-extra-vocab-size : int
--long-lora-scaling-factors : text
--enable-prompt-adapter : switch
--max-prompt-adapters : int
--scheduler-delay-factor : float
--disable-mm-preprocessor-cache : switch
--override-neuron-config : json
--override-pooler-config : json : --pooler-config
--disable-async-output-proc : switch
--num-lookahead-slots : int
--enable-multimodal-encoder-data-parallel : switch : --mm-encoder-tp-mode data
--logits-processor-pattern : text
"""

_CHOICES: Final = {
    "QUANTIZATION": choices.QUANTIZATION,
    "CACHE": choices.CACHE_DTYPES,
    "SPECULATION": choices.SPECULATION,
    "MOE": choices.MOE_BACKENDS,
    "LINEAR": choices.LINEAR_BACKENDS,
    "ALL2ALL": choices.ALL2ALL_BACKENDS,
    "LOAD": choices.LOAD_FORMATS,
    "TOOLS": " ".join(sorted(TOOL_PARSERS)),
    "REASONING": " ".join(["none", *sorted(REASONING_PARSERS)]),
}
# vllm/engine/arg_utils.py human_readable_int
_SIZES: Final = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "K": 1 << 10,
    "M": 1 << 20,
    "G": 1 << 30,
    "T": 1 << 40,
}
TABLE: Final = FlagTable(
    argparse_dialect("vllm serve", underscores=True, dotted=True, sizes=_SIZES),
    flags(Role.PLANNED, _PLANNED, _CHOICES),
    flags(Role.KEPT, _KEPT, _CHOICES),
    flags(Role.UNCOUNTED, _UNCOUNTED, _CHOICES),
    flags(Role.GONE, _GONE),
    flags(Role.ASKS, "-h --help : switch"),
)
