"""Metal maps a file from the first to the last tensor of the GPU: figures that llama.cpp printed on Macs."""

from __future__ import annotations

import pytest

from planner.api import load_model, load_profile
from planner.engines.llama_cpp.allocation import Devices, allocate
from planner.engines.llama_cpp.engine import LlamaCpp
from planner.engines.llama_cpp.fit import fit
from planner.engines.llama_cpp.placing.loading import PlacedWeights
from planner.engines.llama_cpp.placing.weights import weights_of
from planner.engines.llama_cpp.settings import LlamaCppSettings
from planner.fast_dataclass import replace
from planner.hardware.machine import Backend
from planner.models.model import Model
from planner.plan import PlanRequest, Workload, Written
from planner.reason import ReasonKind

MIB = 1 << 20
METAL = Devices((1 << 46,), Backend.METAL)


def placed(model: Model, quant: str, **settings: object) -> PlacedWeights:
    given = LlamaCppSettings.of({"n_ctx": 512, **settings})
    return allocate(weights_of(model, quant), given, METAL).weights


@pytest.mark.parametrize(
    ("model", "quant", "settings", "mib"),
    [
        ("gpt-oss-120b", "MXFP4", {}, 60438),  # its embeddings lie between: 586.82 MiB more than on CUDA
        ("meta-llama/Meta-Llama-3-8B-Instruct", "Q4_K_M", {}, 4685.30),
        # ggml-org/llama.cpp issue 24510: -ngl 2 of a Q8_0 file, of which 947 MiB are the GPU's
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Q8_0", {"n_gpu_layers": 2}, 30973),
    ],
)
def test_the_span_is_what_llama_cpp_printed(
    model: str, quant: str, settings: dict[str, object], mib: float
) -> None:
    span = placed(load_model(model), quant, **settings)
    assert span.devices[0] / MIB == pytest.approx(mib, abs=0.6)
    assert span.host == 0  # all that the host reads lies inside


def test_without_mapping_each_holds_its_own() -> None:
    model = load_model("Qwen/Qwen3-30B-A3B-Instruct-2507")
    apart = placed(model, "Q8_0", n_gpu_layers=2, mmap=False)
    assert apart.devices[0] / MIB == pytest.approx(947, abs=0.6)
    assert apart.devices[0] + apart.host == weights_of(model, "Q8_0").file_bytes


def _in_order(model: Model, quant: str, *, shards: int = 1, embeddings_last: bool = False) -> Model:
    """The same model as a file with an order of its own; the layers lie in its last shard."""
    table = weights_of(model, quant)
    layers = [
        replace(t, name=f"blk.{i}.{t.name}", type=table.kind(i, t.name), shard=shards - 1)
        for i, group in sorted((i, g) for g in model.architecture.groups for i in g.layers)
        for t in group.tensors
    ]
    outside = [replace(t, type=kind) for t, kind in table.outside()]
    behind = [t for t in outside if embeddings_last and t.name == "token_embd.weight"]
    return replace(model, tensors=(*(t for t in outside if t not in behind), *layers, *behind))


def test_the_order_of_a_file_and_its_shards_count() -> None:
    model = load_model("meta-llama/Meta-Llama-3-8B-Instruct")
    whole = weights_of(model, "Q4_K_M").file_bytes
    embeddings = 128256 * 4096 // 256 * 144  # Q4_K
    behind = placed(_in_order(model, "Q4_K_M", embeddings_last=True), "Q4_K_M")
    assert (behind.devices[0], behind.host) == (whole - embeddings, embeddings)
    one = placed(_in_order(model, "Q4_K_M"), "Q4_K_M", n_gpu_layers=2)
    two = placed(_in_order(model, "Q4_K_M", shards=2), "Q4_K_M", n_gpu_layers=2)
    assert one.devices[0] > 0.9 * whole
    assert two.devices[0] < 0.3 * whole  # the output's shard and the last layer of the other one


def test_a_mac_is_spared_the_span_where_that_makes_it_fit() -> None:
    model, machine = load_model("qwen3.6-35b-a3b"), load_profile("m4-pro-24")
    request = PlanRequest(model, "Q4_K_M", machine, Workload(context=8192), {"n_cpu_moe": 20})
    found = LlamaCpp().plan(request)
    assert found.fits and found.settings["mmap"] is False
    assert any(r.kind is ReasonKind.SETTING_CHANGED and r.values["setting"] == "mmap" for r in found.why)
    asked = replace(request, settings={"n_cpu_moe": 20, "mmap": True})
    written = replace(request, written=Written(line="llama-server --n-cpu-moe 20"))
    for kept in (LlamaCpp().plan(asked), LlamaCpp().plan(written)):
        assert not kept.fits and "mmap" not in kept.settings
        assert any(r.kind is ReasonKind.FILE_MAPPED for r in kept.warnings)


def test_fit_measures_as_if_nothing_were_mapped() -> None:
    table = weights_of(load_model("gpt-oss-20b"), "MXFP4")
    limited = Devices((12 << 30,), Backend.METAL)
    settings = LlamaCppSettings.of({"n_ctx": 8192})
    mapped, plain = fit(table, settings, limited), fit(table, replace(settings, mmap=False), limited)
    assert mapped.settings == replace(plain.settings, mmap=True)
    assert mapped.memory.weights.devices[0] > plain.memory.weights.devices[0]
