"""mlx_lm.server's command for a plan (mlx-lm 0.32.2, server.py), after the conversion where nobody published one."""

from __future__ import annotations

import shlex
from typing import Final

from planner.engines.launch import Launch, file_stem
from planner.engines.mlx.formats import format_of
from planner.engines.mlx.published import repository
from planner.models.model import Model
from planner.plan import Plan

# setting -> option, where the plan has it; max_kv_size is mlx_lm.generate's alone
_OPTIONS: Final = {
    "prefill_step_size": "--prefill-step-size",
    "kv_bits": "--kv-bits",
    "kv_group_size": "--kv-group-size",
    "quantized_kv_start": "--quantized-kv-start",
    "decode_concurrency": "--decode-concurrency",
    "prompt_concurrency": "--prompt-concurrency",
    "prompt_cache_size": "--prompt-cache-size",
    "prompt_cache_bytes": "--prompt-cache-bytes",
    "num_draft_tokens": "--num-draft-tokens",
}
_NOT_SERVED: Final = "max_kv_size"


def mlx_lm(plan: Plan, model: Model) -> Launch:
    """Return mlx_lm.server with what the plan counted; mlx_lm.generate where only that has the option."""
    kind = format_of(plan.quant, model.architecture)
    source = model.path or repository(model, kind.name)
    steps: list[list[str]] = []
    if source is None and kind.convert_options:
        made = f"./{file_stem(model)}-{kind.name.lower()}"
        steps.append(["mlx_lm.convert", "--hf-path", model.id, "--mlx-path", made, *kind.convert_options])
        source = made
    source = source or model.id
    if plan.settings.get(_NOT_SERVED) is not None:
        steps.append(
            [
                "mlx_lm.generate",
                "--model",
                source,
                "--max-kv-size",
                str(plan.settings[_NOT_SERVED]),
                "--prompt",
                "-",
            ]
        )
    else:
        steps.append(["mlx_lm.server", "--model", source, *_options(plan)])
    command = "\n".join(shlex.join(words) for words in steps)
    return Launch(command, source=source, paths=(source,) if source == model.path else ())


def _options(plan: Plan) -> list[str]:
    words: list[str] = []
    for name, option in _OPTIONS.items():
        value = plan.settings.get(name)
        if value is not None:
            words += [option, str(value)]
    draft = plan.settings.get("draft_model")
    if draft is not None:
        words += ["--draft-model", str(getattr(draft, "source", draft))]
    return words
