"""What a reader should know of the file that a plan fetches: whose mix it is, how large, whether there is one."""

from __future__ import annotations

from typing import Final

from planner.engines.launch import file_stem
from planner.engines.llama_cpp.placing.weights import WeightTable
from planner.models.model import Model
from planner.models.published import published_gguf
from planner.models.sources import gguf_repository
from planner.reason import Reason, ReasonKind, Value
from planner.units import gib

_WORTH_SAYING: Final = 0.02  # by which a published file differs from llama-quantize's


def file_reasons(model: Model, quant: str, table: WeightTable) -> list[Reason]:
    """Return what to know of a quantisation's file beside its size; nothing for llama-quantize's own mix."""
    if model.entry is None or model.tensors is not None or model.path is not None:
        return _guessed(table)
    found = published_gguf(model, quant)
    repository = gguf_repository(model, quant)
    if repository is None:
        return [_to_make(model, quant)]
    if found is not None and found.size is not None:
        if table.exact or abs(table.scale - 1) < _WORTH_SAYING:
            return []
        text = (
            f"The weights are those of {found.repository}'s {found.quant} as published, "
            f"{gib(found.size, 2)}{' to a tenth of a GiB' if found.rounding else ''}: it isn't llama-quantize's mix."
        )
        figures: dict[str, Value] = {
            "repository": found.repository,
            "quant": found.quant,
            "bytes": found.size,
        }
        return [Reason(ReasonKind.WEIGHTS_PUBLISHED, text, figures)]
    if table.excess:
        most = int(table.file_bytes * (1 + table.excess))
        text = (
            f"The size of {repository}'s {quant} isn't known: {gib(table.file_bytes)} by llama-quantize's rules, up to "
            f"{gib(most)} as publishers make such files. Counted as fitting only where the larger one does."
        )
        return [Reason(ReasonKind.WEIGHTS_ESTIMATED, text, {"low": table.file_bytes, "high": most})]
    return _guessed(table)


def _guessed(table: WeightTable) -> list[Reason]:
    if table.exact or table.scale != 1.0:
        return []
    text = "This mix is no public rule: weights are those of the nearest public one."
    return [Reason(ReasonKind.WEIGHTS_ESTIMATED, text)]


def _to_make(model: Model, quant: str) -> Reason:
    """Say that nobody is known to publish this file, and the lines that make it."""
    stem = file_stem(model)
    whole = f"{stem}-bf16.gguf"
    text = (
        f"No repository of the catalogue lists {quant}: make it yourself. hf download {model.id} --local-dir {stem}; "
        f"python convert_hf_to_gguf.py {stem} --outtype bf16 --outfile {whole}; "
        f"llama-quantize {whole} {stem}-{quant}.gguf {quant}"
    )
    return Reason(ReasonKind.MAKE_IT_YOURSELF, text, {"quant": quant})
