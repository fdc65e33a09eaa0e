"""How one layer's tensors are split over ranks, and the bytes of a rank's share.

Rules by a tensor's role, read in vLLM 0.33.0: linear.py (column and row parallel, KV head replication),
fused_moe/expert_map_manager.py, oracle/mxfp4.py, attention/mla_attention.py, mamba/mamba_mixer2.py.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import Final

from planner.engines.vllm.architectures import vllm_traits
from planner.engines.vllm.gpu import GpuTraits
from planner.engines.vllm.memory.mxfp4 import Experts, expert_bytes
from planner.engines.vllm.memory.storage import QuantScheme
from planner.engines.vllm.releases import CURRENT, Release
from planner.engines.vllm.settings import VllmSettings
from planner.fast_dataclass import dataclass
from planner.models.architecture import Architecture, LayerGroup, MixtureOfExperts
from planner.models.cache import FullAttention, LatentAttention, RecurrentState, SlidingWindow
from planner.models.tensors import EXPERT_ROLES, Role, TensorInfo
from planner.quant.quantisations import Storage


@dataclass(frozen=True, slots=True)
class Rank:
    """What is needed to size a tensor on one rank."""

    arch: Architecture
    scheme: QuantScheme
    settings: VllmSettings
    gpu: GpuTraits
    plain: int  # bytes of an unquantised element
    release: Release = CURRENT

    @property
    def tp(self) -> int:
        return self.settings.tensor_parallel_size

    @property
    def expert_parallel(self) -> int:
        """Ranks over which whole experts are spread; 1 without --enable-expert-parallel."""
        s = self.settings
        return s.tensor_parallel_size * s.data_parallel_size if s.enable_expert_parallel else 1

    @property
    def expert_tp(self) -> int:
        """Ranks over which each expert's intermediate size is split (data parallel ranks join in)."""
        s = self.settings
        return 1 if s.enable_expert_parallel else s.tensor_parallel_size * s.data_parallel_size


NOTHING: Final[frozenset[Role]] = frozenset()
_BLOCK: Final = 128  # elements a side of a block that shares one FP8 scale


