"""When Ollama drafts with a model's own prediction layers: unasked, where the file holds them.

hasMTPDraft and appendDraftArgs in llm/llama_server.go, DraftNumPredict in api/types.go of ollama/ollama at 00f6d62.
"""

from __future__ import annotations

from typing import Final

from planner.engines.llama_cpp.architectures import traits
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.engines.ollama.architectures import ollama_traits
from planner.engines.ollama.own_tags import library_tag
from planner.fast_dataclass import replace
from planner.models.model import Model

DRAFTED: Final = 4  # tokens a step


def drafts_by_itself(model: Model, quant: str) -> bool:
    """True where Ollama drafts with this model, by rules that are followed here.

    Known of a file whose tensors are known, and taken for Ollama's own tags of Qwen 3.5 and later, which hold such
    layers (hasLegacyQwenMTPDraft): files of other publishers mostly lack them.
    """
    arch = model.architecture
    rules = traits(arch).prediction
    if rules is None or not rules.followed or not any(g.mtp and g.in_gguf for g in arch.groups):
        return False
    if model.tensors is not None:
        return any("nextn." in tensor.name for tensor in model.tensors)
    return ollama_traits(arch).holds_prediction and library_tag(model, quant) is not None


def drafting(server: LlamaCppSettings) -> LlamaCppSettings:
    """Return llama-server's settings with what Ollama adds to draft."""
    own = replace(server, spec_type="draft-mtp", spec_draft_n_max=DRAFTED, load_mtp=True, n_rs_seq=DRAFTED)
    return replace(own, n_outputs_max=own.server_outputs)
