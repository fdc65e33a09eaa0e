"""Models by the names that people write in benchmark tables: "Qwen3-30B-A3B", "gemma-4-E4B-it-Q4_0.gguf"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from math import log

from planner.errors import PlannerError
from planner.models.catalogue.catalogue import Entry, load_catalogue
from planner.speed.count_work import model_work
from planner.speed.model_work import ModelWork

_DROP = frozenset(
    [
        "instruct",
        "it",
        "chat",
        "hf",
        "gguf",
        "base",
        "bf16",
        "fp16",
        "fp8",
        "nvfp4",
        "mxfp4",
        "mlx",
        "qat",
        "thinking",
        "reasoning",
        "ud",
        "preview",
        "exp",
        "text",
        "latest",
        "2507",
        "2501",
        "2503",
        "2506",
        "2509",
        "2512",
        "2410",
        "2407",
        "2411",
        "2603",
        "0125",
        "0324",
        "0528",
        "0905",
        "0414",
        "0711",
        "0731",
        "meta",
        "nvidia",
        "microsoft",
        "google",
        "ibm",
        "tencent",
        "baidu",
        "mistralai",
        "pt",
        "mtp",
        "4bit",
        "8bit",
        "5bit",
        "6bit",
        "gptq",
        "awq",
        "int4",
        "int8",
        "autoround",
        "q4",
        "q8",
        "k",
        "m",
    ]
)
_ANY_SIZE = re.compile(r"^((a|e)?\d+(\.\d+)?[bm]|\d+e)$")
_ALIASES = {
    "deepseek-r1": "deepseek-v3", "kimi-k2": "kimi-k2-instruct", "deepseek-v3-0324": "deepseek-v3",
    "gpt-oss": "gpt-oss-20b", "llama-2-70b": "llama-2-70b-chat", "qwen-3-coder-next-80b-a3b": "qwen-3-coder-next",
    "qwen-3-next-80b-a3b": "qwen-3-next-80b-a3b", "wizardlm-2-8x22b": "mixtral-8x22b",
    "llama-7b": "llama-2-7b", "llama-13b": "llama-2-13b", "deepseek-tng-r1t2-chimera": "deepseek-v3",
}  # fmt: skip
_SIZE = re.compile(r"^(\d+(?:\.\d+)?)([bm])$")


def tokens(name: str) -> tuple[str, ...]:
    """The words of a model's name that tell one model from another, in order."""
    text = name.lower().rsplit("/", 1)[-1].removesuffix(".gguf")
    text = re.sub(r"[-_. ](ud-?)?(i1-?)?(iq|q|tq)\d_[a-z0-9_]+$", "", text)
    text = re.sub(r"\.(q|iq)\d.*$", "", text)
    parts = []
    for raw in re.split(r"[-_:/ ()+]+", text):
        split = re.match(r"^([a-z]{3,})(\d.*)$", raw)
        for word in split.groups() if split and raw not in _DROP else (raw,):
            if word and word not in _DROP and not re.match(r"^((q|iq|tq|mlx)\d|v[01]\.\d)", word):
                parts.append(word)
    return tuple(parts)


@dataclass(frozen=True)
class Resolved:
    """A model found for a name, and how certainly."""

    name: str
    work: ModelWork
    how: str  # exact | family | size


class Resolver:
    """Finds a model's work by a name; `works` maps catalogue names to functions that build one."""

    def __init__(self, works: Mapping[str, Callable[[], ModelWork]]) -> None:
        self._works = works
        self._index = [(frozenset(tokens(n)), tokens(n), n) for n in works]
        self._cache: dict[tuple[str, str], Resolved] = {}

    def find(self, name: str, raw: str | None, kind: str) -> Resolved:
        """The model that `name` (or the fuller `raw`) means; KeyError where it means none."""
        key = (name, kind)
        if key not in self._cache:
            self._cache[key] = self._find(name, raw, kind)
        return self._cache[key]

    def _find(self, name: str, raw: str | None, kind: str) -> Resolved:
        for text in (name, raw):
            if not text:
                continue
            hit = self._match(tokens(text))
            if hit is None:
                joined = "-".join(tokens(text))
                for alias, target in _ALIASES.items():
                    if joined.startswith(alias):
                        hit = self._match(tokens(target))
                        break
            if hit is not None:
                full, exact = hit
                try:
                    return Resolved(full, self._works[full](), "exact" if exact else "family")
                except PlannerError:
                    continue
        return self._by_size(name, raw, kind)

    def _match(self, words: tuple[str, ...]) -> tuple[str, bool] | None:
        have = frozenset(words)
        sizes = {w for w in have if _ANY_SIZE.match(w)}
        total = {w for w in sizes if w[0].isdigit() and not w.endswith("e")}
        best: tuple[tuple[int, int, int], str, bool] | None = None
        for wanted, _, full in self._index:
            plain = {w for w in wanted if not _ANY_SIZE.match(w)}
            own = {w for w in wanted - plain if w[0].isdigit() and not w.endswith("e")}
            if not plain or not plain <= have or (total and own and not total <= wanted):
                continue
            if (total and not own and len(plain) < 2) or (not total and own and len(plain) < 3):
                continue
            active = {w for w in sizes if w not in total}
            if active and not active <= wanted and any(w[0] in "ae" for w in wanted - plain):
                continue
            score = (len(plain), len(sizes & wanted), -len(full))
            if best is None or score > best[0]:
                best = (score, full, not have - wanted)
        return (best[1], best[2]) if best else None

    def _by_size(self, name: str, raw: str | None, kind: str) -> Resolved:
        size = 0.0
        for text in (name, raw or ""):
            for word in re.split(r"[-_:/ ]+", text.lower()):
                match = re.match(r"^(\d+(?:\.\d+)?)(b|m)$", word)
                if match:
                    size = max(size, float(match.group(1)) * (1e9 if match.group(2) == "b" else 1e6))
        if not size:
            raise KeyError(f"no known model and no size in the name '{name}'")
        best: tuple[float, str, ModelWork] | None = None
        for full in self._works:
            try:
                work = self._works[full]()
            except PlannerError:
                continue
            if work.is_moe != (kind == "moe") or work.n_recurrent:
                continue
            gap = abs(log(work.parameters / size))
            if best is None or gap < best[0]:
                best = (gap, full, work)
        if best is None or best[0] > 0.7:
            raise KeyError(f"nothing of the size of '{name}' to compare with")
        work, ratio = best[2], size / best[2].parameters
        scaled = replace(
            work,
            linear=int(work.linear * ratio),
            experts=int(work.experts * ratio),
            head=int(work.head * ratio),
            parameters=int(size),
        )
        return Resolved(f"{best[1]} scaled to {size / 1e9:g} B", scaled, "size")


def catalogue_resolver() -> Resolver:
    """A resolver over every model of the catalogue whose shape is known."""
    works: dict[str, Callable[[], ModelWork]] = {}
    for entry in load_catalogue().all_entries():
        if entry.config and entry.kind == "chat":
            works[entry.id] = partial(_work, entry)
    return Resolver(works)


def _work(entry: Entry) -> ModelWork:
    return model_work(entry.architecture())
