"""llama-server's and llama-cli's command lines, read: what they mean for a plan.

How values are read is that of llama.cpp's handlers (common/arg.cpp, b11434), and what a server takes by itself
that of tools/server/server.cpp: four slots that share one cache where -np says nothing, --fit on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from planner.engines.commands import Command, Sorted, Starts
from planner.engines.flags import FlagTable, Given
from planner.engines.llama_cpp.builds import BUILD
from planner.engines.llama_cpp.flags import TABLE
from planner.engines.llama_cpp.settings import ALL_LAYERS, SPEC_TYPES
from planner.engines.llama_cpp.settings import SETTINGS as SETTINGS
from planner.errors import InputError

if TYPE_CHECKING:
    from planner.hardware.machine import Machine
    from planner.models.model import Model

ENGINE: Final = "llama.cpp"
_SERVER: Final = ("llama-server",)
_CLI: Final = ("llama-cli",)
_FULL: Final = ("llama.cpp:full",)  # the image's own first word says which program (.devops/tools.sh)
_FULL_WORDS: Final = {"--server": _SERVER, "-s": _SERVER, "--run": _CLI, "-r": _CLI}
STARTS: Final = Starts(
    programs=(
        *(_SERVER, ("server",), ("llama", "serve"), ("llama", "server")),
        *(_CLI, ("llama", "cli"), ("llama", "client")),
    ),
    images=(("llama.cpp:server", _SERVER), ("llama.cpp:full", _FULL), ("llama.cpp:light", _CLI)),
)
_CHATS: Final = frozenset(" ".join(words) for words in (_CLI, ("llama", "cli"), ("llama", "client")))
_SLOTS: Final = {"n_parallel": 4, "kv_unified": True}
_TRUE: Final = frozenset({"on", "enabled", "true", "1"})
_FALSE: Final = frozenset({"off", "disabled", "false", "0"})
# common_speculative_type_from_name_map in common/speculative.cpp
_SPEC_TYPES: Final = (
    *("none", "draft-simple", "draft-eagle3", "draft-mtp", "draft-dflash", "draft-dspark"),
    *("ngram-simple", "ngram-map-k", "ngram-map-k4v", "ngram-mod", "ngram-cache"),
)
_MMAP: Final = frozenset({"auto", "mmap", "mmap+mlock"})
_DENSE_FFN: Final = r"blk\.{}\.ffn_(up|down|gate)\."  # LLM_FFN_DENSE_REGEX in common/common.h
# Presets of common/arg.cpp: what each stands for.
_CODER: Final[Mapping[str, Any]] = {"n_ubatch": 1024, "n_batch": 1024, "n_ctx": 0}
_GPT_OSS: Final[Mapping[str, Any]] = {
    "n_ubatch": 2048,
    "n_batch": 32768,
    "n_parallel": 2,
    "n_ctx": 262144,
}
_PRESETS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "--embd-gemma-default": (
        "ggml-org/embeddinggemma-300M-qat-q4_0-GGUF",
        {"n_ubatch": 2048, "n_batch": 2048, "n_parallel": 32, "n_ctx": 65536, "embeddings": True},
    ),
    "--fim-qwen-1.5b-default": ("ggml-org/Qwen2.5-Coder-1.5B-Q8_0-GGUF", _CODER),
    "--fim-qwen-3b-default": ("ggml-org/Qwen2.5-Coder-3B-Q8_0-GGUF", _CODER),
    "--fim-qwen-7b-default": ("ggml-org/Qwen2.5-Coder-7B-Q8_0-GGUF", _CODER),
    "--fim-qwen-7b-spec": (
        "ggml-org/Qwen2.5-Coder-7B-Q8_0-GGUF",
        {**_CODER, "spec_draft_model": "ggml-org/Qwen2.5-Coder-0.5B-Q8_0-GGUF"},
    ),
    "--fim-qwen-14b-spec": (
        "ggml-org/Qwen2.5-Coder-14B-Q8_0-GGUF",
        {**_CODER, "spec_draft_model": "ggml-org/Qwen2.5-Coder-0.5B-Q8_0-GGUF"},
    ),
    "--fim-qwen-30b-default": ("ggml-org/Qwen3-Coder-30B-A3B-Instruct-Q8_0-GGUF", _CODER),
    "--gpt-oss-20b-default": ("ggml-org/gpt-oss-20b-GGUF", _GPT_OSS),
    "--gpt-oss-120b-default": ("ggml-org/gpt-oss-120b-GGUF", _GPT_OSS),
    "--vision-gemma-4b-default": ("ggml-org/gemma-3-4b-it-qat-GGUF", {"n_ctx": 0}),
    "--vision-gemma-12b-default": ("ggml-org/gemma-3-12b-it-qat-GGUF", {"n_ctx": 0}),
}


def table(program: Sequence[str]) -> FlagTable:
    """Return the flags of llama.cpp's programs; the server and the chat program share them."""
    return TABLE


