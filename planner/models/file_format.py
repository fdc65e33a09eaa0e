"""The formats of published files; one is called as the programs that read it."""

from __future__ import annotations

from enum import StrEnum


class FileFormat(StrEnum):
    """What a repository's files are."""

    SAFETENSORS = "safetensors"
    GGUF = "gguf"
    MLX = "mlx"
