"""`vllm serve` read: what its words mean for a plan.

By vLLM 0.33.0: vllm/engine/arg_utils.py (create_speculative_config, batch defaults), vllm/config (what is refused
after parsing).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from planner.engines.commands import Command, Sorted, Starts
from planner.engines.flags import FlagTable, Given
from planner.engines.vllm.choices import ATTENTION_BACKENDS
from planner.engines.vllm.flags import TABLE
from planner.engines.vllm.releases import RULES_VERSION
from planner.engines.vllm.settings import KV_CACHE_DTYPES, settings_from
from planner.engines.vllm.settings import SETTINGS as SETTINGS
from planner.errors import InputError

if TYPE_CHECKING:
    from planner.hardware.machine import Machine
    from planner.models.model import Model

ENGINE: Final = "vllm"
_SERVE: Final = ("vllm", "serve")
STARTS: Final = Starts(
    programs=(_SERVE,),
    modules=(
        "vllm.entrypoints.openai.api_server",
        "vllm.entrypoints.cli.main",
        "vllm.entrypoints.api_server",
        "vllm",
    ),
    images=(("vllm-openai", _SERVE),),
)
_BACKENDS: Final = frozenset(ATTENTION_BACKENDS.split())
_EXECUTORS: Final = ("ray", "mp", "uni", "external_launcher")
_OWN_CODE: Final = frozenset({"auto", "vllm"})
_GRAPH_SIZES: Final = frozenset({"max_cudagraph_capture_size", "cudagraph_capture_sizes"})


def table(program: Sequence[str]) -> FlagTable:
    """Return the flags of `vllm serve`."""
    return TABLE


def read(
    program: Sequence[str], words: Sequence[str], env: Mapping[str, str], flags: FlagTable = TABLE
) -> Command:
    """Return what the words after the program's name mean.

    Raises InputError in vLLM's own words for a flag or a value that it refuses.
    """
    words = list(words)
    if program[0] == "python" and words[:1] == ["serve"]:
        words = words[1:]
    given, stray = flags.read(words)
    if len(stray) > 1:
        raise InputError(f"{flags.dialect.program}: {flags.dialect.unknown.format(name=' '.join(stray[1:]))}")
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
        devices=line.devices,
    )


def for_rules(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings as they are: the rules are this engine's own."""
    return settings


def started(command: Command, model: Model, machine: Machine) -> Mapping[str, Any]:
    """Return the settings with vLLM's own defaults for this model on this machine, so that none is chosen."""
    from planner.engines.vllm.deployment import devices_of
    from planner.engines.vllm.memory.weights import resolve

    given = settings_from(command.settings)
    trained = model.architecture.n_ctx_train
    full = resolve(model.architecture, given, devices_of(machine, given).gpu)
    return {
        "tensor_parallel_size": full.tensor_parallel_size,
        "gpu_memory_utilization": full.gpu_memory_utilization,
        "max_model_len": trained,
        "max_num_seqs": full.max_num_seqs,
        "max_num_batched_tokens": full.max_num_batched_tokens,
        "kv_cache_dtype": full.kv_cache_dtype,
        "enforce_eager": full.enforce_eager,
        "language_model_only": full.language_model_only,
        **command.settings,
    }


