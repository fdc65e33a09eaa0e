"""SGLang's command line read: what its words mean, under ServerArgs' own names (srt/server_args.py, 0.5.23)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from planner.engines.commands import Command, Sorted, Starts
from planner.engines.flags import FlagTable, Given, Role
from planner.engines.sglang.flags import TABLE
from planner.errors import InputError

if TYPE_CHECKING:
    from planner.hardware.machine import Machine
    from planner.models.model import Model

ENGINE: Final = "sglang"
SETTINGS: Final[frozenset[str]] = frozenset(
    flag.meaning for flag in TABLE.flags if flag.role is Role.PLANNED and flag.meaning != "model_path"
)
# SGLang's setting -> vLLM's of the same meaning
_COUNTERPARTS: Final = {
    "context_length": "max_model_len",
    "pp_size": "pipeline_parallel_size",
    "dcp_size": "decode_context_parallel_size",
    "max_running_requests": "max_num_seqs",
    "chunked_prefill_size": "max_num_batched_tokens",
    "kv_cache_dtype": "kv_cache_dtype",
    "dtype": "dtype",
    "quantization": "quantization",
    "disable_cuda_graph": "enforce_eager",
    "cuda_graph_max_bs_decode": "max_cudagraph_capture_size",
    "mamba_ssm_dtype": "mamba_ssm_cache_dtype",
    "language_model_only": "language_model_only",
    "nnodes": "nnodes",
}
_FORMATS: Final = {"bf16": "bfloat16"}
VERSION: Final = "0.5.23"
_SERVE: Final = ("sglang", "serve")
STARTS: Final = Starts(
    programs=(_SERVE,),
    modules=("sglang.launch_server", "sglang.srt.entrypoints.http_server"),
)


def table(program: Sequence[str]) -> FlagTable:
    """Return the flags of SGLang's server."""
    return TABLE


def read(
    program: Sequence[str], words: Sequence[str], env: Mapping[str, str], flags: FlagTable = TABLE
) -> Command:
    """Return what the words after the program's name mean.

    Raises InputError in SGLang's own words for a flag or a value that it refuses.
    """
    given, stray = flags.read(words)
    if len(stray) > 1 or (stray and program[0] == "python"):
        raise InputError(f"{flags.dialect.program}: {flags.dialect.unknown.format(name=' '.join(stray))}")
    line = _Line(given, flags)
    return Command(
        engine=ENGINE,
        program=" ".join(program),
        model=stray[0] if stray else line.model,
        settings=line.settings,
        kept=line.sorted.kept,
        env=env,
        uncounted=line.sorted.uncounted,
        notes=tuple(line.sorted.notes),
        devices=line.devices(),
    )


def started(command: Command, model: Model, machine: Machine) -> Mapping[str, Any]:
    """Return vLLM's settings for the same, by whose rules SGLang's plans are made."""
    return {
        "tensor_parallel_size": 1,
        "max_model_len": model.architecture.n_ctx_train,
        **for_rules(command.settings),
    }


def for_rules(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that vLLM's rules have for SGLang's.

    The inverse of the command that is written (planner.engines.sglang.command). What SGLang alone has, the share of
    memory among it, has no counterpart.
    """
    tp, dp = said.get("tp_size", 1), said.get("attn_dp_size") or said.get("dp_size", 1)
    attention = said.get("enable_dp_attention") or "attn_dp_size" in said
    settings: dict[str, Any] = {}
    if "tp_size" in said:
        settings["tensor_parallel_size"] = max(tp // dp, 1) if attention else tp
    if dp > 1:
        settings["data_parallel_size"] = dp
    if said.get("ep_size", 1) > 1:
        settings["enable_expert_parallel"] = True
    for name, there in _COUNTERPARTS.items():
        value = said.get(name)
        if value is not None and value != -1:
            settings[there] = _FORMATS.get(value, value) if isinstance(value, str) else value
    if said.get("speculative_algorithm") in ("NEXTN", "EAGLE") and "speculative_draft_model_path" not in said:
        settings["speculative_method"] = "mtp"
        settings["num_speculative_tokens"] = said.get("speculative_num_steps", 1)
    return settings


class _Line:
    """The flags of one line, put into settings one after the other."""

    def __init__(self, given: Sequence[Given], flags: FlagTable = TABLE) -> None:
        self.sorted = Sorted(flags, given, f"SGLang {VERSION}")
        self.settings: dict[str, Any] = {}
        self.model: str | None = None
        for each in self.sorted.planned:
            special = _SPECIAL.get(each.flag.meaning)
            if special is not None:
                special(self, each)
            else:
                self.settings[each.flag.meaning] = each.value
        if "base_gpu_id" not in self.settings:
            self.settings.pop("gpu_id_step", None)

    def devices(self) -> tuple[int, ...] | None:
        """The GPUs from --base-gpu-id on; None where all are used."""
        first = self.settings.pop("base_gpu_id", None)
        step = self.settings.pop("gpu_id_step", 1)
        if first is None:
            return None
        count = self.settings.get("tp_size", 1) * self.settings.get("pp_size", 1)
        return tuple(first + step * i for i in range(count))

    def _named(self, each: Given) -> None:
        self.model = each.value

    def _graph_sizes(self, each: Given) -> None:
        if not each.words or not all(word.isdigit() for word in each.words):
            raise TABLE.refusal(each, f"invalid int value: '{' '.join(each.words)}'")
        self.settings["cuda_graph_max_bs_decode"] = max(int(word) for word in each.words)
        self.sorted.keep(each)

    def _graphs(self, each: Given) -> None:
        if each.value == "disabled":
            self.settings["disable_cuda_graph"] = True
        else:
            self.sorted.keep(each)

    def _drafting(self, each: Given) -> None:
        self.settings["speculative_algorithm"] = each.value.upper()

    def _pooling(self, each: Given) -> None:
        self.sorted.uncount("pooling in place of answers", each)
        self.sorted.keep(each)

    def _share(self, each: Given) -> None:
        if not 0 < each.value < 1:
            raise TABLE.refusal(each, f"{each.value:g} is no share of a GPU's memory between 0 and 1")
        self.settings["mem_fraction_static"] = each.value

    def _device(self, each: Given) -> None:
        self.settings[each.flag.meaning] = each.value
        self.sorted.keep(each)


_SPECIAL: Final[Mapping[str, Callable[[_Line, Given], None]]] = {
    "model_path": _Line._named,
    "cuda_graph_bs_decode": _Line._graph_sizes,
    "cuda_graph_backend_decode": _Line._graphs,
    "speculative_algorithm": _Line._drafting,
    "is_embedding": _Line._pooling,
    "mem_fraction_static": _Line._share,
    "base_gpu_id": _Line._device,
    "gpu_id_step": _Line._device,
}
