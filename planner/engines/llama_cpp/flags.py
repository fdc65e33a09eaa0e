"""Flags of llama-server and llama-cli, as llama.cpp's own parser knows them.

Read in common/arg.cpp of b11434 and b11549 (which adds --moe-cache-mib): every option of the server and of the
chat program, with its environment variable. What an option's handler refuses stands beside it as its kind.
"""

from __future__ import annotations

from typing import Final

from planner.engines.flags import Dialect, FlagTable, Role, flags
from planner.engines.llama_cpp.settings import CACHE_TYPES

# common/arg.cpp, common_params_parse_ex
_PARSER: Final = Dialect(
    program="llama-server",
    invalid='error while handling argument "{name}": {why}',
    unknown="error: invalid argument: {name}",
    no_choice="invalid value '{value}'; it takes {choices}",
    joined=False,
    abbreviated=False,
)

# becomes a setting; the last column but one is its name here
_PLANNED: Final = """
-t --threads : int : threads : $LLAMA_ARG_THREADS
-c --ctx-size : int : n_ctx : $LLAMA_ARG_CTX_SIZE
--kv-unified-per-slot : int : kv_unified_per_slot : $LLAMA_ARG_KV_UNIFIED_PER_SLOT
-b --batch-size : int : n_batch : $LLAMA_ARG_BATCH
-ub --ubatch-size : int : n_ubatch : $LLAMA_ARG_UBATCH
--swa-full : switch : swa_full : $LLAMA_ARG_SWA_FULL
-kvu --kv-unified / -no-kvu --no-kv-unified : switch : kv_unified : $LLAMA_ARG_KV_UNIFIED
-fa --flash-attn : maybe : flash_attn : $LLAMA_ARG_FLASH_ATTN
-kvo --kv-offload / -nkvo --no-kv-offload : switch : kv_offload : $LLAMA_ARG_KV_OFFLOAD
--repack / -nr --no-repack : switch : repack_weights : $LLAMA_ARG_REPACK
-ctk --cache-type-k : @CACHE : cache_type_k : $LLAMA_ARG_CACHE_TYPE_K
-ctv --cache-type-v : @CACHE : cache_type_v : $LLAMA_ARG_CACHE_TYPE_V
-np --parallel : int : n_parallel : $LLAMA_ARG_N_PARALLEL
-mm --mmproj : text : mmproj : $LLAMA_ARG_MMPROJ
-mmu --mmproj-url : text : mmproj : $LLAMA_ARG_MMPROJ_URL
--mmproj-auto / --no-mmproj --no-mmproj-auto : switch : mmproj : $LLAMA_ARG_MMPROJ_AUTO
-lm --load-mode : auto|none|mmap|mlock|mmap+mlock|dio : mmap : $LLAMA_ARG_LOAD_MODE
-dev --device : text : devices : $LLAMA_ARG_DEVICE
-ot --override-tensor : text : override_tensor : $LLAMA_ARG_OVERRIDE_TENSOR
-cmoe --cpu-moe : switch : cpu_moe : $LLAMA_ARG_CPU_MOE
-ncmoe --n-cpu-moe : int : n_cpu_moe : $LLAMA_ARG_N_CPU_MOE
-ncffn --n-cpu-ffn : int : n_cpu_ffn : $LLAMA_ARG_N_CPU_FFN
-ngl --gpu-layers --n-gpu-layers : text : n_gpu_layers : $LLAMA_ARG_N_GPU_LAYERS
-sm --split-mode : none|layer|row|tensor : split_mode : $LLAMA_ARG_SPLIT_MODE
-ts --tensor-split : text : tensor_split : $LLAMA_ARG_TENSOR_SPLIT
-mg --main-gpu : int : main_gpu : $LLAMA_ARG_MAIN_GPU
-cram --cache-ram : int : cache_ram_mib : $LLAMA_ARG_CACHE_RAM
--moe-cache-mib : int : moe_cache_mib : $LLAMA_ARG_MOE_CACHE_MIB
--image-max-tokens : int : image_max_tokens : $LLAMA_ARG_IMAGE_MAX_TOKENS
-ctxcp --ctx-checkpoints --swa-checkpoints : int : n_ctx_checkpoints : $LLAMA_ARG_CTX_CHECKPOINTS
-fit --fit : text : fit : $LLAMA_ARG_FIT
-fitt --fit-target : text : fit_target : $LLAMA_ARG_FIT_TARGET
-fitc --fit-ctx : int : fit_ctx : $LLAMA_ARG_FIT_CTX
--op-offload / --no-op-offload : switch : op_offload
-m --model : text : model : $LLAMA_ARG_MODEL
-mu --model-url : text : model_url : $LLAMA_ARG_MODEL_URL
-dr --docker-repo : text : docker_repo : $LLAMA_ARG_DOCKER_REPO
-hf -hfr --hf-repo : text : hf_repo : $LLAMA_ARG_HF_REPO
-hff --hf-file : text : hf_file : $LLAMA_ARG_HF_FILE
--embedding --embeddings : switch : embeddings : $LLAMA_ARG_EMBEDDINGS
--rerank --reranking : switch : embeddings : $LLAMA_ARG_RERANKING
--spec-draft-hf -hfd -hfrd --hf-repo-draft : text : spec_draft_model : $LLAMA_ARG_SPEC_DRAFT_HF_REPO
--spec-draft-type-k -ctkd --cache-type-k-draft : @CACHE : spec_draft_type_k
 : $LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_K
--spec-draft-type-v -ctvd --cache-type-v-draft : @CACHE : spec_draft_type_v
 : $LLAMA_ARG_SPEC_DRAFT_CACHE_TYPE_V
--spec-draft-n-max : int : spec_draft_n_max : $LLAMA_ARG_SPEC_DRAFT_N_MAX
--spec-draft-ngl -ngld --gpu-layers-draft --n-gpu-layers-draft : text : spec_draft_ngl
 : $LLAMA_ARG_N_GPU_LAYERS_DRAFT
--spec-draft-model -md --model-draft : text : spec_draft_model : $LLAMA_ARG_SPEC_DRAFT_MODEL
--spec-type : text : spec_type : $LLAMA_ARG_SPEC_TYPE
--embd-gemma-default : switch : preset
--fim-qwen-1.5b-default : switch : preset
--fim-qwen-3b-default : switch : preset
--fim-qwen-7b-default : switch : preset
--fim-qwen-7b-spec : switch : preset
--fim-qwen-14b-spec : switch : preset
--fim-qwen-30b-default : switch : preset
--gpt-oss-20b-default : switch : preset
--gpt-oss-120b-default : switch : preset
--vision-gemma-4b-default : switch : preset
--vision-gemma-12b-default : switch : preset
"""
# moves no byte
_KEPT: Final = """
--mmproj-offload : switch : $LLAMA_ARG_MMPROJ_OFFLOAD
--server-base : text
--verbose-prompt : switch
--display-prompt / --no-display-prompt : switch
-co --color : maybe
-tb --threads-batch : int
-C --cpu-mask : text
-Cr --cpu-range : text
--cpu-strict : text
--prio : int
--poll : text
-Cb --cpu-mask-batch : text
-Crb --cpu-range-batch : text
--cpu-strict-batch : int
--prio-batch : int
--poll-batch : int
-n --predict --n-predict : int : $LLAMA_ARG_N_PREDICT
--keep : int
-cms --checkpoint-min-step : int : $LLAMA_ARG_CHECKPOINT_MIN_SPACING_NT
--cache-idle-slots / --no-cache-idle-slots : switch : $LLAMA_ARG_CACHE_IDLE_SLOTS
--context-shift / --no-context-shift : switch : $LLAMA_ARG_CONTEXT_SHIFT
-p --prompt : text
-sys --system-prompt : text
--perf / --no-perf : switch : $LLAMA_ARG_PERF
--show-timings / --no-show-timings : switch : $LLAMA_ARG_SHOW_TIMINGS
-f --file : text
-sysf --system-prompt-file : text
-bf --binary-file : text
-e --escape / --no-escape : switch
-r --reverse-prompt : text
-sp --special : switch
-st --single-turn : switch
-mli --multiline-input : switch
--warmup / --no-warmup : switch
--spm-infill : switch
--samplers : text
-s --seed : text
--sampler-seq --sampling-seq : text
--ignore-eos : switch
--temp --temperature : text : $LLAMA_ARG_TEMPERATURE
--top-k : int : $LLAMA_ARG_TOP_K
--top-p : text : $LLAMA_ARG_TOP_P
--min-p : text : $LLAMA_ARG_MIN_P
--top-nsigma --top-n-sigma : text
--xtc-probability : text
--xtc-threshold : text
--typical --typical-p : text
--repeat-last-n : int
--repeat-penalty : text : $LLAMA_ARG_REPEAT_PENALTY
--presence-penalty : text : $LLAMA_ARG_PRESENCE_PENALTY
--frequency-penalty : text : $LLAMA_ARG_FREQUENCY_PENALTY
--dry-multiplier : text
--dry-base : text
--dry-allowed-length : int
--dry-penalty-last-n : int
--dry-sequence-breaker : text
--adaptive-target : text
--adaptive-decay : text
--dynatemp-range : text
--dynatemp-exp : text
--mirostat : int
--mirostat-lr : text
--mirostat-ent : text
-l --logit-bias : text
--grammar : text
--grammar-file : text
-j --json-schema : text
-jf --json-schema-file : text
--pooling : none|mean|cls|last|rank : $LLAMA_ARG_POOLING
--rope-scaling : none|linear|yarn : $LLAMA_ARG_ROPE_SCALING_TYPE
--rope-scale : text : $LLAMA_ARG_ROPE_SCALE
--rope-freq-base : text : $LLAMA_ARG_ROPE_FREQ_BASE
--rope-freq-scale : text : $LLAMA_ARG_ROPE_FREQ_SCALE
--yarn-orig-ctx : int : $LLAMA_ARG_YARN_ORIG_CTX
--yarn-ext-factor : text : $LLAMA_ARG_YARN_EXT_FACTOR
--yarn-attn-factor : text : $LLAMA_ARG_YARN_ATTN_FACTOR
--yarn-beta-slow : text : $LLAMA_ARG_YARN_BETA_SLOW
--yarn-beta-fast : text : $LLAMA_ARG_YARN_BETA_FAST
-cb --cont-batching / -nocb --no-cont-batching : switch : $LLAMA_ARG_CONT_BATCHING
--image --audio --video : text
--video-fps : text : $LLAMA_ARG_VIDEO_FPS
--video-timestamp-interval : int : $LLAMA_ARG_VIDEO_TIMESTAMP_INTERVAL
--video-ffmpeg-dir : text : $LLAMA_ARG_VIDEO_FFMPEG_DIR
--numa : distribute|isolate|numactl : $LLAMA_ARG_NUMA
--check-tensors : switch
--control-vector-layer-range : pair
-a --alias : text : $LLAMA_ARG_ALIAS
--tags : text : $LLAMA_ARG_TAGS
-hft --hf-token : text : $HF_TOKEN
-o --output --output-file : text
--embd-normalize : int
--host : text : $LLAMA_ARG_HOST
--port : int : $LLAMA_ARG_PORT
--reuse-port : switch : $LLAMA_ARG_REUSE_PORT
--path : text : $LLAMA_ARG_STATIC_PATH
--cors-origins : text : $LLAMA_ARG_CORS_ORIGINS
--cors-methods : text : $LLAMA_ARG_CORS_METHODS
--cors-headers : text : $LLAMA_ARG_CORS_HEADERS
--cors-credentials / --no-cors-credentials : switch : $LLAMA_ARG_CORS_CREDENTIALS
--api-prefix : text : $LLAMA_ARG_API_PREFIX
--ui-config --webui-config : text : $LLAMA_ARG_UI_CONFIG
--ui-config-file --webui-config-file : text : $LLAMA_ARG_UI_CONFIG_FILE
--ui-mcp-proxy --webui-mcp-proxy / --no-ui-mcp-proxy --no-webui-mcp-proxy : switch : $LLAMA_ARG_UI_MCP_PROXY
--tools : text : $LLAMA_ARG_TOOLS
--tools-runtime : text : $LLAMA_ARG_TOOLS_RUNTIME
--mcp-servers-config : text : $LLAMA_ARG_MCP_SERVERS_CONFIG
--mcp-servers-json : text : $LLAMA_ARG_MCP_SERVERS_JSON
-ag --agent / -no-ag --no-agent : switch : $LLAMA_ARG_AGENT
--ui --webui / --no-ui --no-webui : switch : $LLAMA_ARG_UI
--api-key : text : $LLAMA_API_KEY
--api-key-file : text : $LLAMA_ARG_API_KEY_FILE
--ssl-key-file : text : $LLAMA_ARG_SSL_KEY_FILE
--ssl-cert-file : text : $LLAMA_ARG_SSL_CERT_FILE
--chat-template-kwargs : text : $LLAMA_ARG_CHAT_TEMPLATE_KWARGS
-to --timeout : int : $LLAMA_ARG_TIMEOUT
--sse-ping-interval : int : $LLAMA_ARG_SSE_PING_INTERVAL
--threads-http : int : $LLAMA_ARG_THREADS_HTTP
--cache-prompt / --no-cache-prompt : switch : $LLAMA_ARG_CACHE_PROMPT
--cache-reuse : int : $LLAMA_ARG_CACHE_REUSE
--metrics : switch : $LLAMA_ARG_ENDPOINT_METRICS
--props : switch : $LLAMA_ARG_ENDPOINT_PROPS
--slots / --no-slots : switch : $LLAMA_ARG_ENDPOINT_SLOTS
--slot-save-path : text : $LLAMA_ARG_SLOT_SAVE_PATH
--media-path : text
--models-max : int : $LLAMA_ARG_MODELS_MAX
--models-autoload / --no-models-autoload : switch : $LLAMA_ARG_MODELS_AUTOLOAD
--jinja / --no-jinja : switch : $LLAMA_ARG_JINJA
--reasoning-format : text : $LLAMA_ARG_THINK
-rea --reasoning : text : $LLAMA_ARG_REASONING
--reasoning-effort : text : $LLAMA_ARG_REASONING_EFFORT
--reasoning-budget : int : $LLAMA_ARG_THINK_BUDGET
--reasoning-budget-message : text : $LLAMA_ARG_THINK_BUDGET_MESSAGE
--reasoning-preserve / --no-reasoning-preserve : switch : $LLAMA_ARG_REASONING_PRESERVE
--chat-template : text : $LLAMA_ARG_CHAT_TEMPLATE
--chat-template-file : text : $LLAMA_ARG_CHAT_TEMPLATE_FILE
--skip-chat-parsing / --no-skip-chat-parsing : switch : $LLAMA_ARG_SKIP_CHAT_PARSING
--prefill-assistant / --no-prefill-assistant : switch : $LLAMA_ARG_PREFILL_ASSISTANT
-sps --slot-prompt-similarity : text
--lora-init-without-apply : switch
--sleep-idle-seconds : int
--simple-io : switch
--log-disable : switch
--log-file : text : $LLAMA_ARG_LOG_FILE
--log-jsonl / --no-log-jsonl : switch : $LLAMA_ARG_LOG_JSONL
--log-prompts-dir : text
--log-colors : text : $LLAMA_ARG_LOG_COLORS
-v --verbose --log-verbose : switch
--offline : switch : $LLAMA_ARG_OFFLINE
-lv --verbosity --log-verbosity : int : $LLAMA_ARG_LOG_VERBOSITY
--log-prefix / --no-log-prefix : switch : $LLAMA_ARG_LOG_PREFIX
--log-timestamps / --no-log-timestamps : switch : $LLAMA_ARG_LOG_TIMESTAMPS
--spec-draft-threads -td --threads-draft : int
--spec-draft-threads-batch -tbd --threads-batch-draft : int
--spec-draft-cpu-mask -Cd --cpu-mask-draft : text
--spec-draft-cpu-range -Crd --cpu-range-draft : text
--spec-draft-cpu-strict --cpu-strict-draft : int
--spec-draft-prio --prio-draft : int
--spec-draft-poll --poll-draft : int
--spec-draft-cpu-mask-batch -Cbd --cpu-mask-batch-draft : text
--spec-draft-cpu-strict-batch --cpu-strict-batch-draft : int
--spec-draft-prio-batch --prio-batch-draft : int
--spec-draft-poll-batch --poll-batch-draft : int
--spec-draft-n-min : int : $LLAMA_ARG_SPEC_DRAFT_N_MIN
--spec-synth-len : text : $LLAMA_ARG_SPEC_SYNTH_LEN
--spec-synth-rates : text : $LLAMA_ARG_SPEC_SYNTH_RATES
--spec-draft-p-split --draft-p-split : text : $LLAMA_ARG_SPEC_DRAFT_P_SPLIT
--spec-draft-p-min --draft-p-min : text : $LLAMA_ARG_SPEC_DRAFT_P_MIN
--spec-draft-sampling : greedy|probabilistic : $LLAMA_ARG_SPEC_DRAFT_SAMPLING
--spec-ngram-mod-n-min : int
--spec-ngram-mod-n-max : int
--spec-ngram-mod-n-match : int
--spec-ngram-simple-size-n : int
--spec-ngram-simple-size-m : int
--spec-ngram-simple-min-hits : int
--spec-ngram-map-k-size-n : int
--spec-ngram-map-k-size-m : int
--spec-ngram-map-k-min-hits : int
--spec-ngram-map-k4v-size-n : int
--spec-ngram-map-k4v-size-m : int
--spec-ngram-map-k4v-min-hits : int
-lcs --lookup-cache-static : text
-lcd --lookup-cache-dynamic : text
"""
# moves bytes (or speed) that no rule counts
_UNCOUNTED: Final = """
-bs --backend-sampling : switch : sampling on the GPU : $LLAMA_ARG_BACKEND_SAMPLING
--no-host : switch : weights in buffers other than the host's : $LLAMA_ARG_NO_HOST
--no-mmproj-offload : switch : where the projector lies
--image-min-tokens : int : the projector's own compute buffer : $LLAMA_ARG_IMAGE_MIN_TOKENS
--mtmd-batch-max-tokens : int : the projector's own compute buffer : $LLAMA_ARG_MTMD_BATCH_MAX_TOKENS
--rpc : text : devices of other machines : $LLAMA_ARG_RPC
-lzm --lazy-mode : text : tensors read on demand : $LLAMA_ARG_LAZY_MODE
--override-kv : text : metadata other than the file's
--lora : text : LoRA adapters
--lora-scaled : text : LoRA adapters
--control-vector : text : control vectors
--control-vector-scaled : text : control vectors
--models-dir : text : several models in one server : $LLAMA_ARG_MODELS_DIR
--models-preset : text : several models in one server : $LLAMA_ARG_MODELS_PRESET
--spec-draft-override-tensor -otd --override-tensor-draft : text : the draft's placement
--spec-draft-cpu-moe -cmoed --cpu-moe-draft : switch : the draft's placement : $LLAMA_ARG_SPEC_DRAFT_CPU_MOE
--spec-draft-n-cpu-moe --spec-draft-ncmoe -ncmoed --n-cpu-moe-draft : int : the draft's placement
 : $LLAMA_ARG_SPEC_DRAFT_N_CPU_MOE
--spec-draft-backend-sampling / --no-spec-draft-backend-sampling : switch : sampling on the GPU
 : $LLAMA_ARG_SPEC_DRAFT_BACKEND_SAMPLING
--spec-draft-device -devd --device-draft : text : the draft's placement
--spec-default : switch : drafting from n-grams
-mmdev --mmproj-device : text : where the projector lies : $MTMD_BACKEND_DEVICE
"""
# of earlier builds: what took its place
_GONE: Final = """
-dt --defrag-thold : text : $LLAMA_ARG_DEFRAG_THOLD
--draft --draft-n --draft-max : int : --spec-draft-n-max : $LLAMA_ARG_DRAFT_MAX
--draft-min --draft-n-min : int : --spec-draft-n-min : $LLAMA_ARG_DRAFT_MIN
--spec-ngram-size-n : int
--spec-ngram-size-m : int
--spec-ngram-min-hits : int
--mlock : switch : --load-mode mmap+mlock
--no-mmap : switch : --load-mode none
--mmap : switch : --load-mode mmap
-dio --direct-io : switch : --load-mode dio
-ndio --no-direct-io : switch : --load-mode mmap
-cd --ctx-size-draft : int
-nkqv : switch : --no-kv-offload
-dkvc --dump-kv-cache : switch
--log-format : text
-gan --grp-attn-n : int
-gaw --grp-attn-w : int
--penalize-nl : switch
-ld --logdir : text
"""
# prints something and ends
_ASKS: Final = """
-h --help --usage : switch
--version : switch
-cl --cache-list : switch
--completion-bash : switch
--list-devices : switch
"""

TABLE: Final = FlagTable(
    _PARSER,
    flags(Role.PLANNED, _PLANNED, {"CACHE": " ".join(CACHE_TYPES)}),
    flags(Role.KEPT, _KEPT),
    flags(Role.UNCOUNTED, _UNCOUNTED),
    flags(Role.GONE, _GONE),
    flags(Role.ASKS, _ASKS),
)
