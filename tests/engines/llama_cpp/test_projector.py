"""Pictures: the projector's buffers at the largest one, and its tokens in the context."""

from __future__ import annotations

import pytest

import planner
from planner.engines.llama_cpp.projector import PROJECTORS, projector
from planner.engines.llama_cpp.room import device_spare
from planner.fast_dataclass import replace
from planner.hardware.machine import Backend
from planner.models.catalogue.catalogue import load_catalogue
from planner.plan import UseCase, Workload
from planner.reason import ReasonKind
from planner.units import MIB

SEEING = Workload(use_case=UseCase.VISION)


def test_every_tower_of_the_catalogue_whose_dimensions_are_known_has_a_row() -> None:
    shapes = [entry.architecture() for entry in load_catalogue().entries() if entry.config]
    towers = {arch.vision.kind for arch in shapes if arch.gguf_arch and arch.vision}
    assert towers - set(PROJECTORS) == {"gemma3n"}  # a convolutional tower, whose size isn't published


@pytest.mark.parametrize(
    ("name", "ubatch", "tokens"),
    [
        ("qwen3.8-27b", 512, 4096),
        ("mistral-small-3.2-24b-instruct-2506", 512, 1024),
        ("gemma-3-27b-it", 512, 256),
        ("gemma-4-31b-it", 512, 512),  # its pictures are read in one ubatch
        ("gemma-4-31b-it", 2048, 1120),
        ("gemma-4-e4b-it", 512, 1120),  # … but not those of its small ones
    ],
)
def test_a_picture_takes_as_many_tokens_as_the_engine_lets_it(name: str, ubatch: int, tokens: int) -> None:
    assert projector(planner.load_model(name).architecture, ubatch, Backend.CUDA).tokens == tokens


def test_fewer_tokens_a_picture_take_less_memory() -> None:
    arch = planner.load_model("qwen3.8-27b").architecture
    full, small = (projector(arch, 512, Backend.CUDA, limit) for limit in (0, 1024))
    assert small.tokens == 1024 and full.weights == small.weights
    assert small.device == pytest.approx(full.device / 4, rel=0.05)


def test_attention_that_the_gpu_has_no_kernel_for_holds_every_weight() -> None:
    """Heads of 88 have none under CUDA: patches times patches a head, in 32 bits."""
    arch = planner.load_model("llama-4-scout-17b-16e-instruct").architecture
    cuda, metal = (projector(arch, 512, b).device for b in (Backend.CUDA, Backend.METAL))
    patches, heads = (336 // 14) ** 2, 16
    assert cuda - metal > 0.7 * 4 * patches**2 * heads


@pytest.mark.parametrize("card", ["rtx-4090", "rtx-3090", "rtx-3060-12gb", "rx-7900-xtx"])
def test_a_plan_for_pictures_keeps_what_reading_the_largest_one_takes(card: str) -> None:
    model = planner.load_model("qwen3.8-27b" if "3060" not in card else "qwen3.5-9b")
    seeing = planner.plan(model, card, SEEING, engine="llama.cpp")
    gpu = seeing.memory.devices[0]
    own = projector(model.architecture, 512, seeing.backend)
    assert seeing.fits and own.device > 400 * MIB
    assert gpu.compute > own.device and device_spare(gpu) >= 0
    said = [why for why in seeing.why if why.kind is ReasonKind.PICTURE]
    assert len(said) == 1 and "4,096 tokens" in said[0].text
    assert not any(w.kind is ReasonKind.NOT_COUNTED for w in seeing.warnings)


def test_a_context_that_no_picture_fits_into_is_warned_about() -> None:
    short = replace(SEEING, context=4096)
    warned = planner.plan("qwen3.8-27b", "rtx-4090", short, engine="llama.cpp").warnings
    assert any(w.kind is ReasonKind.PICTURE and "--image-max-tokens" in w.text for w in warned)
    limit = {"image_max_tokens": 1024}
    plan = planner.plan("qwen3.8-27b", "rtx-4090", short, engine="llama.cpp", settings=limit)
    assert not any(w.kind is ReasonKind.PICTURE for w in plan.warnings)
    assert "--image-max-tokens 1024" in plan.command
