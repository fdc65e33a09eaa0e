"""mlx_lm's command lines are read, by mlx-lm 0.32.2's own parsers."""

from __future__ import annotations

from typing import Any

import pytest

from planner.engines.commands import read_command
from planner.errors import InputError


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("mlx_lm.server --model a/b", {}),
        ("mlx_lm server --model a/b --port 8080", {}),
        ("python -m mlx_lm.server --model a/b --host 0.0.0.0", {}),
        ("python3 -m mlx_lm server --model a/b", {}),
        ("uv run mlx_lm.server --model a/b --temp 0.6", {}),
        ("mlx_lm.server --model a/b --prompt-cache-bytes 4GB", {"prompt_cache_bytes": 4 * 10**9}),
        ("mlx_lm.server --model a/b --prompt-cache-size 4", {"prompt_cache_size": 4}),
        ("mlx_lm.server --model a/b --decode-concurrency 8", {"decode_concurrency": 8}),
        ("mlx_lm.server --model a/b --draft-model a/c --num-draft-tokens 4",
         {"draft_model": "a/c", "num_draft_tokens": 4}),
        ("mlx_lm.generate --model a/b --prompt hi -m 100 --max-kv-size 4096", {"max_kv_size": 4096}),
        ("mlx_lm.generate --model a/b --kv-bits 8 --kv-group-size 64", {"kv_bits": 8, "kv_group_size": 64}),
    ],
)  # fmt: skip
def test_read(line: str, settings: dict[str, Any]) -> None:
    command = read_command(line)
    assert (command.engine, command.model, dict(command.settings)) == ("mlx", "a/b", settings)


def test_uncounted_and_refused() -> None:
    (adapters,) = read_command("mlx_lm.server --model a/b --adapter-path x").uncounted
    assert str(adapters) == "LoRA adapters (--adapter-path)"
    with pytest.raises(InputError, match="unrecognized arguments: --ctx-size"):
        read_command("mlx_lm.server --model a/b --ctx-size 4096")
