"""SGLang's command line read: what its words mean, under ServerArgs' own names (srt/server_args.py, 0.5.23)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from planner.engines.commands import Command, Sorted, Starts
from planner.engines.flags import FlagTable, Given
from planner.engines.sglang.flags import TABLE
from planner.errors import InputError

ENGINE: Final = "sglang"
VERSION: Final = "0.5.23"
_SERVE: Final = ("sglang", "serve")
STARTS: Final = Starts(
    programs=(_SERVE,),
    modules=("sglang.launch_server", "sglang.srt.entrypoints.http_server"),
)


def table(program: Sequence[str]) -> FlagTable:
    """Return the flags of SGLang's server."""
    return TABLE


def read(program: Sequence[str], words: Sequence[str], env: Mapping[str, str]) -> Command:
    """Return what the words after the program's name mean.

    Raises InputError in SGLang's own words for a flag or a value that it refuses.
    """
    given, stray = TABLE.read(words)
    if len(stray) > 1 or (stray and program[0] == "python"):
        raise InputError(f"{TABLE.dialect.program}: {TABLE.dialect.unknown.format(name=' '.join(stray))}")
    line = _Line(given)
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


class _Line:
    """The flags of one line, put into settings one after the other."""

    def __init__(self, given: Sequence[Given]) -> None:
        self.sorted = Sorted(TABLE, given, f"SGLang {VERSION}")
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
