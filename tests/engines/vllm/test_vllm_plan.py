"""Plans, refusals and settings of vLLM."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.engines.register import get_engine
from planner.engines.vllm.engine import Vllm
from planner.engines.vllm.gpu import traits_of
from planner.engines.vllm.memory.shards import expert_block
from planner.engines.vllm.memory.storage import scheme_for, scheme_from_config
from planner.engines.vllm.memory.weights import WeightTable, stage_layers, weights_per_rank
from planner.engines.vllm.outcome import evaluate
from planner.engines.vllm.refusals import refusal
from planner.engines.vllm.releases import CURRENT, Release, parse_release
from planner.engines.vllm.settings import settings_from
from planner.errors import InputError, RefusedError, UnsupportedError
from planner.hardware.machine import Backend, Machine
from planner.hardware.profiles.load import load_profile
from planner.models.architecture import Architecture
from planner.models.catalogue.catalogue import find_entry
from planner.plan import Placement, Plan, Workload
from planner.quant.quantisations import Storage
from planner.reason import ReasonKind
from tests.asked import asked, model_of

GIB = 1 << 30


def arch(name: str) -> Architecture:
    return find_entry(name).architecture()


def plan(name: str, quant: str, machine: str, workload: Workload | None = None, **given: object) -> Plan:
    return Vllm().plan(
        asked(arch(name), quant, load_profile(machine), workload or Workload(), given, name=name)
    )


def test_it_is_registered() -> None:
    assert isinstance(get_engine("vLLM"), Vllm)


def test_gpt_oss_120b_on_one_h100() -> None:
    found = plan("gpt-oss-120b", "MXFP4", "h100-80gb")
    assert found.fits and found.placement is Placement.GPU
    assert found.max_context == 131072
    assert found.settings["max_num_seqs"] < 1024  # the defaults' 1024 rows in the sampler are what fails
    why = "\n".join(map(str, found.why))
    assert "defaults may fail here for 128k" in why and "--max-num-seqs" in why
    assert "vLLM 0.11 and older fail with their defaults" in why
    assert "0.33.0" in why
    assert found.memory.fits


def test_a_budget_is_never_more_than_the_gpu() -> None:
    for name, quant, machine in (
        ("gpt-oss-20b", "MXFP4", "rtx-4090"),
        ("Qwen/Qwen3-8B", "BF16", "rtx-3090"),
        ("Qwen/Qwen3-32B", "FP8", "rtx-4090 x2"),
        ("deepseek-ai/DeepSeek-R1", "FP8", "h200 x8"),
    ):
        found = plan(name, quant, machine)
        assert found.fits, (name, found.why)
        for device in found.memory.devices:
            assert 0.8 * device.available < device.total <= device.available
        assert found.max_concurrency >= 1


def test_users_are_held_at_once() -> None:
    found = plan("Qwen/Qwen3-8B", "BF16", "h100-80gb", Workload(context=32768, users=8))
    assert found.fits and found.max_concurrency >= 8
    assert found.settings["max_model_len"] == 32768 and found.settings["max_num_seqs"] >= 8


def test_too_many_users_say_what_would_fit() -> None:
    found = plan("Qwen/Qwen3-8B", "BF16", "rtx-4090", Workload(context=40960, users=64))
    assert not found.fits
    assert "64" in found.why[0].text or "64" in found.why[1].text


def test_too_large_says_how_many_gpus() -> None:
    found = plan("Qwen/Qwen3-32B", "BF16", "rtx-4090")
    assert not found.fits and found.max_context == 0
    assert (
        found.why[0].text.startswith("doesn't fit: the weights take")
        and "4 × NVIDIA GeForce RTX 4090" in found.why[1].text
    )
    assert found.memory.devices[0].total > found.memory.devices[0].available


def test_tensor_parallel_only_where_heads_divide() -> None:
    three = load_profile("rtx-4090 x3")
    found = Vllm().plan(asked(arch("Qwen/Qwen3-32B"), "FP8", three, Workload(context=8192)))
    assert found.fits
    assert found.settings["tensor_parallel_size"] in (1, 2)
    assert 64 % found.settings["tensor_parallel_size"] == 0


def test_several_hosts_make_a_pipeline_on_ray() -> None:
    host = load_profile("h100-80gb x8").host
    machine = Machine(hosts=(replace(host, name="a"), replace(host, name="b")))
    found = Vllm().plan(asked(arch("deepseek-ai/DeepSeek-R1"), "FP8", machine, Workload(context=16384)))
    assert found.fits
    assert found.settings["tensor_parallel_size"] == 8 and found.settings["pipeline_parallel_size"] == 2
    assert found.settings["distributed_executor_backend"] == "ray" and found.settings["nnodes"] == 2
    assert len(found.memory.devices) == 16


def test_given_settings_are_kept() -> None:
    found = plan("gpt-oss-20b", "MXFP4", "h100-80gb", max_num_seqs=1024, gpu_memory_utilization=0.5)
    assert found.settings["max_num_seqs"] == 1024 and found.settings["gpu_memory_utilization"] == 0.5


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"tensor_parallel_size": 3}, "must be divisible"),
        ({"max_num_seqs": 512, "max_num_batched_tokens": 256}, "at least max_num_seqs"),
        ({"max_model_len": 10**6}, "greater than the model's own length"),
        ({"enable_expert_parallel": True}, "expert"),
        ({"tensor_parallel_size": 4, "decode_context_parallel_size": 2}, "Decode context parallelism"),
    ],
)
def test_refusals_are_the_engines(given: dict[str, object], words: str) -> None:
    with pytest.raises(RefusedError, match=words):
        Vllm().plan(asked(arch("Qwen/Qwen3-8B"), "BF16", load_profile("h100-80gb x8"), Workload(), given))


@pytest.mark.parametrize(
    "given",
    [
        {"gpu_memory_utilization": 1.5},
        {"gpu_memory_utilization": True},
        {"max_model_len": 0},
        {"tensor_parallel_size": 0},
        {"kv_cache_dtype": "fp7"},
        {"swap_space": 4},
        {"enforce_eager": 1},
    ],
)
def test_bad_settings_are_one_line(given: dict[str, object]) -> None:
    with pytest.raises(InputError) as caught:
        settings_from(given)
    assert "\n" not in str(caught.value)


def test_removed_models_and_foreign_machines() -> None:
    engine = Vllm()
    removed = replace(arch("Qwen/Qwen3-8B"), hf_class="MiniMaxM1ForCausalLM")
    assert "removed" in str(engine.supports(model_of(removed), "BF16", load_profile("h100-80gb")))
    assert engine.quants(model_of(removed)) == ()
    qwen = arch("Qwen/Qwen3-8B")
    assert engine.supports(model_of(qwen), "Q4_K_M", load_profile("rtx-4090")) is not None
    assert engine.supports(model_of(qwen), "BF16", load_profile("rtx-4090")) is None
    apple = load_profile("m3-max-64gb") if _known("m3-max-64gb") else None
    if apple is not None:
        assert engine.supports(model_of(qwen), "BF16", apple) is not None
    with pytest.raises(UnsupportedError):
        engine.plan(asked(qwen, "Q4_K_M", load_profile("rtx-4090"), Workload()))


def _known(profile: str) -> bool:
    try:
        load_profile(profile)
    except InputError:
        return False
    return True


def test_the_cpu_has_a_plan() -> None:
    machine = load_profile("rtx-4090")
    bare = replace(machine, hosts=(replace(machine.host, accelerators=()),))
    found = Vllm().plan(asked(arch("Qwen/Qwen3-0.6B"), "BF16", bare, Workload(context=4096)))
    assert found.fits and found.placement is Placement.CPU
    assert int(found.env["VLLM_CPU_KVCACHE_SPACE"]) >= 1
    assert found.memory.devices[0].kind == "cpu"


@pytest.mark.parametrize("ram", [6, 8, 14, 30, 60])
def test_a_cpu_plan_is_what_the_ram_holds_and_the_command_asks_for(ram: int) -> None:
    host = replace(load_profile("epyc-9004").host, ram_total=ram * GIB, ram_available=ram * GIB)
    machine = replace(load_profile("epyc-9004"), hosts=(host,))
    found = Vllm().plan(asked(arch("Qwen/Qwen3-4B"), "W4A16", machine, Workload()))
    device = found.memory.devices[0]
    if found.fits:
        assert device.total <= device.available
        # The cache is blocks of what the environment asks for, never more.
        cache = int(found.env["VLLM_CPU_KVCACHE_SPACE"]) * GIB
        assert 0.99 * cache < device.kv_cache <= cache
    else:
        assert ram < 8


def test_busy_gpu_lowers_the_utilisation() -> None:
    machine = load_profile("rtx-4090")
    gpu = machine.accelerators[0]
    busy = replace(gpu, memory_free=16 * GIB)
    host = replace(machine.host, accelerators=(busy,))
    found = Vllm().plan(
        asked(arch("Qwen/Qwen3-0.6B"), "BF16", replace(machine, hosts=(host,), detected=True), Workload())
    )
    assert found.fits
    assert found.settings["gpu_memory_utilization"] * gpu.memory_total < 16 * GIB
    changed = [line.text for line in found.why if line.kind is ReasonKind.SETTING_CHANGED]
    assert any("--gpu-memory-utilization" in text for text in changed)


def test_pipeline_stages_as_vllm_splits_them() -> None:
    assert [len(r) for r in stage_layers(61, 8)] == [7, 7, 8, 8, 8, 8, 8, 7]
    assert [len(r) for r in stage_layers(36, 2)] == [18, 18]


def test_releases() -> None:
    assert parse_release("v0.11.2.dev690+g67475a6e8.d20251209") == Release(0, 11, 2)
    assert parse_release(None) == CURRENT
    assert Release(0, 19).default_utilization == 0.90 and Release(0, 20).default_utilization == 0.92
    assert not Release(0, 25).in_flight_margin and Release(0, 26).in_flight_margin


def test_quantisation_configs() -> None:
    block = scheme_from_config({"quant_method": "fp8", "weight_block_size": [128, 128]})
    assert block.storage_kind is Storage.FP8_BLOCK
    awq = scheme_from_config({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True})
    assert awq.storage_kind is Storage.INT4 and awq.zero_points
    packed = scheme_from_config(
        {
            "quant_method": "compressed-tensors",
            "config_groups": {
                "g": {"weights": {"num_bits": 4, "type": "int", "group_size": 32, "symmetric": True}}
            },
            "ignore": ["lm_head", "re:.*mlp.gate$", "model.layers.0.self_attn.q_proj"],
        }
    )
    assert packed.storage_kind is Storage.INT4 and packed.group == 32 and not packed.zero_points
    with pytest.raises(UnsupportedError):
        scheme_from_config({"quant_method": "bitsandbytes"})
    with pytest.raises(InputError):
        scheme_from_config({"quant_method": "compressed-tensors", "config_groups": []})


def test_ignored_layers_stay_in_16_bits() -> None:
    from planner.models.tensors import Role

    scheme = scheme_from_config(
        {
            "quant_method": "compressed-tensors",
            "config_groups": {"g": {"weights": {"num_bits": 4, "type": "int", "group_size": 128}}},
            "ignore": ["model.layers.0.self_attn.q_proj", "re:.*k_proj$", "model.layers.3.mlp*"],
        }
    )
    roles = frozenset({Role.ATTN_Q, Role.ATTN_K, Role.FFN_UP})
    assert scheme.ignored_roles(roles, 0) == {Role.ATTN_Q, Role.ATTN_K}
    assert scheme.ignored_roles(roles, 1) == {Role.ATTN_K}
    assert scheme.ignored_roles(roles, 3) == {Role.ATTN_K, Role.FFN_UP}
    with pytest.raises(InputError):
        hostile = scheme_from_config(
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"weights": {"num_bits": 8, "type": "float"}}},
                "ignore": ["re:(a+)+$"],
            }
        )
        hostile.ignored_roles(roles, 0)


def test_int4_is_a_quarter_and_its_scales() -> None:
    qwen = arch("Qwen/Qwen3-8B")
    full = Vllm().outcome(asked(qwen, "BF16", load_profile("h100-80gb"), Workload())).weights[0]
    four = Vllm().outcome(asked(qwen, "AWQ", load_profile("h100-80gb"), Workload())).weights[0]
    head = 2 * 151936 * 4096 * 2
    assert 0.25 < (four - head) / (full - head) < 0.27
    assert scheme_for(qwen, "awq").name == "AWQ"


def test_max_context_grows_with_the_gpu() -> None:
    qwen = arch("Qwen/Qwen3-8B")
    engine = Vllm()
    lengths = [
        engine.longest_context(asked(qwen, "BF16", load_profile(name), Workload()))
        for name in ("rtx-4060", "rtx-4090", "h100-80gb")
    ]
    assert lengths[0] == 0 < lengths[1] <= lengths[2] == qwen.n_ctx_train
    many = engine.longest_context(
        asked(qwen, "BF16", load_profile("rtx-4090"), Workload(users=4, load="worst"))
    )
    assert 0 < many < lengths[1]


def test_packed_pages_of_compressed_attention() -> None:
    """DeepSeek V4: five kinds of page share one block; the widest group decides its bytes."""
    from planner.engines.vllm.gpu import traits_of
    from planner.engines.vllm.memory.kv_cache import kv_layout
    from planner.engines.vllm.settings import VllmSettings
    from planner.models.cache import CompressedAttention

    model = arch("deepseek-ai/DeepSeek-V4-Flash")
    gpu = traits_of(load_profile("h200").accelerators[0])
    layout = kv_layout(model, VllmSettings().resolved(gpu, model.n_ctx_train), gpu)
    ratios = [c.ratio for g in model.groups if not g.mtp for c in g.caches for _ in g.layers]  # type: ignore[union-attr]
    assert all(isinstance(c, CompressedAttention) for g in model.groups for c in g.caches)
    four, many = ratios.count(4), ratios.count(128)
    pages = {part.page.page for group in layout.groups for part in group.parts}
    assert pages == {37440, 32832, 8640, 1728}
    assert layout.bytes_per_block[0] >= four * (37440 + 8640) + many * 1728
    assert layout.blocks_per_request(4096) < layout.blocks_per_request(1 << 20)


def test_an_installed_release_is_checked() -> None:
    from planner.engines.vllm.releases import differences

    assert differences("0.33.0") == ()
    assert "newer" in differences("0.40.1")[0]
    old = "; ".join(differences("0.11.2"))
    assert "older" in old and "0.9" in old and "warm-up" in old
    assert "does not say" in differences("main")[0]


def test_many_users_spread_experts_where_the_recipes_do() -> None:
    many, few = Workload(context=16384, users=128), Workload(context=16384, users=4)
    latent = plan("deepseek-ai/DeepSeek-R1", "NVFP4", "b200 x8", many)
    assert latent.settings["data_parallel_size"] == 8 and latent.settings["enable_expert_parallel"]
    assert latent.settings["tensor_parallel_size"] == 1
    assert latent.fits and latent.max_concurrency >= 128
    assert any("latent cache more than once" in line.text for line in latent.why)
    tensor = plan("deepseek-ai/DeepSeek-R1", "NVFP4", "b200 x8", few)
    assert tensor.settings["tensor_parallel_size"] == 8 and "enable_expert_parallel" not in tensor.settings
    given = plan("deepseek-ai/DeepSeek-R1", "NVFP4", "b200 x8", many, tensor_parallel_size=8)
    assert "enable_expert_parallel" not in given.settings
    assert latent.max_concurrency > 2 * given.max_concurrency  # eight caches, not one eight times


def test_attention_goes_data_parallel_where_tensor_parallel_has_no_room() -> None:
    """128 latent caches of 16k tokens are 147 GB, which tensor parallelism would keep on every GPU."""
    found = plan("moonshotai/Kimi-K2-Instruct", "FP8", "b200 x8", Workload(context=16384, users=128))
    assert found.fits and found.settings["data_parallel_size"] == 8
    assert found.settings.get("pipeline_parallel_size", 1) == 1
    assert len(found.memory.devices) == 8 and found.memory.fits


def test_dense_models_and_small_nodes_spread_no_experts() -> None:
    many = Workload(context=8192, users=128)
    for name, quant, machine in (
        ("meta-llama/Llama-3.3-70B-Instruct", "BF16", "h100-80gb x8"),
        ("Qwen/Qwen3-235B-A22B", "FP8", "h200 x4"),
    ):
        assert "enable_expert_parallel" not in plan(name, quant, machine, many).settings, name


@pytest.mark.parametrize("size", ["4b", "12b", "27b"])
def test_gemma3_cards_keep_their_rope(size: str) -> None:
    """vLLM keeps one table for each kind of layer, eight times as long where positions are scaled linearly."""
    text = find_entry(f"google/gemma-3-{size}-it").config["text_config"]
    assert text["rope_theta"] == 1e6 and text["rope_local_base_freq"] == 1e4
    assert text["rope_scaling"] == {"factor": 8.0, "rope_type": "linear"}


@pytest.mark.parametrize("name", ["llama-4-scout", "llama-4-maverick"])
def test_llama4_cards_keep_their_vision_tower(name: str) -> None:
    vision = arch(name).vision
    assert vision is not None and vision.parameters == 871_932_416


def test_nvidia_leaves_attention_of_dense_gemma4_in_16_bits() -> None:
    """31.18 GiB in the log of nvidia's checkpoint; others quantise every layer to less than 20."""
    shape = arch("google/gemma-4-31b-it")
    gpu = traits_of(load_profile("b200").accelerators[0])
    settings = settings_from({}).resolved(gpu, 8192)
    sizes = [
        max(weights_per_rank(shape, scheme_for(shape, "NVFP4", repository), settings, gpu)) / GIB
        for repository in ("nvidia/Gemma-4-31B-IT-NVFP4", "someone/gemma-4-31b-it-NVFP4")
    ]
    assert sizes[0] == pytest.approx(31.18, rel=0.02) and sizes[1] < 20


