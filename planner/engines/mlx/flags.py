"""Flags of mlx_lm.server and mlx_lm.generate, as mlx-lm 0.32.2's own parsers know them (server.py, generate.py)."""

from __future__ import annotations

from typing import Final

from planner.engines.flags import FlagTable, Role, argparse_dialect, flags

# becomes a setting
_PLANNED: Final = """
--model : text : model
--draft-model : text : draft_model
--num-draft-tokens : int : num_draft_tokens
--prefill-step-size : int : prefill_step_size
--max-kv-size : int : max_kv_size
--kv-bits : int : kv_bits
--kv-group-size : int : kv_group_size
--quantized-kv-start : int : quantized_kv_start
--prompt-cache-size : int : prompt_cache_size
--prompt-cache-bytes : size : prompt_cache_bytes
--decode-concurrency : int : decode_concurrency
--prompt-concurrency : int : prompt_concurrency
"""
# moves no byte
_KEPT: Final = """
--host : text
--port : int
--allowed-origins : text
--trust-remote-code : switch
--log-level : DEBUG|INFO|WARNING|ERROR|CRITICAL
--chat-template : text
--use-default-chat-template : switch
--ignore-chat-template : switch
--chat-template-args --chat-template-config : text
--temp : float
--top-p : float
--top-k : int
--min-p : float
--min-tokens-to-keep : int
--xtc-probability : float
--xtc-threshold : float
--seed : int
--max-tokens -m : int
--prompt -p : text
--system-prompt : text
--prefill-response : text
--extra-eos-token : list
--verbose : text
"""
# moves bytes (or speed) that no rule counts
_UNCOUNTED: Final = """
--adapter-path : text : LoRA adapters
--image : list : images of a prompt
--prompt-cache-file : text : a cache that is read from a file
--quantize-activations -qa : switch : activations in eight bits
--pipeline : switch : layers on several machines
"""

_SIZES: Final = {"": 1, "M": 10**6, "MB": 10**6, "G": 10**9, "GB": 10**9}  # utils.py _parse_size
TABLE: Final = FlagTable(
    argparse_dialect("mlx_lm.server", sizes=_SIZES),
    flags(Role.PLANNED, _PLANNED),
    flags(Role.KEPT, _KEPT),
    flags(Role.UNCOUNTED, _UNCOUNTED),
    flags(Role.ASKS, "-h --help : switch"),
)
