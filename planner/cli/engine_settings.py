"""Engine settings on the command line: any option that is not the planner's own is the engine's.

`planner plan MODEL --n-cpu-moe 12 -ctk q8_0` passes n_cpu_moe and cache_type_k on under the engine's own
names; the engine refuses what it doesn't know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from planner.errors import InputError

CONTEXT_SETTINGS: Final[dict[str, Any]] = {"allow_extra_args": True, "ignore_unknown_options": True}

# llama.cpp's and vLLM's short and long options -> the names of the settings
_ALIASES: Final = {
    "ngl": "n_gpu_layers",
    "gpu_layers": "n_gpu_layers",
    "ncmoe": "n_cpu_moe",
    "cmoe": "cpu_moe",
    "ctk": "cache_type_k",
    "ctv": "cache_type_v",
    "md": "spec_draft_model",
    "model_draft": "spec_draft_model",
    "hfd": "spec_draft_model",
    "hf_repo_draft": "spec_draft_model",
    "ngld": "spec_draft_ngl",
    "n_gpu_layers_draft": "spec_draft_ngl",
    "ctkd": "spec_draft_type_k",
    "ctvd": "spec_draft_type_v",
    "cache_type_k_draft": "spec_draft_type_k",
    "cache_type_v_draft": "spec_draft_type_v",
    "b": "n_batch",
    "batch_size": "n_batch",
    "ub": "n_ubatch",
    "ubatch_size": "n_ubatch",
    "np": "n_parallel",
    "parallel": "n_parallel",
    "fa": "flash_attn",
    "sm": "split_mode",
    "ts": "tensor_split",
    "mg": "main_gpu",
    "ot": "override_tensor",
    "nkvo": "no_kv_offload",
    "kvu": "kv_unified",
    "t": "threads",
    "ctx_size": "n_ctx",
    "tp": "tensor_parallel_size",
    "pp": "pipeline_parallel_size",
    "dp": "data_parallel_size",
    "ep": "enable_expert_parallel",
    "dcp": "decode_context_parallel_size",
}
_SHORT: Final = frozenset(name for name in _ALIASES if 1 < len(name) <= 5 and "_" not in name)
_TRUE: Final = {"true", "yes"}
_FALSE: Final = {"false", "no"}


def spell_out(arguments: Sequence[str]) -> list[str]:
    """Turn llama.cpp's and vLLM's own short options (-ctk, -ngl, -tp …) into long ones.

    With one dash the command line would read "-ctk" as "-c tk".
    """
    return [
        f"-{word}" if word[:1] == "-" and word[1:2] != "-" and word[1:].partition("=")[0] in _SHORT else word
        for word in arguments
    ]


def parse_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """Return settings from what the command line had left over.

    An option followed by no value is a switch (True). Raises InputError for a word that is no option.
    """
    settings: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word in {"-", "--"}:
            raise InputError(f"'{word}' was not expected here; engine settings are written as --name value")
        name, joined, value = word.partition("=")
        key = name.lstrip("-").replace("-", "_")
        key = _ALIASES.get(key, key)
        if not joined:
            value = rest.pop(0) if rest and _is_value(rest[0]) else "true"
        if key in settings:
            raise InputError(f"{name} is given twice")
        settings[key] = _typed(value)
    return settings


def _is_value(word: str) -> bool:
    if not word.startswith("-"):
        return True
    return word[1:].replace(".", "", 1).isdigit()


def _typed(text: str) -> Any:
    lower = text.lower()
    if lower in _TRUE:
        return True
    if lower in _FALSE:
        return False
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
