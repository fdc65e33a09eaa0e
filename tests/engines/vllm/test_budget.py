"""What vLLM takes beside weights and cache: the figures that its logs and sources state, one by one."""

from __future__ import annotations

import pytest

import planner
from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.budget import Overheads, overheads
from planner.engines.vllm.memory.shards import Rank
from planner.engines.vllm.memory.storage import QuantScheme
from planner.engines.vllm.settings import settings_from
from planner.quant.quantisations import Storage
from planner.units import GIB, MIB

HOPPER = GpuTraits("H100", 80 * GIB, 90)
BLACKWELL = GpuTraits("B200", 180 * GIB, 100)
GB10 = GpuTraits("GB10", 128 * GIB, 121, unified=True)


def beside(gpu: GpuTraits, **settings: object) -> Overheads:
    arch = planner.load_model("llama-3.1-8b").architecture
    given = {"max_model_len": 8192, "max_num_seqs": 256, "max_num_batched_tokens": 8192, **settings}
    return overheads(Rank(arch, QuantScheme("BF16", Storage.PLAIN), settings_from(given), gpu, 2))


@pytest.mark.parametrize(("largest", "sizes"), [(8, 4), (16, 5), (256, 35), (512, 51)])
def test_graphs_take_a_pool_and_a_quarter_of_a_mib_a_layer_and_size(largest: int, sizes: int) -> None:
    """0.3 GiB for the pool of full graphs; sizes are 1, 2, 4, each eighth to 255, each sixteenth above."""
    graphs = beside(HOPPER, max_cudagraph_capture_size=largest).graphs
    assert graphs.expected == pytest.approx(0.3 * GIB + sizes * 32 * 0.25 * MIB, rel=0.01)
    assert beside(HOPPER, enforce_eager=True).graphs.expected == 0


def test_one_memory_for_gpu_and_host_moves_what_graphs_seem_to_take_by_five_gib() -> None:
    """Logs of GB10 servers print -4.7 and 5.0 GiB for 51 sizes: the host moves the free memory meanwhile."""
    graphs = beside(GB10).graphs
    assert graphs.low == 0
    assert graphs.high - graphs.expected == pytest.approx(5 * GIB)


def test_flashinfer_plans_in_a_workspace_of_394_mib() -> None:
    """VLLM_FLASHINFER_WORKSPACE_BUFFER_SIZE of vllm/envs.py; the backend of Blackwell's servers."""
    with_it, without = beside(BLACKWELL), beside(HOPPER)
    assert beside(BLACKWELL, enforce_eager=True).after == 394 * MIB
    assert beside(HOPPER, enforce_eager=True).after == 0
    assert with_it.after == 0  # the first graph shows it
    same = beside(GpuTraits("B200", 180 * GIB, 90)).graphs.expected  # sizes as on Hopper
    assert with_it.graphs.expected - same == pytest.approx(394 * MIB)
    assert without.graphs_in_budget