def test_rocm_builds_logged_more_than_the_weights() -> None:
    shape = arch("gpt-oss-20b")
    gpu = replace(traits_of(load_profile("radeon-ai-pro-r9700").accelerators[0]), total=32 * GIB)
    found = evaluate(
        WeightTable(shape, scheme_for(shape, "MXFP4"), gpu), settings_from({"max_model_len": 8192})
    )
    assert found.logged_weights() == max(found.weights)
    assert found.logged_weights(Release(0, 11, 2)) / GIB == pytest.approx(14.31, rel=0.03)
    cuda = replace(found, gpu=replace(gpu, backend=Backend.CUDA))
    assert cuda.logged_weights(Release(0, 11, 2)) == max(found.weights)


def test_what_vllm_has_no_class_for() -> None:
    """It is refused in one line, with what runs it where something does."""
    from planner.advice.plan.choose import plan_model
    from planner.advice.plan.question import PlanQuestion
    from planner.models.load import load_model

    machine = load_profile("h200-sxm x8")
    for name, line in (
        (
            "LFM3-1.7B",
            "vLLM 0.33.0 has no Lfm3ForCausalLM, and nor has the Transformers that it takes",
        ),
        (
            "MiniMax-M1-40k",
            "vLLM removed MiniMaxM1ForCausalLM after 0.23.0; llama.cpp does: --engine llama.cpp",
        ),
    ):
        with pytest.raises(UnsupportedError) as error:
            plan_model(PlanQuestion(load_model(name), machine, engine="vllm"))
        assert str(error.value) == f"vllm cannot run {name} here: {line}"
    solar = plan_model(PlanQuestion(load_model("Solar-Open-100B"), machine, engine="vllm"))
    assert solar.fits and any("it runs Transformers' code" in w.text for w in solar.warnings)


