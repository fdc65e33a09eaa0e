"""Arithmetic about the model of a paste, by the rules of the engine that ran it.

The model is found offline, by the name, file or tag that the paste holds. What is not found has no figures: then a
finding says less, it never guesses.
"""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Calculator, Evidence
from planner.engines.register import get_engine, reading_gguf
from planner.errors import PlannerError
from planner.models.cache import FullAttention, LatentAttention
from planner.models.model import Model
from planner.models.tensors import Role
from planner.plan import DeviceMemory, MemoryEstimate, PlanRequest, Workload
from planner.units import GIB

# Endings of files that name no model: a part of several, a publisher's mix, what a converter adds.
_PART: Final = re.compile(r"-\d{5}-of-\d{5}$")
_QUANT: Final = re.compile(
    r"[-_.](?P<quant>(?:UD-)?(?:I?Q\d(?:_[0-9A-Z]+)*|BF16|F16|FP16|MXFP4(?:_MOE)?|NVFP4|FP8|AWQ|GPTQ(?:-Int[48])?|[234568]bit))"
    r"(?=$|[-_.])",
    re.I,
)
_NOISE: Final = re.compile(r"[-_.](?:GGUF|MTP|MLX|imatrix|i1|it|instruct|hf)$", re.I)
_LARGE: Final = 8192 * GIB  # a GPU on which everything fits


def named(text: str) -> tuple[str, str | None]:
    """Return the model's name and quantisation of a file, repository or tag: "Qwen3.8-27B-Q8_0_MTP.gguf"."""
    name = re.split(r"[\\/]", text)[-1] if text.lower().endswith(".gguf") else text
    name = re.sub(r"\.gguf$", "", name, flags=re.I)
    name = _PART.sub("", name)
    quant = None
    head, colon, tail = name.rpartition(":")
    if colon and _QUANT.fullmatch("-" + tail):
        name, quant = head, tail
    marked = _QUANT.search(name)
    if marked:
        quant = quant or re.sub(r"_(?:MTP|mtp)$", "", marked["quant"])
        name = name[: marked.start()]
    while (shorter := _NOISE.sub("", name)) != name:
        name = shorter
    return name, quant.upper().replace("UD-", "UD-") if quant else None


def find_model(text: str) -> tuple[Model, str | None] | None:
    """Return the catalogue's model that a paste names, and the quantisation; None where it isn't known."""
    from planner.models.catalogue.catalogue import lookup
    from planner.models.load import from_entry

    name, quant = named(text)
    tries = [text, name, name.rsplit("/", 1)[-1], name.rsplit(":", 1)[0]]
    for attempt in dict.fromkeys(t for t in tries if 2 < len(t) < 200):
        entry = lookup(attempt)
        if entry is not None:
            tag = next((t for t in entry.ollama if t.tag.lower() == text.lower()), None)
            return from_entry(entry), (tag.quant if tag is not None and tag.quant else quant)
    return None


def released(architecture: str) -> str | None:
    """Return when the first model of a GGUF architecture was published; None where the catalogue has none."""
    from planner.models.catalogue.catalogue import load_catalogue

    folded = architecture.replace("_", "").replace("-", "").lower()
    dates: list[str] = []
    for entry in load_catalogue().all_entries():
        kind = str(entry.config.get("model_type", "")).replace("_", "").lower()
        # llama.cpp's name is the model type without separators, sometimes shortened: look closer where it is near.
        if entry.released and (kind.startswith(folded) or folded.startswith(kind[:5] or "-")):
            try:
                found = entry.architecture().gguf_arch
            except PlannerError:
                continue
            if found == architecture:
                dates.append(entry.released)
    return min(dates, default=None)


def is_model(text: str) -> bool:
    """True where the catalogue knows what this names."""
    return find_model(text) is not None