class _Line:
    """The flags of one line, put into settings one after the other."""

    def __init__(self, given: Sequence[Given], flags: FlagTable = TABLE) -> None:
        self.sorted = Sorted(flags, given, f"vLLM {RULES_VERSION}")
        self.settings: dict[str, Any] = {}
        self.model: str | None = None
        self.devices: tuple[int, ...] | None = None
        self._draft: dict[str, tuple[Any, Given]] = {}
        for each in self.sorted.planned:
            special = _SPECIAL.get(each.flag.meaning)
            if special is not None:
                special(self, each)
            else:
                self.settings[each.flag.meaning] = each.value
        if self._draft:
            self._drafted()

    def _named(self, each: Given) -> None:
        self.model = each.value

    def _on_devices(self, each: Given) -> None:
        parts = [part.strip() for part in each.value.split(",")]
        if all(part.isdigit() for part in parts):
            self.devices = tuple(int(part) for part in parts)
        self.sorted.keep(each)

    def _length(self, each: Given) -> None:
        self.settings["max_model_len"] = "auto" if each.value in ("auto", "-1") else each.value

    def _size(self, each: Given) -> None:
        if isinstance(each.value, str):
            raise TABLE.refusal(each, f"invalid human_readable_int value: '{each.value}'")
        self.settings[each.flag.meaning] = each.value

    def _rank(self, each: Given) -> None:
        self.settings["max_lora_rank"] = int(each.value)

    def _cache(self, each: Given) -> None:
        if each.value in KV_CACHE_DTYPES:
            self.settings["kv_cache_dtype"] = each.value
        else:
            self._without_rule(f"a KV cache in {each.value}", each)

    def _without_rule(self, what: str, each: Given) -> None:
        self.sorted.uncount(what, each)
        self.sorted.keep(each)

    def _attention(self, each: Given) -> None:
        name = each.value.upper()
        if name not in _BACKENDS:
            options = ", ".join(ATTENTION_BACKENDS.split())
            raise TABLE.refusal(
                each, f"Unknown attention backend: '{each.value}'. Valid options are: {options}"
            )
        self.settings["attention_backend"] = name

    def _executor(self, each: Given) -> None:
        if each.value not in _EXECUTORS and "." not in each.value:
            options = ", ".join(_EXECUTORS)
            raise TABLE.refusal(each, f"invalid choice: '{each.value}' (choose from {options})")
        self.settings["distributed_executor_backend"] = each.value

    def _runner(self, each: Given) -> None:
        if each.value in ("pooling", "draft"):
            self.sorted.uncount("pooling in place of answers", each)
        self.sorted.keep(each)

    def _implementation(self, each: Given) -> None:
        if each.value not in _OWN_CODE:
            self.sorted.uncount(f"the code of {each.value}", each)
        self.sorted.keep(each)

    def _graph_sizes(self, each: Given) -> None:
        if not each.words or not all(word.isdigit() for word in each.words):
            raise TABLE.refusal(each, f"invalid int value: '{' '.join(each.words)}'")
        self.settings["max_cudagraph_capture_size"] = max(int(word) for word in each.words)
        self.sorted.keep(each)

    def _optimization(self, each: Given) -> None:
        level = each.value.upper().removeprefix("O")
        if level not in {"0", "1", "2", "3"}:
            raise TABLE.refusal(each, f"invalid optimization level: '{each.value}' (choose from 0, 1, 2, 3)")
        if level == "0":
            self.settings["enforce_eager"] = True  # neither compiled nor captured
        else:
            self.sorted.keep(each)

    def _compilation(self, each: Given) -> None:
        if not isinstance(each.value, dict):
            raise TABLE.refusal(each, f"{each.words[0]} is no object; -O{each.words[0]} sets the level")
        sizes = each.value.get("cudagraph_capture_sizes")
        largest = each.value.get("max_cudagraph_capture_size")
        if isinstance(sizes, list) and sizes and all(isinstance(size, int) for size in sizes):
            largest = max(sizes)
        if isinstance(largest, int) and largest > 0:
            self.settings["max_cudagraph_capture_size"] = largest
        if set(each.value) - _GRAPH_SIZES:
            self.sorted.uncount("compilation by hand", each)
        self.sorted.keep(each)

    def _images(self, each: Given) -> None:
        limits = each.value
        if isinstance(limits, str):
            limits = self._limits(each)
        if limits and all(_limit(value) == 0 for value in limits.values()):
            self.settings["language_model_only"] = True
        elif all(_limit(value) != 0 for value in limits.values()):
            self.sorted.keep(
                each
            )  # what is profiled is the largest item that the encoder's budget holds, not their number
        else:
            self._without_rule("images and videos of a prompt", each)

    def _limits(self, each: Given) -> Mapping[str, Any]:
        text = str(each.value)
        pairs = re.fullmatch(r"\s*(\w+=\d+)(\s*,\s*\w+=\d+)*\s*", text)
        if pairs is not None:
            self.sorted.notes.append(
                f"vLLM {RULES_VERSION} wants JSON after {each.written}, not {text}: read as its earlier form."
            )
            return {k.strip(): int(v) for k, v in (pair.split("=") for pair in text.split(","))}
        value = TABLE.json_value(each, text)
        if not isinstance(value, dict):
            raise TABLE.refusal(each, f"'{text}' is no object")
        return value

    def _speculation(self, each: Given) -> None:
        if not isinstance(each.value, dict):
            raise TABLE.refusal(each, f"{' '.join(each.words)} is no object")
        for key, value in each.value.items():
            self._drafting(key.replace("-", "_"), value, each)

    def _drafting(self, key: str, value: Any, each: Given) -> None:
        if key in self._draft and self._draft[key][1].written != each.written:
            other = self._draft[key][1].written
            raise TABLE.refusal(each, f"{each.written} and {other}['{key}'] are mutually exclusive")
        self._draft[key] = (value, each)

    def _spec_method(self, each: Given) -> None:
        self._drafting("method", each.value, each)

    def _spec_tokens(self, each: Given) -> None:
        self._drafting("num_speculative_tokens", each.value, each)

    def _spec_model(self, each: Given) -> None:
        self._drafting("model", each.value, each)

    def _drafted(self) -> None:
        from planner.engines.vllm.memory.drafts import shape_known

        said = {key: value for key, (value, _) in self._draft.items()}
        written = {id(each): each for _, each in self._draft.values()}
        model = said.get("model")
        method = str(
            said.get("method") or ("ngram" if model == "ngram" else "draft_model" if model else "mtp")
        )
        first = next(iter(written.values()))
        known = TABLE.named("--spec-method").choices
        if method not in known:
            raise TABLE.refusal(first, f"invalid choice: '{method}' (choose from {', '.join(known)})")
        own = method.endswith("mtp") and model is None
        named = isinstance(model, str) and not method.endswith("mtp") and shape_known(method, model)
        if own or named or model is None:
            self.settings["speculative_method"] = method
            if named:
                self.settings["speculative_model"] = model
            tokens = said.get("num_speculative_tokens")
            if tokens is not None:
                if not isinstance(tokens, int):
                    raise TABLE.refusal(first, f"num_speculative_tokens is '{tokens}', not a whole number")
                self.settings["num_speculative_tokens"] = tokens
            rest = set(said) - {"method", "num_speculative_tokens"} - ({"model"} if named else set())
            if not rest:
                return
        else:
            self.sorted.uncount(f"a model that drafts ({method})", first)
        for each in written.values():
            self.sorted.keep(each)


def _limit(value: Any) -> Any:
    """How many of one kind a prompt may hold: a number, or an object that has it as `count`."""
    return value.get("count") if isinstance(value, dict) else value


_SPECIAL: Final[Mapping[str, Callable[[_Line, Given], None]]] = {
    "model": _Line._named,
    "devices": _Line._on_devices,
    "max_model_len": _Line._length,
    "max_num_batched_tokens": _Line._size,
    "kv_cache_memory_bytes": _Line._size,
    "kv_cache_dtype": _Line._cache,
    "max_lora_rank": _Line._rank,
    "attention_backend": _Line._attention,
    "distributed_executor_backend": _Line._executor,
    "runner": _Line._runner,
    "model_impl": _Line._implementation,
    "cudagraph_capture_sizes": _Line._graph_sizes,
    "optimization_level": _Line._optimization,
    "compilation_config": _Line._compilation,
    "limit_mm_per_prompt": _Line._images,
    "speculative_config": _Line._speculation,
    "spec_method": _Line._spec_method,
    "spec_tokens": _Line._spec_tokens,
    "spec_model": _Line._spec_model,
}