def layer_bytes(rank: Rank, group: LayerGroup, ignored: frozenset[Role] = NOTHING) -> int:
    """Bytes of one layer on one rank; `ignored`: roles that the checkpoint leaves unquantised there."""
    total = 0
    if vllm_traits(rank.arch).plain_recurrent and _recurrent(group) is not None:
        ignored |= _MIXER
    experts = group.feed_forward if isinstance(group.feed_forward, MixtureOfExperts) else None
    packed = experts is not None and any(
        _storage(rank, t, ignored) is Storage.MXFP4 for t in group.tensors if t.role in EXPERT_ROLES
    )
    if packed and experts is not None:
        held = Experts(
            count=_local_experts(experts.n_expert, rank),
            intermediate=-(-experts.intermediate // rank.expert_tp),
            hidden=experts.latent or rank.arch.hidden_size,
            gated=experts.gated,
            bias=any(t.role is Role.EXPERT_BIAS for t in group.tensors),
        )
        kernel = rank.gpu.mxfp4_backend(rank.settings.moe_backend, rank.release)
        total += expert_bytes(held, kernel, rank.release)
    for tensor in group.tensors:
        if (packed and tensor.role in EXPERT_ROLES) or tensor.name.startswith(_SHARED_WITH_TARGET):
            continue
        total += _tensor_bytes(rank, tensor, group, ignored)
    for cache in group.caches:
        if isinstance(cache, LatentAttention):
            # mla_attention.py: W_UK_T and W_UV are kept beside kv_b_proj, in the model's dtype
            heads = cache.n_head // rank.tp
            total += heads * (cache.qk_nope_head_dim + cache.v_head_dim) * cache.kv_lora_rank * rank.plain
    return total


# Projections of a layer's token mixing
_MIXER: Final = frozenset(
    {Role.ATTN_Q, Role.ATTN_K, Role.ATTN_V, Role.ATTN_GATE, Role.ATTN_OUT, Role.SSM_IN, Role.SSM_OUT}
)


def _storage(rank: Rank, tensor: TensorInfo, ignored: frozenset[Role]) -> Storage:
    return Storage.PLAIN if tensor.role in ignored else rank.scheme.storage(tensor.role, tensor.name)


def _tensor_bytes(rank: Rank, tensor: TensorInfo, group: LayerGroup, ignored: frozenset[Role]) -> int:
    n_in = tensor.shape[0]
    n_out = tensor.shape[1] if len(tensor.shape) > 1 else 1
    copies = tensor.rows // n_out
    rule = _SHARD.get(tensor.role)
    block = _BLOCK
    if tensor.role in EXPERT_ROLES:
        copies = _local_experts(copies if len(tensor.shape) > 2 else n_out, rank)
        block = expert_block(group, rank.arch, rank.expert_tp)
        n_in, n_out = _expert_shape(tensor, rank)
    elif len(tensor.shape) == 1:
        n_in = _vector(rank, tensor, group)
    elif rule is not None:
        n_in, n_out = rule(rank, group, n_in, n_out)
    storage = _storage(rank, tensor, ignored)
    return copies * matrix_bytes(n_in, n_out, storage, rank.scheme, rank.plain, block)


def expert_block(group: LayerGroup, arch: Architecture, ranks: int) -> int:
    """Elements a side of the blocks that share an FP8 scale in experts split over `ranks`.

    Where a rank's share isn't whole blocks of 128, scales are kept for finer ones that divide it
    (refine_fp8_moe_block_shape in fused_moe/oracle/fp8.py).
    """
    experts = group.feed_forward
    if not isinstance(experts, MixtureOfExperts):
        return _BLOCK
    share = -(-experts.intermediate // ranks)
    return gcd(_BLOCK, share, experts.latent or arch.hidden_size) if share % _BLOCK else _BLOCK


def _local_experts(n_expert: int, rank: Rank) -> int:
    return -(-n_expert // rank.expert_parallel)


def _expert_shape(tensor: TensorInfo, rank: Rank) -> tuple[int, int]:
    n_in = tensor.shape[0]
    if tensor.role is Role.EXPERT_BIAS:
        down = tensor.name.startswith("ffn_down")
        return (n_in if down else -(-n_in // rank.expert_tp)), 1
    n_out = tensor.shape[1]
    if tensor.role is Role.EXPERT_DOWN:
        return -(-n_in // rank.expert_tp), n_out
    return n_in, -(-n_out // rank.expert_tp)


def _kv_share(rank: Rank, group: LayerGroup, n_out: int) -> int:
    for cache in group.caches:
        if isinstance(cache, (FullAttention, SlidingWindow)):
            heads = cache.n_head_kv
            return n_out // heads * max(1, -(-heads // rank.tp))
    return -(-n_out // rank.tp)


def _column(rank: Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    return n_in, -(-n_out // rank.tp)


def _row(rank: Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    return -(-n_in // rank.tp), n_out


def _kv_column(rank: Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    return n_in, _kv_share(rank, group, n_out)


def _qkv_column(rank: Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    for cache in group.caches:
        if isinstance(cache, (FullAttention, SlidingWindow)):
            kv = cache.k_elements + (0 if cache.v_from_k else cache.v_elements)
            if kv < n_out:
                return n_in, -(-(n_out - kv) // rank.tp) + _kv_share(rank, group, kv)
    return n_in, -(-n_out // rank.tp)


def _ssm_in(rank: Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    state = _recurrent(group)
    if state is not None and state.kind == "mamba2" and state.n_group % rank.tp:
        extra = rank.tp - state.n_group  # groups are repeated so that every head finds its own
        n_out += 2 * extra * state.d_state
    return n_in, -(-n_out // rank.tp)


def _ssm_conv(rank: Rank, group: LayerGroup, n_in: int, n_out: int) -> tuple[int, int]:
    _, channels = _ssm_in(rank, group, n_in, n_out)
    return n_in, channels


def _recurrent(group: LayerGroup) -> RecurrentState | None:
    return next((c for c in group.caches if isinstance(c, RecurrentState)), None)


_Rule = Callable[[Rank, LayerGroup, int, int], tuple[int, int]]
_SHARD: Final[dict[Role, _Rule]] = {
    Role.ATTN_Q: _column,
    Role.ATTN_K: _kv_column,
    Role.ATTN_V: _kv_column,
    Role.ATTN_QKV: _qkv_column,
    Role.ATTN_OUT: _row,
    Role.ATTN_GATE: _column,
    Role.MLA_Q_B: _column,
    Role.MLA_KV_B: _column,
    Role.FFN_GATE: _column,
    Role.FFN_UP: _column,
    Role.FFN_DOWN: _row,
    Role.SHARED_GATE: _column,
    Role.SHARED_UP: _column,
    Role.SHARED_DOWN: _row,
    Role.SSM_IN: _ssm_in,
    Role.SSM_OUT: _row,
    Role.SSM_CONV: _ssm_conv,
    Role.SSM_OTHER: _column,
}
# A prediction layer uses the model's own embedding and head (spec_decode/eagle/utils.py).
_SHARED_WITH_TARGET: Final = ("nextn.embed_tokens", "nextn.shared_head_head")
_SHARDED_VECTORS: Final = ("attn_q.", "attn_k.", "attn_v.", "attn_qkv.", "ffn_gate.", "ffn_up.", "ssm_")


def _vector(rank: Rank, tensor: TensorInfo, group: LayerGroup) -> int:
    n = tensor.shape[0]
    if tensor.role in (Role.BIAS, Role.ATTN_SINKS, Role.SSM_OTHER) and (
        tensor.role is not Role.BIAS or tensor.name.startswith(_SHARDED_VECTORS)
    ):
        if tensor.name.startswith(("attn_k.", "attn_v.")):
            return _kv_share(rank, group, n)
        return -(-n // rank.tp)
    return n


def matrix_bytes(
    n_in: int, n_out: int, storage: Storage, scheme: QuantScheme, plain: int, block: int = _BLOCK
) -> int:
    """Bytes of one (n_in, n_out) matrix: data and scales; `plain` = bytes of an unquantised element.

    `block`: elements a side of what shares a scale in FP8 blocks.
    """
    n = n_in * n_out
    match storage:
        case Storage.PLAIN:
            return n * plain
        case Storage.FP8_BLOCK:
            return n + 4 * -(-n_in // block) * -(-n_out // block)
        case Storage.FP8_TENSOR:
            return n + 4
        case Storage.FP8_CHANNEL:
            return n + 4 * n_out
        case Storage.MXFP8:
            return n + n // 32
        case Storage.MXFP4:
            return n // 2 + n // 32
        case Storage.NVFP4:
            return n // 2 + n // 16 + 8
        case Storage.INT4 | Storage.INT8:
            bits = 4 if storage is Storage.INT4 else 8
            groups = -(-n_in // scheme.group) if scheme.group > 0 else 1
            zeros = groups * n_out * bits // 8 if scheme.zero_points else 0
            return n * bits // 8 + 2 * groups * n_out + zeros
