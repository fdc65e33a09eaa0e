"""Which operations a GPU backend computes (ggml_backend_cuda_device_supports_op, llama.cpp b11434)."""

from __future__ import annotations

from planner.engines.llama_cpp.graph.ggml.tensor import F16, F32, Tensor
from planner.engines.llama_cpp.tensor_types import type_traits


def device_supports(device: int, host: int, op: Tensor, cuda: bool) -> bool:
    """True where a device computes this; other devices than CUDA's are taken to do as CUDA does."""
    for src in op.src:
        # a tensor in another device's memory
        if src.home is not None and src.home not in (device, host):
            return False
    name = op.op
    if name == "mul_mat_id_f32":
        return False
    if name in ("mul_mat", "mul_mat_id"):
        a, b = op.src[0], op.src[1]
        if a.nb[0] != a.kind.bytes or b.nb[0] != b.kind.bytes:
            return False
        if b.kind is F16 and a.kind is not F16:
            return False
        return type_traits(a.kind.name).cuda
    if name == "get_rows":
        a = op.src[0]
        own = type_traits(a.kind.name)
        return own.cuda and a.ne[0] % own.cuda_get_rows_of == 0
    if name == "set_rows":
        takes = op.src[0].kind is F32 or op.src[0].kind is op.kind is F16
        return takes and type_traits(op.kind.name).cuda_set_rows
    if name == "flash_attn":
        return not cuda or _flash(op)
    if name == "ssm_scan":
        state, decay = op.src[0], op.src[3]
        if decay.ne[0] == 1:
            return state.ne[0] in (96, 128, 256) and state.ne[1] % 16 == 0
        return state.ne[0] == 16 and state.ne[1] == 1 and state.ne[2] % 128 == 0 and op.src[4].ne[1] == 1
    if name == "ssm_conv":
        return op.src[0].ne[1] % 128 == 0
    return True


def _flash(op: Tensor) -> bool:
    """True where a kernel exists (ggml_cuda_get_best_fattn_kernel in fattn.cu)."""
    q, k, v = op.src[:3]
    if not (type_traits(k.kind.name).flash and type_traits(v.kind.name).flash):
        return False
    return flash_shape(k.ne[0], v.ne[0], q.ne[2] // k.ne[2])


def flash_shape(head_k: int, head_v: int, grouping: int) -> bool:
    """True for head sizes, and query heads a KV head, that CUDA has a flash attention kernel for."""
    if head_k in (40, 64, 72, 80, 96, 112, 128, 256):
        return head_v == head_k
    grouped = grouping >= 2
    if head_k == 192:
        return head_v == 128 and grouped and grouping % 8 == 0
    if head_k == 320:
        return head_v == 256 and grouped and grouping % 32 == 0
    if head_k == 512:
        return head_v == 512 and grouped
    return head_k == 576 and head_v == 512 and grouped
