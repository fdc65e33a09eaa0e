"""Several models on one machine: what each leaves to the others, who takes turns, how they are started."""

from __future__ import annotations

import pytest

import planner
from planner.advice.plan.candidates import is_last_resort
from planner.advice.together.usage import held_by, places
from planner.api import Together
from planner.demand import ONE
from planner.engines.vllm.engine import Vllm
from planner.errors import InputError, UnfitError
from planner.fast_dataclass import replace
from planner.hardware.remaining import Held, remaining
from planner.units import GIB

THREE = ["qwen3-8b", planner.wish("qwen2.5-coder-1.5b", role="completion"), "qwen3-embedding-8b"]


@pytest.fixture(scope="module")
def three() -> Together:
    """Chat, completion and embedding on one card of 24 GB."""
    return planner.plan_together(THREE, "rtx-4090")


def test_three_models_have_room_on_24_gb(three: Together) -> None:
    assert three.fits
    assert not three.takes_turns
    assert [m.role.value for m in three.members] == ["completion", "embedding", "chat"]
    gpu, host = three.devices
    assert gpu.total == sum(gpu.used) <= gpu.high <= gpu.available
    assert host.kind == "cpu"
    assert host.fits
    for member, used in zip(three.members, gpu.used, strict=True):
        assert used == member.plan.memory.devices[0].total > 0
        assert member.plan.placement.value == "gpu"


def test_each_is_planned_on_what_the_others_leave(three: Together) -> None:
    machine = planner.load_profile("rtx-4090")
    for member in three.members:
        others = sum(held_by(other.plan).gpus[0] for other in three.members if other is not member)
        assert member.plan.memory.devices[0].available == machine.accelerators[0].memory_free - others


def test_every_process_has_a_context_of_its_own(three: Together) -> None:
    assert all(m.plan.memory.devices[0].overhead > 0 for m in three.members)


def test_each_role_has_its_own_context(three: Together) -> None:
    contexts = {m.role.value: planner.started_context(m.plan) for m in three.members}
    assert contexts["completion"] == 16384
    assert contexts["embedding"] == 8192
    assert contexts["chat"] >= 16384


def test_each_server_has_a_port_of_its_own(three: Together) -> None:
    assert [m.port for m in three.members] == [8080, 8081, 8082]
    for member in three.members:
        assert member.plan.command.count("--port") == 1
        assert f"--port {member.port}" in member.plan.command


def test_what_works_at_the_same_moment_shares_the_bandwidth(three: Together) -> None:
    for member in three.members:
        assert member.beside is not None
        alone = member.alone
        assert alone is not None
        assert member.beside.expected == pytest.approx(alone.expected / 3)
        assert member.beside.low < member.beside.expected < member.beside.high < alone.high


def test_one_model_together_with_nobody_is_its_own_plan() -> None:
    alone = planner.plan("qwen3-14b", "rtx-3090")
    (member,) = planner.plan_together(["qwen3-14b"], "rtx-3090").members
    assert (member.plan.quant, member.plan.memory) == (alone.quant, alone.memory)
    assert planner.started_context(member.plan) == planner.started_context(alone)


def test_what_has_no_room_at_once_takes_turns_beside_what_stays() -> None:
    answer = planner.plan_together(["qwen3-32b", "qwen3-14b", "qwen2.5-coder-1.5b"], "rtx-4090")
    assert answer.fits
    assert answer.takes_turns
    staying = [m.plan.name for m in answer.members if m.stays]
    assert staying == ["Qwen2.5-Coder-1.5B"]
    (gpu, _) = answer.devices
    small, *turns = gpu.used
    assert gpu.total == small + max(turns)
    assert gpu.high <= gpu.available < sum(gpu.used)


def test_on_two_cards_each_model_may_have_its_own() -> None:
    answer = planner.plan_together(["qwen3-32b", "qwen3-14b"], "rtx-3090 x2")
    assert answer.fits
    assert not answer.takes_turns
    first, second, _ = answer.devices
    assert first.high <= first.available
    assert second.high <= second.available


def test_what_does_not_fit_even_alone_is_said() -> None:
    answer = planner.plan_together(
        ["qwen3-4b", "gpt-oss-120b"], planner.load_profile(vram="8GiB", ram="16GiB")
    )
    assert not answer.fits
    assert [r.text.split(":")[0] for r in answer.why] == ["gpt-oss-120b does not fit here even alone"]


def test_vllm_servers_share_a_gpu_by_fractions() -> None:
    wishes = [planner.wish(name, engine="vllm") for name in ("qwen3-8b", "qwen3-embedding-8b")]
    answer = planner.plan_together(wishes, "h100-80gb")
    shares = [m.plan.settings["gpu_memory_utilization"] for m in answer.members]
    assert answer.fits
    assert sum(shares) < 1
    small = answer.members[0].plan
    assert small.max_concurrency >= 1
    for share, holds in ((shares[0], True), (shares[0] - 0.01, False)):
        asked = replace(small.request, settings={**small.settings, "gpu_memory_utilization": share})
        assert Vllm().outcome(asked).holds(ONE) is holds, "no less would do"
    assert [m.port for m in answer.members] == [8000, 8001]
    assert any("one before it answers" in str(w) for w in answer.warnings)