def test_sparse_attention_needs_hopper_or_blackwell() -> None:
    assert plan("zai-org/GLM-5.3-Flash", "FP8", "h200-sxm x8").fits
    with pytest.raises(UnsupportedError, match="sparse attention needs compute capability 9, 10 or 12"):
        plan("zai-org/GLM-5.3-Flash", "FP8", "a100-80gb-sxm x8")


def test_a_pipeline_inside_a_host_is_the_last_resort() -> None:
    """Two, four or eight GPUs by tensor parallelism; three or six where a host has so many."""
    for machine, split in (("rtx-3090 x7", (4, 1)), ("rtx-3090 x6", (4, 1)), ("rtx-3090 x3", (1, 3))):
        found = plan("mistral-small-3.2", "BF16", machine, Workload(context=8192))
        given = (found.settings["tensor_parallel_size"], found.settings.get("pipeline_parallel_size", 1))
        assert found.fits and given == split, machine
        assert any("each request waits for one GPU" in w.text for w in found.warnings) is (split == (1, 3))
    for users in (8, 16, 32):
        found = plan("deepseek-ai/DeepSeek-R1", "NVFP4", "h100-80gb x8", Workload(context=32768, users=users))
        assert found.fits and found.settings.get("pipeline_parallel_size", 1) == 1