class Figures:
    """A model's memory by llama.cpp's rules, on one GPU where everything fits; bytes."""

    def __init__(self, model: Model, quant: str | None, settings: dict[str, object]) -> None:
        self._model = model
        self._stated = quant
        self._settings = settings
        self.name = model.name

    def _estimate(self, tokens: int, **more: object) -> MemoryEstimate | None:
        from planner.hardware.profiles.load import load_profile

        machine = load_profile("", vram=_LARGE, ram=_LARGE)
        settings = {**self._settings, **more}
        try:
            return get_engine(reading_gguf().name).estimate(
                PlanRequest(self._model, self._quant, machine, Workload(context=tokens), settings)
            )
        except PlannerError:
            return None

    @property
    def _quant(self) -> str:
        return self._stated or self._model.quant or _USUAL

    def weights(self) -> int | None:
        """See planner.engines.evidence.Calculator."""
        bits = _MLX_BITS.get(self._stated or "")
        if bits is not None:
            return round(self._model.architecture.parameters() * bits / 8)
        native = (self._model.architecture.quantization or {}).get("quant_method") == "mxfp4"
        if self._stated is None and self._model.quant is None and not native:
            return None
        quant = "MXFP4" if native and self._stated is None else self._quant
        found = Figures(self._model, quant, {})._estimate(1024)
        return sum(d.weights for d in found.devices) if found else None

    def cache(self, tokens: int) -> int | None:
        """See planner.engines.evidence.Calculator."""
        found = self._estimate(tokens)
        return sum(d.kv_cache + d.state for d in found.devices) if found else None

    def total(self, tokens: int) -> int | None:
        """See planner.engines.evidence.Calculator."""
        seeing = {"mmproj": True} if self._model.architecture.vision is not None else {}
        found = self._estimate(tokens, **seeing)
        return (
            sum(d.total - d.overhead + max(d.overhead, d.overhead_high) for d in found.devices)
            if found
            else None
        )

    def draft(self, tokens: int) -> int | None:
        """See planner.engines.evidence.Calculator."""
        without = {k: v for k, v in self._settings.items() if not k.startswith("spec_")}
        plain = Figures(self._model, self._stated, without)._estimate(tokens)
        drafting = Figures(self._model, self._stated, without)._estimate(tokens, spec_type="draft-mtp")
        if plain is None or drafting is None:
            return None
        return sum(_counted(d) for d in drafting.devices) - sum(_counted(d) for d in plain.devices)

    def ends(self) -> tuple[int, int] | None:
        """See planner.engines.evidence.Calculator."""
        arch = self._model.architecture
        found = self.weights()
        if self._stated is None or found is None:
            return None
        looked_up = sum(t.elements for t in arch.tensors if t.role is Role.PER_LAYER_EMBD)
        others = sum(t.elements for t in arch.tensors if t.role in (Role.TOKEN_EMBD, Role.OUTPUT))
        average = found / arch.parameters()
        return round((looked_up + others) * average), round(looked_up * 2 + others * average)

    @property
    def trained(self) -> int:
        """See planner.engines.evidence.Calculator."""
        return self._model.architecture.n_ctx_train

    @property
    def cached_layers(self) -> tuple[int, int]:
        """See planner.engines.evidence.Calculator."""
        groups = [g for g in self._model.architecture.groups if not g.mtp]
        grows = sum(
            g.count for g in groups if any(isinstance(c, FullAttention | LatentAttention) for c in g.caches)
        )
        return grows, sum(g.count for g in groups)


def _counted(device: DeviceMemory) -> int:
    return device.kv_cache + device.state + device.compute


_USUAL: Final = "Q4_K_M"  # what programs fetch where nothing is stated
# mlx's affine quantisation: a 16-bit scale and a 16-bit bias for each 64 weights (mlx/python, nn.quantize).
_MLX_BITS: Final = {f"{bits}BIT": bits + 0.5 for bits in (2, 3, 4, 5, 6, 8)}
_PLANNED: Final = {
    "n_ubatch": ("-ub", "--ubatch-size"),
    "n_parallel": ("-np", "--parallel"),
}


def figures_for(evidence: Evidence) -> Calculator | None:
    """Return the arithmetic about the paste's model; None where the catalogue doesn't know it."""
    found = find_model(evidence.model) if evidence.model else None
    if found is None:
        return None
    settings: dict[str, object] = {}
    for name, flags in _PLANNED.items():
        value = evidence.number(*flags)
        if value is not None and value > 0:
            settings[name] = value
    for name, flags in {
        "cache_type_k": ("-ctk", "--cache-type-k"),
        "cache_type_v": ("-ctv", "--cache-type-v"),
    }.items():
        stated = evidence.flag(*flags)
        if stated:
            settings[name] = stated
    return Figures(*found, settings)
