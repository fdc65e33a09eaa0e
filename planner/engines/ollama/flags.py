"""What Ollama is told: flags of `ollama run`, the server's environment, parameters of a Modelfile.

Read in ollama/ollama at fb30760 (2026-08-21): cmd/cmd.go, envconfig/config.go, api/types.go, parser/parser.go.
"""

from __future__ import annotations

from typing import Final

from planner.engines.flags import Dialect, FlagTable, Role, flags

_DIALECT: Final = Dialect(
    program="ollama",
    invalid='Error: invalid argument for "{name}": {why}',
    unknown="Error: unknown flag: {name}",
    no_choice="'{value}' is not one of {choices}",
    abbreviated=False,
    underscores=False,
)
# becomes a setting; the environment is that of `ollama serve`
_PLANNED: Final = """
OLLAMA_CONTEXT_LENGTH : int : num_ctx : $OLLAMA_CONTEXT_LENGTH
OLLAMA_NUM_PARALLEL : int : num_parallel : $OLLAMA_NUM_PARALLEL
OLLAMA_FLASH_ATTENTION : text : flash_attention : $OLLAMA_FLASH_ATTENTION
OLLAMA_KV_CACHE_TYPE : text : kv_cache_type : $OLLAMA_KV_CACHE_TYPE
OLLAMA_GPU_OVERHEAD : int : gpu_overhead : $OLLAMA_GPU_OVERHEAD
"""
# moves no byte
_KEPT: Final = """
--keepalive : text
--verbose : switch
--insecure : switch
--nowordwrap : switch
--format : text
--hidethinking : switch
--truncate : switch
--dimensions : int
--version -v : switch
OLLAMA_HOST : text : $OLLAMA_HOST
OLLAMA_KEEP_ALIVE : text : $OLLAMA_KEEP_ALIVE
OLLAMA_LOAD_TIMEOUT : text : $OLLAMA_LOAD_TIMEOUT
OLLAMA_MODELS : text : $OLLAMA_MODELS
OLLAMA_ORIGINS : text : $OLLAMA_ORIGINS
OLLAMA_DEBUG : text : $OLLAMA_DEBUG
OLLAMA_DEBUG_LOG_REQUESTS : text : $OLLAMA_DEBUG_LOG_REQUESTS
OLLAMA_GO_TEMPLATE : text : $OLLAMA_GO_TEMPLATE
OLLAMA_MAX_QUEUE : text : $OLLAMA_MAX_QUEUE
OLLAMA_MAX_TRANSFER_STREAMS : text : $OLLAMA_MAX_TRANSFER_STREAMS
OLLAMA_NOHISTORY : text : $OLLAMA_NOHISTORY
OLLAMA_NOPRUNE : text : $OLLAMA_NOPRUNE
OLLAMA_NO_CLOUD : text : $OLLAMA_NO_CLOUD
OLLAMA_EDITOR : text : $OLLAMA_EDITOR
OLLAMA_REMOTES : text : $OLLAMA_REMOTES
OLLAMA_AUTH : text : $OLLAMA_AUTH
"""
# moves bytes (or speed) that no rule counts
_UNCOUNTED: Final = """
OLLAMA_SCHED_SPREAD : text : spreading over all GPUs : $OLLAMA_SCHED_SPREAD
OLLAMA_MAX_LOADED_MODELS : text : other models that are loaded : $OLLAMA_MAX_LOADED_MODELS
OLLAMA_LLM_LIBRARY : text : the library that drives the GPU : $OLLAMA_LLM_LIBRARY
OLLAMA_VULKAN : text : the library that drives the GPU : $OLLAMA_VULKAN
OLLAMA_IGPU_ENABLE : text : the library that drives the GPU : $OLLAMA_IGPU_ENABLE
LLAMA_ARG_FIT : text : llama-server's own fit : $LLAMA_ARG_FIT
LLAMA_ARG_FIT_TARGET : text : llama-server's own fit : $LLAMA_ARG_FIT_TARGET
"""
TABLE: Final = FlagTable(
    _DIALECT,
    flags(Role.PLANNED, _PLANNED),
    flags(Role.KEPT, _KEPT),
    flags(Role.KEPT, "--think : maybe"),
    flags(Role.UNCOUNTED, _UNCOUNTED),
    flags(Role.ASKS, "--help -h : switch"),
)
# PARAMETER lines of a Modelfile and options of a request (api/types.go Options); those that load the model
PARAMETERS: Final = frozenset({"num_ctx", "num_batch", "num_gpu", "num_thread"})
UNCOUNTED_PARAMETERS: Final = {
    "main_gpu": "the GPU that is used",
    "use_mmap": "weights that are read rather than mapped",
    "draft_num_predict": "drafting",
}
KEPT_PARAMETERS: Final = frozenset(
    {
        *("num_keep", "seed", "num_predict", "top_k", "top_p", "min_p", "typical_p", "repeat_last_n"),
        *("temperature", "repeat_penalty", "presence_penalty", "frequency_penalty", "stop"),
    }
)
# parser/parser.go deprecatedParameters: read and left out
GONE_PARAMETERS: Final = frozenset(
    {
        *("penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock", "mirostat"),
        *("mirostat_tau", "mirostat_eta"),
    }
)