def test_formats_that_there_is_a_checkpoint_for() -> None:
    """A vendor that publishes eight bits alone leaves no sixteen to serve or to quantise."""
    from planner.advice.plan.candidates import quants_for
    from planner.models.load import load_model

    assert quants_for(load_model("XiaomiMiMo/MiMo-V2.5-Pro"), "vllm") == ("FP8",)
    assert quants_for(load_model("MiniMaxAI/MiniMax-M3.1-Flash"), "vllm") == ("NVFP4", "MXFP4")
    assert quants_for(load_model("zai-org/GLM-5.3-Flash"), "vllm") == ("BF16", "FP8", "NVFP4")
    assert quants_for(load_model("openai-community/gpt2"), "vllm") == ("BF16", "FP8")
    assert (
        quants_for(load_model("moonshotai/Kimi-K3"), "vllm")[0] == "MXFP4"
    )  # its own quantization_config, first


def test_blocks_of_experts_that_ranks_cut() -> None:
    """768 over 8 ranks are 96 elements: scales for blocks of 32, upsampled while loading."""
    moe = arch("Qwen/Qwen3-30B-A3B")
    group = next(g for g in moe.groups if moe.is_moe)
    assert [expert_block(group, moe, ranks) for ranks in (1, 2, 4, 8)] == [128, 128, 64, 32]
    assert "no block of 32" in str(
        refusal(
            moe,
            scheme_for(moe, "FP8"),
            settings_from({"tensor_parallel_size": 32}),
            traits_of(load_profile("h100-80gb").accelerators[0]),
            0,
        )
    )


