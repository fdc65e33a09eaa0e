"""Values that SGLang 0.5.23 takes for its flags, as words (srt/arg_groups/choices.py and the parsers' registries)."""

from __future__ import annotations

from typing import Final

CHOICES: Final = {
    "LOAD": """
auto pt safetensors instanttensor npcache dummy sharded_state presharded gguf expert_pack bitsandbytes
mistral layered flash_rl remote remote_instance fastsafetensors private runai_streamer
""",
    "QUANTIZATION": """
awq fp8 mxfp8 gptq gptq_marlin awq_marlin bitsandbytes gguf modelopt modelopt_fp8 modelopt_fp4
nvfp4_online modelopt_mixed petit_nvfp4 w8a8_int8 w8a8_fp8 moe_wna16 w4afp8 mxfp4 auto-round
auto-round-int8 compressed-tensors modelslim mxfp_w4a8 quark quark_int4fp8_moe quark_mxfp4 mlx_q4 mlx_q8
unquant humming
""",
    "ATTENTION": """
triton torch_native flex_attention dsa nsa qsa dsv4 compressed fa3 fa4 flashinfer llada2_cfg_flashinfer
flashmla trtllm_mla cutedsl_mla tokenspeed_mla trtllm_mha hpc_ops minicpm_flashattn minicpm_flashinfer
aiter wave intel_amx ascend intel_xpu
""",
    "SPARSE_PREFILL": """
flashmla_sparse flashmla_sparse_q8 flashmla_kv flashmla_auto flashinfer_sparse_mla triton_sparse_mla fa3
tilelang triton aiter trtllm intel_xpu
""",
    "SPARSE_DECODE": """
flashmla_sparse flashmla_sparse_q8 flashmla_kv flashmla_auto flashinfer_sparse_mla fa3 tilelang triton
aiter trtllm intel_xpu
""",
    "MOE": """
auto deep_gemm triton triton_kernel flashinfer_trtllm experimental_sgl_trtllm flashinfer_trtllm_routed
flashinfer_cutlass flashinfer_mxfp4 flashinfer_cutedsl flashinfer_megamoe cutlass aiter marlin humming
experimental_sgl_marlin lora_cutedsl lora_triton lora_marlin hpc_ops megamoe intel_xpu
""",
    "DRAFT_ALL2ALL": """
none deepep mooncake nixl mori ascend_fuseep flashinfer megamoe deepep_v2 pplx ascend_tp
""",
    "ALL2ALL": """
none deepep mooncake nixl mori ascend_fuseep flashinfer megamoe deepep_v2 pplx ascend_tp
flashinfer_megamoe
""",
    "STORAGE": """
file sim mooncake npu_memcache hf3fs nixl aibrix dynamic eic simm mori shm tensorcast seaweedfs
""",
    "REASONING": """
auto apertus2509 beam deepseek-r1 deepseek-v3 deepseek-v4 deepseek-v41 dots glm45 ling3 hunyuan gpt-oss
k2_horizon kimi kimi_k2 kimi_k3 mimo muse poolside_v1 qwen3 qwen3-thinking minimax minimax-append-think
minimax-m3 nanbeige step3 step3p5 mistral nemotron_3 granite_thinking_parser interns1 gemma4 inkling
iquest_q1 cohere_command4 gigachat35 response_template
""",
    "TOOLS": """
auto apertus2509 beam cohere_command4 deepseekv3 deepseekv31 deepseekv32 deepseekv4 deepseekv41 dots glm
glm45 glm47 gpt-oss k2_horizon kimi_k2 kimi_k3 lfm2 ling3 llama3 mimo minicpm5 mistral muse poolside_v1
pythonic qwen qwen25 qwen3_coder spark25 step3 step3p5 minimax-m2 minimax-m3 nanbeige trinity interns1
hermes hunyuan gigachat3 gigachat35 gemma4 inkling iquest_q1 response_template
""",
}