def read(
    program: Sequence[str], words: Sequence[str], env: Mapping[str, str], flags: FlagTable = TABLE
) -> Command:
    """Return what the words after the program's name mean.

    Raises InputError in llama.cpp's own words for a flag or a value that it refuses.
    """
    if program == _FULL:
        if not words or words[0] not in _FULL_WORDS:
            raise InputError(f"the image {_FULL[0]} starts a server with --server as its first word")
        program, words = _FULL_WORDS[words[0]], words[1:]
    set_there, others = flags.environment(env)
    given, stray = flags.read(words)
    if stray:
        raise InputError(f"{flags.dialect.program}: {flags.dialect.unknown.format(name=stray[0])}")
    line = _Line([*set_there, *given], flags)
    return Command(
        engine=ENGINE,
        program=" ".join(program),
        model=line.model(),
        fetched=line.fetched,
        settings=line.settings,
        kept=line.sorted.kept,
        env=others,
        uncounted=line.sorted.uncounted,
        notes=tuple(line.sorted.notes),
        devices=line.devices,
    )


def for_rules(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings as they are: the rules are this engine's own."""
    return settings


def started(command: Command, model: Model, machine: Machine) -> Mapping[str, Any]:
    """Return the settings with what the program takes where nothing is written.

    tools/server/server.cpp: four slots that share one cache; common/arg.cpp: --fit on, and without it all layers
    on the GPU and the context that the model was trained for.
    """
    settings: dict[str, Any] = dict(command.settings)
    if command.program not in _CHATS and "n_parallel" not in settings:
        settings |= _SLOTS
    settings.setdefault("n_parallel", 1)
    if command.fetched and model.architecture.vision is not None:
        settings.setdefault("mmproj", True)  # --mmproj-auto
    if not settings.setdefault("fit", True):
        settings.setdefault("n_gpu_layers", ALL_LAYERS)
        settings.setdefault("n_ctx", 0)
    return settings


class _Line:
    """The flags of one line, put into settings one after the other."""

    def __init__(self, given: Sequence[Given], flags: FlagTable = TABLE) -> None:
        self.sorted = Sorted(flags, given, f"llama.cpp {BUILD}")
        self.settings: dict[str, Any] = {}
        self.devices: tuple[int, ...] | None = None
        self._source: dict[str, str] = {}
        self._per_slot = 0
        for each in self.sorted.planned:
            self._take(each)
        if self._per_slot and not self.settings.get("n_ctx"):
            self.settings["n_ctx"] = self._per_slot * self.settings.get("n_parallel", _SLOTS["n_parallel"])

    @property
    def fetched(self) -> bool:
        """True where -hf fetches the model."""
        return "hf_repo" in self._source and "model" not in self._source

    def model(self) -> str | None:
        """The model as planner.load_model takes it: a file, else a repository, else an address."""
        source = self._source
        if "model" in source:
            return source["model"]
        if "hf_repo" in source:
            return f"{source['hf_repo']}/{source['hf_file']}" if "hf_file" in source else source["hf_repo"]
        return source.get("model_url") or source.get("docker_repo")

    def _take(self, each: Given) -> None:
        name = each.flag.meaning
        special = _SPECIAL.get(name)
        if special is not None:
            special(self, each)
        else:
            self.settings[name] = each.value

    def _source_of(self, each: Given) -> None:
        self._source[each.flag.meaning] = each.value

    def _preset(self, each: Given) -> None:
        repository, settings = _PRESETS[each.flag.names[0]]
        self._source["hf_repo"] = repository
        self.settings.update(settings)
        self.sorted.keep(each)

    def _flash(self, each: Given) -> None:
        if each.value is None:
            self.settings["flash_attn"] = "on"
            self.sorted.notes.append(f"llama.cpp {BUILD} wants a value after {each.written}: read as on.")
            return
        word = str(each.value)
        self.settings["flash_attn"] = (
            "auto" if word in {"auto", "-1"} else "on" if self._truth(each, word) else "off"
        )

    def _truth(self, each: Given, word: str) -> bool:
        if word not in _TRUE | _FALSE:
            raise TABLE.refusal(each, f"unknown value '{word}'; it takes on or off")
        return word in _TRUE

    def _layers(self, each: Given) -> None:
        name, text = each.flag.meaning, str(each.value)
        if text in {"auto", "-1"}:
            self.settings.pop(name, None)
        elif text in {"all", "-2"}:
            self.settings[name] = ALL_LAYERS
        elif text.isdigit():
            self.settings[name] = int(text)
        else:
            raise TABLE.refusal(each, f"'{text}' is neither a number, auto nor all")

    def _slots(self, each: Given) -> None:
        if each.value == 0:
            raise TABLE.refusal(each, "error: invalid value for n_parallel")
        if each.value > 0:
            self.settings["n_parallel"] = each.value

    def _threads(self, each: Given) -> None:
        if each.value > 0:
            self.settings["threads"] = each.value

    def _mapped(self, each: Given) -> None:
        self.settings["mmap"] = each.value in _MMAP
        if "mlock" in each.value:
            self.sorted.keep(each)  # where the pages are held isn't a setting

    def _projector(self, each: Given) -> None:
        self.settings["mmproj"] = str(each.value).lower() != "false"
        if isinstance(each.value, str) and each.value.lower() not in ("true", "false"):
            self.sorted.keep(each)

    def _split(self, each: Given) -> None:
        shares = re.split(r"[,/]+", each.value)
        try:
            self.settings["tensor_split"] = tuple(float(share) for share in shares)
        except ValueError:
            raise TABLE.refusal(each, f"'{each.value}' is not a list of numbers such as 3,1") from None

    def _tensors(self, each: Given) -> None:
        pairs = []
        for item in each.value.split(","):
            pattern, equals, buffer = item.rpartition("=")
            if not equals or not pattern:
                raise TABLE.refusal(each, "invalid value; it takes pattern=buffer, for example exps=CPU")
            pairs.append((pattern, buffer))
        self.settings["override_tensor"] = (*self.settings.get("override_tensor", ()), *pairs)

    def _dense(self, each: Given) -> None:
        if each.value < 0:
            raise TABLE.refusal(each, "invalid value")
        pairs = tuple((_DENSE_FFN.format(i), "CPU") for i in range(each.value))
        self.settings["override_tensor"] = (*self.settings.get("override_tensor", ()), *pairs)

    def _experts(self, each: Given) -> None:
        if each.value < 0:
            raise TABLE.refusal(each, "invalid value")
        self.settings["n_cpu_moe"] = each.value

    def _devices(self, each: Given) -> None:
        if each.value == "none":
            self.settings["n_gpu_layers"] = 0
            return
        numbers = [re.search(r"(\d+)$", name.strip()) for name in each.value.split(",")]
        if all(numbers):
            self.devices = tuple(int(n[1]) for n in numbers if n is not None)
        self.sorted.keep(each)

    def _fit(self, each: Given) -> None:
        self.settings["fit"] = self._truth(each, each.value)

    def _fit_target(self, each: Given) -> None:
        parts = re.split(r"[,/]+", each.value)
        if not all(part.isdigit() for part in parts):
            raise TABLE.refusal(each, f"'{each.value}' is not a list of MiB such as 1024,512")
        self.settings["fit_target"] = tuple(int(part) for part in parts)

    def _slot_context(self, each: Given) -> None:
        self._per_slot = each.value

    def _draft_type(self, each: Given) -> None:
        for word in each.value.split(","):
            if word not in _SPEC_TYPES:
                raise TABLE.refusal(each, f"invalid value '{word}'; it takes {', '.join(_SPEC_TYPES)}")
            if word in SPEC_TYPES:
                self.settings["spec_type"] = word
            else:
                self.sorted.uncount(f"drafting by {word}", each)
                self.sorted.keep(each)


_SPECIAL: Final[Mapping[str, Callable[[_Line, Given], None]]] = {
    "model": _Line._source_of,
    "model_url": _Line._source_of,
    "hf_repo": _Line._source_of,
    "hf_file": _Line._source_of,
    "docker_repo": _Line._source_of,
    "preset": _Line._preset,
    "flash_attn": _Line._flash,
    "n_gpu_layers": _Line._layers,
    "spec_draft_ngl": _Line._layers,
    "n_parallel": _Line._slots,
    "threads": _Line._threads,
    "mmap": _Line._mapped,
    "mmproj": _Line._projector,
    "tensor_split": _Line._split,
    "override_tensor": _Line._tensors,
    "n_cpu_ffn": _Line._dense,
    "n_cpu_moe": _Line._experts,
    "devices": _Line._devices,
    "fit": _Line._fit,
    "fit_target": _Line._fit_target,
    "kv_unified_per_slot": _Line._slot_context,
    "spec_type": _Line._draft_type,
}