def test_a_layout_that_is_not_known_is_said() -> None:
    found = plan("poolside/Laguna-M.1", "FP8", "h200-sxm x8")
    assert any(
        "how poolside/Laguna-M.1-FP8 stores its weights is not known" in w.text for w in found.warnings
    )
    assert not any("stores its weights" in w.text for w in plan("Qwen/Qwen3-32B", "FP8", "h200-sxm").warnings)


def test_one_memory_for_gpu_and_system_leaves_the_system_its_share() -> None:
    """vLLM's recipe for a DGX Spark: 0.92 of 119.6 GiB isn't free there when the engine looks."""
    found = plan("gpt-oss-120b", "native", "dgx-spark")
    assert found.fits and found.settings["gpu_memory_utilization"] == 0.85
    assert not any("defaults may fail" in line.text for line in found.why)
    assert any("--gpu-memory-utilization 0.85" in line.text for line in found.why)


@pytest.mark.parametrize(
    ("name", "published"),
    [("deepseek-ai/DeepSeek-V4-Flash", 160e9), ("deepseek-ai/DeepSeek-V4-Pro", 865e9)],
)
def test_deepseek_v4_keeps_its_experts_in_four_bits(name: str, published: float) -> None:
    """Its FP8 checkpoint stores experts in MXFP4 (`expert_dtype`): the sum is the repository's size."""
    model = arch(name)
    scheme = scheme_for(model, "FP8")
    assert (scheme.storage_kind, scheme.experts) == (Storage.FP8_BLOCK, Storage.MXFP4)
    gpu = traits_of(load_profile("h200").accelerators[0])
    one = settings_from({}).resolved(gpu, model.n_ctx_train)
    assert sum(weights_per_rank(model, scheme, one, gpu)) == pytest.approx(
        published, rel=0.03
    )  # holds MTP layers too
    assert "FP8 weights (experts in MXFP4) take" in " ".join(map(str, plan(name, "FP8", "8xh200").why))


def test_heads_of_compressed_attention_are_split_evenly() -> None:
    """DeepSeek V4 has 64 heads: no three or seven ranks."""
    model = arch("deepseek-ai/DeepSeek-V4-Flash")
    gpu = traits_of(load_profile("h200").accelerators[0])
    for ranks in (3, 7):
        given = settings_from({"tensor_parallel_size": ranks})
        reason = refusal(model, scheme_for(model, "FP8"), given, gpu, 8)
        assert reason == (
            f"Total number of attention heads (64) must be divisible by tensor parallel size ({ranks})"
        )
