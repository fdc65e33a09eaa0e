"""A vision projector beside the model: what it holds, and what reading its largest picture takes.

Read in tools/mtmd of llama.cpp b11549 (b11434 has the same rules): clip.cpp (load_hparams' limits of each projector,
clip_get_image_max_tokens), mtmd.cpp (mtmd_decode_use_non_causal) and tools/server/server-context.cpp (the cap by -ub).
llama-server starts with buffers for a smaller picture and enlarges them with the first large one, which is where a
plan that counts only the start runs out of memory.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from planner.engines.llama_cpp.graph.buffers import ComputeBuffers
from planner.engines.llama_cpp.graph.ggml.supported_ops import flash_shape
from planner.engines.llama_cpp.graph.tower import TowerShape, tower_buffers
from planner.fast_dataclass import dataclass
from planner.hardware.machine import Backend
from planner.models.architecture import Architecture, Vision

BATCH_TOKENS: Final = 1024  # of pictures read together, where the projector can (mtmd_batch_max_tokens)
_ENOUGH: Final = 4096  # tokens of a picture, where no limit is known


@dataclass(frozen=True, slots=True)
class ProjectorTraits:
    """What llama.cpp does with one kind of tower."""

    max_tokens: int = 0  # of one picture; 0: as many as the size of picture that it was trained for gives
    merge: int = 0  # patches of one side that make a token, where the configuration doesn't say
    fused: bool = False  # one product for Q, K and V
    gated: bool = False
    ropes: int = 0  # operations that rotate Q, and K
    paired: bool = False  # two frames' convolutions, places resized to the picture
    masked: bool = False  # windows are cut out by a mask of all patches
    batched: bool = False  # several pictures are read together
    whole: bool = False  # every picture is read in one ubatch, as its tokens see each other
    causal_widths: tuple[int, ...] = ()  # hidden sizes of text models that are excepted from that
    text_wide: bool = False  # its feed-forward layers are as wide as the text model


_QWEN: Final = ProjectorTraits(4096, fused=True, ropes=1, paired=True)
_QWEN25: Final = ProjectorTraits(4096, gated=True, ropes=1, masked=True)
_GEMMA4: Final = ProjectorTraits(
    1120, 3, gated=True, ropes=2, batched=True, whole=True, causal_widths=(1536, 2560)
)
_PIXTRAL: Final = ProjectorTraits(1024, gated=True, ropes=2)
_GLM: Final = ProjectorTraits(4096, fused=True, gated=True, ropes=1, paired=True, text_wide=True)
_KIMI: Final = ProjectorTraits(4096, fused=True, ropes=2)
_MUSE: Final = ProjectorTraits(4096, ropes=2, masked=True)
PROJECTORS: Final[dict[str, ProjectorTraits]] = {
    **dict.fromkeys(("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"), _QWEN),
    "qwen2_vl": ProjectorTraits(4096, ropes=1),
    **dict.fromkeys(("qwen2_5_vl", "exaone4_5"), _QWEN25),
    "gemma3": ProjectorTraits(merge=4, whole=True),
    **dict.fromkeys(("gemma4", "diffusion_gemma"), _GEMMA4),
    **dict.fromkeys(("pixtral", "mistral3"), _PIXTRAL),
    "llama4": ProjectorTraits(ropes=2),
    **dict.fromkeys(("glm4v", "glm4v_moe"), _GLM),
    **dict.fromkeys(("kimi_k25", "kimi_k3"), _KIMI),
    **dict.fromkeys(("muse_glimmer", "muse_spark"), _MUSE),
    "cohere2_vision": ProjectorTraits(),
    "phi4-siglip": ProjectorTraits(3600, 1),
}
_ORDINARY: Final = ProjectorTraits(_ENOUGH)


@dataclass(frozen=True, slots=True)
class Projector:
    """What a projector takes, in bytes, and what a picture takes of the context, in tokens."""

    weights: int = 0
    device: int = 0  # compute buffer on the device that holds the weights
    host: int = 0
    scratch: int = 0  # that the device's matrix products may take beside the buffers
    tokens: int = 0


NONE: Final = Projector()


def projector(arch: Architecture, ubatch: int, backend: Backend, limit: int = 0) -> Projector:
    """Return what a model's projector takes at its largest picture.

    `ubatch`: tokens that are computed at once; `backend`: of the device that holds it, CPU for none; `limit`: tokens
    of a picture that --image-max-tokens allows, 0 for the projector's own limit. Published projectors (mmproj-F16,
    -BF16) hold 16 bits a weight. A tower whose dimensions are not known has no buffers here.
    """
    vision = arch.vision
    if vision is None:
        return NONE
    weights = 2 * vision.parameters
    own = PROJECTORS.get(vision.kind, _ORDINARY)
    if not (vision.n_layer and vision.hidden_size and vision.n_head and vision.patch):
        return Projector(weights)
    merge = own.merge or vision.merge
    tokens = _tokens(arch, vision, own, ubatch, limit)
    together = max(tokens, BATCH_TOKENS) if own.batched else tokens
    device, host, scratch = _buffers(vision, own, arch.hidden_size, together * merge**2, backend)
    return Projector(weights, device, host, scratch, tokens)


def _tokens(arch: Architecture, vision: Vision, own: ProjectorTraits, ubatch: int, limit: int) -> int:
    if not own.max_tokens and vision.image:
        return max((vision.image // vision.patch // (own.merge or vision.merge)) ** 2, 1)
    tokens = limit or own.max_tokens or _ENOUGH
    whole = own.whole and arch.hidden_size not in own.causal_widths
    return min(tokens, ubatch) if whole else tokens


@lru_cache(maxsize=256)
def _buffers(
    vision: Vision, own: ProjectorTraits, text: int, patches: int, backend: Backend
) -> tuple[int, int, int]:
    merge = own.merge or vision.merge
    wide = text if own.text_wide else vision.intermediate
    cuda = backend in (Backend.CUDA, Backend.ROCM)
    head = vision.hidden_size // vision.n_head
    shape = TowerShape(
        patches=patches,
        patch=vision.patch,
        layers=vision.n_layer,
        hidden=vision.hidden_size,
        heads=vision.n_head,
        intermediate=wide,
        merged=patches // merge**2,
        out=text,
        deep=vision.deep,
        fused=own.fused,
        gated=own.gated,
        ropes=own.ropes,
        masked=own.masked,
        paired=own.paired,
        flash=not cuda or flash_shape(head, head, 1),
    )
    buffers: ComputeBuffers = tower_buffers(shape, on_device=backend is not Backend.CPU)
    # cuBLAS is given F16 copies of what goes in and out (ggml_cuda_mul_mat_cublas_impl in ggml-cuda.cu)
    scratch = 2 * patches * (vision.hidden_size + max(wide, 3 * vision.hidden_size)) if cuda else 0
    return sum(buffers.devices), buffers.host, scratch