def test_models_of_one_ollama_share_its_settings() -> None:
    wishes = [
        planner.wish("qwen3-8b", planner.Workload(users=2), engine="ollama"),
        planner.wish("qwen3-4b", engine="ollama"),
    ]
    answer = planner.plan_together(wishes, "rtx-4090")
    environments = [dict(m.plan.env) for m in answer.members]
    assert environments[0] == environments[1]
    assert environments[0]["OLLAMA_MAX_LOADED_MODELS"] == "2"
    assert environments[0]["OLLAMA_NUM_PARALLEL"] == "2"
    assert {m.port for m in answer.members} == {11434}
    files = [dict(launch.files) for launch in planner.launch_together(answer)]
    names = [name for each in files for name in each]
    assert len(names) == len(set(names)), "no Modelfile overwrites another"


def test_shared_memory_is_counted_once() -> None:
    machine = planner.load_profile("strix-halo-395-128")
    left = remaining(machine, Held((40 * GIB,), 10 * GIB))
    assert machine.host.ram_available - left.host.ram_available == 50 * GIB
    assert machine.accelerators[0].memory_free - left.accelerators[0].memory_free == 40 * GIB
    answer = planner.plan_together(["qwen3-32b", "gpt-oss-20b"], machine)
    assert answer.fits
    gpu, host = answer.devices
    assert gpu.total + host.total < machine.host.ram_available


def test_what_other_models_hold_does_not_make_a_card_smaller() -> None:
    whole = planner.load_profile("rtx-4090")
    part = remaining(whole, Held((8 * GIB,)))
    plan = planner.plan("qwen3-4b", part, planner.Workload(context=8192), engine="vllm")
    assert plan.fits
    budget = plan.settings["gpu_memory_utilization"] * whole.accelerators[0].memory_total
    assert sum(d.total for d in plan.memory.devices if d.kind == "gpu") > 0.9 * budget


def test_devices_of_one_name_are_told_apart_by_what_is_free() -> None:
    machine = remaining(planner.load_profile("rtx-3090 x2"), Held((20 * GIB, 0)))
    plan = planner.plan("qwen3-14b", machine, planner.Workload(context=8192), engine="llama.cpp")
    for at, device in places(plan):
        if at is not None:
            assert device.available == machine.accelerators[at].memory_free


def test_wishes_are_checked() -> None:
    with pytest.raises(InputError, match="role"):
        planner.wish("qwen3-8b", role="poet")
    with pytest.raises(InputError, match="models"):
        planner.plan_together([], "rtx-4090")
    with pytest.raises(InputError, match="starts one model"):
        planner.launch_together(planner.plan_together(["qwen3-4b"], "rtx-4090"), format="systemd")


def test_what_is_recommended_has_room_beside_what_is_there() -> None:
    machine = planner.load_profile("rtx-4090")
    coder = planner.wish("qwen2.5-coder-7b", role="completion")
    answer = planner.check(machine, engine="llama.cpp", limit=1, beside=[coder])
    (there,) = answer.beside
    assert answer.plans
    left = machine.accelerators[0].memory_free - held_by(there).gpus[0]
    for plan in answer.plans:
        gpu = plan.memory.devices[0]
        assert gpu.available == left
        assert gpu.fits
        assert "--port 8081" in plan.command


def test_what_is_there_must_have_room_itself() -> None:
    with pytest.raises(UnfitError, match="beside the others"):
        planner.check("rtx-3060", beside=["qwen3-14b", "gpt-oss-120b"])


def test_sglang_servers_take_shares_of_what_is_free_when_they_start() -> None:
    wishes = [planner.wish(name, engine="vllm") for name in ("qwen3-8b", "qwen3-4b")]
    answer = planner.plan_together(wishes, "h100-80gb")
    launches = planner.launch_together(answer, format="sglang")
    free = float(planner.load_profile("h100-80gb").accelerators[0].memory_free)
    for member, launch in zip(answer.members, launches, strict=True):
        words = launch.command.split()
        share = float(words[words.index("--mem-fraction-static") + 1])
        (gpu,) = member.plan.memory.devices
        assert (gpu.weights + gpu.kv_cache) - 0.01 * free < share * free <= gpu.weights + gpu.kv_cache
        assert words[words.index("--port") + 1] == str(member.port)
        free -= gpu.total


@pytest.mark.parametrize("machine", ["rtx-4090", "Mac mini M4 24GB"])
def test_nobody_is_made_a_shadow_of_itself_to_stay_loaded(machine: str) -> None:
    """On 24 GB two models of 32B and 8B fit at once only with three bits and a short context: they take turns."""
    answer = planner.plan_together(["qwen3-32b", "qwen3-8b"], machine)
    assert answer.fits
    assert answer.takes_turns
    assert all(device.fits for device in answer.devices)
    for member in answer.members:
        assert not is_last_resort(member.plan.quant)
        assert planner.started_context(member.plan) >= 8192


def test_what_reads_takes_shorter_pieces_before_anybody_takes_turns() -> None:
    """bge-m3 comes to hold 8 GiB of RAM for pieces of 8,192 tokens: on a small machine it reads shorter ones."""
    machine = planner.load_profile(vram="12GiB", ram="8GiB")
    answer = planner.plan_together(["qwen3-8b", "bge-m3"], machine)
    assert answer.fits
    assert not answer.takes_turns
    contexts = {m.role.value: planner.started_context(m.plan) for m in answer.members}
    assert contexts["embedding"] < 8192
