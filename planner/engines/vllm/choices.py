"""Values that vLLM 0.33.0 takes for its flags, as words; those of parsers stand in `parsers`."""

from __future__ import annotations

from typing import Final

# vllm/model_executor/layers/quantization (0.33.0): QUANTIZATION_METHODS
QUANTIZATION: Final = """
awq auto_awq fp8 fbgemm_fp8 fp_quant modelopt modelopt_fp4 modelopt_mxfp8 modelopt_mixed auto_gptq gptq
gptq_marlin awq_marlin humming compressed-tensors experts_int8 quark moe_wna16 torchao inc mxfp4
gpt_oss_mxfp4 deepseek_v4_fp8 online fp8_per_tensor fp8_per_block fp8_per_channel
int8_per_channel_weight_only nvfp4_per_token mxfp8
"""
# vllm/config/cache.py CacheDType
CACHE_DTYPES: Final = """
auto float16 bfloat16 fp8 fp8_e4m3 fp8_e5m2 fp8_inc fp8_ds_mla nvfp4_ds_mla turboquant_k8v4
turboquant_4bit_nc turboquant_k3v4_nc turboquant_3bit_nc octave_k3v4 octave_k3v3 octave_k3v3_compact
ultraquant_4bit int4_per_token_head int8_per_token_head fp8_per_token_head nvfp4 nvfp4_4over6
"""
# vllm/v1/attention/backends/registry.py AttentionBackendEnum
ATTENTION_BACKENDS: Final = """
FLASH_ATTN FLASH_ATTN_DIFFKV TRITON_ATTN TRITON_ATTN_DIFFKV TRITON_FLASH_ATTN ROCM_ATTN
ROCM_SEGMENTED_ATTN ROCM_AITER_MLA ROCM_AITER_TRITON_MLA ROCM_AITER_FA ROCM_AITER_MLA_SPARSE
XPU_MLA_SPARSE TORCH_SDPA FLASHINFER TRITON_FLASHINFER FLASHINFER_MLA TOKENSPEED_MLA
FLASHINFER_MLA_SPARSE FLASHINFER_MLA_SPARSE_SM120 FLASHINFER_MLA_SPARSE_SM90 TRITON_MLA CUTLASS_MLA
FLASHMLA FLASHMLA_SPARSE FLASHMLA_SPARSE_DSV4 FLASHINFER_MLA_SPARSE_DSV4 ROCM_FLASHMLA_SPARSE_DSV4
FLASHMLA_SPARSE_DSV41 FLASHINFER_MLA_SPARSE_DSV41 ROCM_FLASHMLA_SPARSE_DSV41 FLASHMLA_MEGA_ATTN_DSV41
B12X FLASH_ATTN_MLA FLASH_ATTN_MLA_SPARSE FLASH_ATTN_MLA_SPARSE_FA4 MINIMAX_M3_SPARSE CUTLASS_MSA
TRITON_MSA STEP5_DSA NO_ATTENTION FLEX_ATTENTION HPC_ATTN ROCM_AITER_UNIFIED_ATTN CPU_ATTN CPU_MLA
AMX_MLA TURBOQUANT ROCM_OCTAVE ULTRAQUANT CUSTOM
"""
# vllm/model_executor/model_loader (0.33.0)
LOAD_FORMATS: Final = """
auto hf dummy fastsafetensors instanttensor ipc_cache mistral modelexpress npcache pt runai_streamer
runai_streamer_sharded safetensors sharded_state tensorizer
"""
# vllm/config/speculative.py SpeculativeMethod
SPECULATION: Final = """
bailing_hybrid_mtp bailing_hybrid_v3_mtp custom_class deepseek_mtp dflash dots3_note_mtp draft_model
dspark eagle eagle3 ernie_mtp exaone4_5_mtp exaone_moe_mtp extract_hidden_states gemma4_mtp
glm4_moe_lite_mtp glm4_moe_mtp glm5_next_mtp glm_ocr_mtp hy_v3_mtp hy_v4_mtp inkling_mtp kimi_k3_mtp
longcat_flash_mtp mimo_mtp mimo_v2_mtp minimax_m3_mtp mtp nemotron_h_mtp ngram ngram_gpu
pangu_ultra_moe_mtp qwen3_5_mtp qwen3_next_mtp qwen4_exp_mtp step3p5_mtp step5_mtp suffix
"""
# vllm/config/kernel.py MoEBackend
MOE_BACKENDS: Final = """
aiter aiter_mega_moe aiter_triton_mxfp4_bf16 aiter_triton_mxfp4_mxfp4 auto b12x batched_triton cutlass
deep_gemm deep_gemm_mega_moe emulation flashinfer_b12x flashinfer_cutedsl flashinfer_cutlass
flashinfer_moe_ep_cutedsl flashinfer_moe_ep_mega_deep_gemm flashinfer_trtllm flydsl hpc humming marlin
rdna3 triton triton_unfused
"""
# vllm/config/kernel.py LinearBackend
LINEAR_BACKENDS: Final = """
aiter auto b12x conch cutlass deep_gemm emulation exllama fbgemm flashinfer_b12x flashinfer_cudnn
flashinfer_cutedsl flashinfer_cutlass flashinfer_trtllm humming machete marlin torch triton xpu xpu_woq
"""
# vllm/config/parallel.py All2AllBackend
ALL2ALL_BACKENDS: Final = """
allgather_reducescatter deepep_high_throughput deepep_low_latency deepep_v2 flashinfer_all2allv
flashinfer_nvlink_one_sided flashinfer_nvlink_two_sided moonep mori_high_throughput mori_low_latency
naive nixl_ep pplx
"""
