"""A GPU vendor is one file and one line, and so is a model type: with a toy of each, everything works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import planner
import planner.hardware.vendors as vendors
import planner.models.config.families as families
from planner.hardware.detect import VENDORS, Vendor, detect
from planner.hardware.host.system import System
from planner.models.catalogue.catalogue import Entry, index_path
from planner.models.config.families.registry import MODEL_TYPES
from planner.units import GIB

VENDOR_FILE = '''
"""Toy GPUs, as a file of their driver lists them."""

from planner.hardware.found import FoundDevices
from planner.hardware.host.system import System
from planner.hardware.machine import Accelerator, Backend


def detect_toys(system: System, ram_total: int, ram_available: int) -> FoundDevices:
    """Toys of this machine."""
    found = FoundDevices()
    for name in system.entries("/sys/class/toy"):
        size = system.read_int(f"/sys/class/toy/{name}/memory") or 0
        found.accelerators.append(
            Accelerator(name="Toy 24", vendor="toy", backend=Backend.VULKAN, memory_total=size, memory_free=size)
        )
        found.sources["gpus"] = "/sys/class/toy"
    return found
'''
FAMILY_FILE = '''
"""ToyNet: a decoder whose feed-forward is twice as wide as its file says."""

from typing import Final

from planner.models.config.dims import read_dims
from planner.models.config.families.parts import (
    Blueprint, Builder, LayerBlueprint, dense, full_attention, norm, outside, qkv, repeated, tensor,
)
from planner.models.architecture import DenseFeedForward
from planner.models.config.reader import Reader
from planner.models.config.rope import read_rope


def build_toynet(c: Reader) -> Blueprint:
    """Build ToyNet."""
    d = read_dims(c)
    size = 2 * c.integer("toy_size")
    tensors = [
        *norm("attn_norm", d.hidden), *qkv(d), tensor("attn_output.weight", d.q, d.hidden),
        *norm("ffn_norm", d.hidden), *dense(d.hidden, size),
    ]
    layer = LayerBlueprint((full_attention(d),), DenseFeedForward(size), tensors)
    return Blueprint("llama", d, repeated(d, layer), outside(d, True), True, read_rope(c, d))


FAMILIES: Final[dict[str, Builder]] = {"toynet": build_toynet}
'''
CONFIG: dict[str, Any] = {
    "model_type": "toynet",
    "architectures": ["ToyNetForCausalLM"],
    "hidden_size": 2048,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "toy_size": 4096,
    "vocab_size": 32000,
    "max_position_embeddings": 32768,
}


def answers(machine: planner.Machine, model: planner.Model | str, **asked: Any) -> planner.Plan:
    """Plan, check and launch; return the plan."""
    plan = planner.plan(model, machine, **asked)
    assert plan.fits, plan.why
    assert "llama-server" in planner.launch(plan, model).command
    return plan


def test_a_vendor_is_one_file_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "toy.py").write_text(VENDOR_FILE, encoding="utf-8")
    monkeypatch.setattr(vendors, "__path__", [*vendors.__path__, str(tmp_path)])
    monkeypatch.setitem(VENDORS, "toy", Vendor("planner.hardware.vendors.toy:detect_toys", ("linux",)))

    root = tmp_path / "root"
    for name in ("toy0", "toy1"):
        (root / "sys/class/toy" / name).mkdir(parents=True)
        (root / "sys/class/toy" / name / "memory").write_text(str(24 * GIB), encoding="ascii")
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text("MemTotal: 67108864 kB\nMemAvailable: 62914560 kB\n", encoding="ascii")

    def no_driver() -> Any:
        raise ImportError

    system = System(root, "linux", {}, run=lambda command: None, nvml=no_driver, affinity=lambda: 8)
    machine = detect(system)
    assert [g.name for g in machine.accelerators] == ["Toy 24", "Toy 24"]
    assert machine.sources["gpus"] == "/sys/class/toy"

    plan = answers(machine, "qwen3-32b", engine="llama.cpp")
    assert plan.placement == "gpu"
    assert [d.name for d in plan.memory.devices if d.kind == "gpu"] == ["Toy 24", "Toy 24"]
    assert all(d.weights for d in plan.memory.devices if d.kind == "gpu")
    found = planner.recommend(machine, limit=3)
    assert found.plans and all(p.fits for p in found.plans)


def test_a_model_type_is_one_file_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "ToyNet-2B"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    with pytest.raises(planner.UnsupportedError, match="toynet"):
        planner.load_model(str(folder))

    (tmp_path / "toynet.py").write_text(FAMILY_FILE, encoding="utf-8")
    monkeypatch.setattr(families, "__path__", [*families.__path__, str(tmp_path)])
    monkeypatch.setitem(MODEL_TYPES, "toynet", ("toynet",))

    model = planner.load_model(str(folder))
    feed_forward = 24 * 3 * 2048 * 2 * 4096
    assert feed_forward < model.architecture.parameters() < 1.5 * feed_forward
    machine = planner.load_profile("rtx-3060-12gb")
    answers(machine, model, engine="llama.cpp", quant="Q4_K_M")

    index = json.loads(index_path().read_text(encoding="utf-8"))
    known = next(m for m in index["models"] if m["id"] == "Qwen/Qwen3-8B")
    toy = Entry({**known, "id": "toy/ToyNet-2B", "name": "ToyNet-2B", "config": CONFIG})
    found = planner.recommend(machine, entries=(toy,))
    assert [p.model for p in found.plans] == ["toy/ToyNet-2B"]
