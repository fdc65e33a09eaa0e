"""ModelWork: what a model makes a machine do for one token, independent of any machine.

Bytes are read (or floating-point operations done) per token by kind: dense weights, routed experts, output
head, cache rows at a depth, recurrent state. Built once from an Architecture (planner.speed.count_work);
everything after it is arithmetic on a few dozen numbers.
"""

from __future__ import annotations

from math import log2

from planner.fast_dataclass import dataclass
from planner.speed.cache_work import CacheWork


@dataclass(frozen=True, slots=True)
class WeightBits:
    """Mean stored bits a weight of the three parts that are read differently, and their kernels' class."""

    dense: float
    expert: float
    head: float
    kind: str = "q4"  # f16 | q8 | q6 | q5 | q4 | q3 | q2 | iq | fp8 | int4 | fp4
    expert_kind: str = ""  # where the experts are stored in another class; empty: as `kind`


@dataclass(frozen=True, slots=True)
class ModelWork:
    """One model's work a token. Parameters are elements; state in bytes (float32 recurrent state)."""

    hidden: int
    n_layer: int
    n_moe: int
    n_recurrent: int
    n_attention: int
    n_expert: int
    n_used: int
    linear: int  # elements of the layers' matrices outside routed experts
    experts: int  # elements of all routed experts
    expert_matrix: int  # elements of one matrix of one expert
    head: int  # elements of the output head
    caches: tuple[CacheWork, ...]
    state: int  # bytes a sequence
    parameters: int  # all elements, for file sizes
    predicts: bool = False  # it has prediction layers of its own
    heads: int = 0  # attention heads of one layer, that tensor parallelism divides; 0: not known

    @property
    def active_experts(self) -> float:
        """Elements of the routed experts that one token uses."""
        return self.experts * self.n_used / self.n_expert if self.n_expert else 0.0

    @property
    def is_moe(self) -> bool:
        """True where tokens are routed to experts."""
        return self.experts > 0

    @property
    def shape(self) -> str:
        """Layers, width, experts and size: what fine-tunes of one model share."""
        return f"{self.n_layer}x{self.hidden}x{self.n_expert} {self.parameters / 1e9:.2g}"

    def experts_touched(self, tokens: float) -> float:
        """Share of all experts that a batch of `tokens` touches, routed independently."""
        if not self.n_expert:
            return 0.0
        return float(1.0 - (1.0 - self.n_used / self.n_expert) ** max(tokens, 1.0))

    def kv_elements(self, depth: float, ranks: int = 1) -> float:
        """Cache elements that one token reads at `depth`, on all of `ranks` devices that share each layer."""
        return sum(c.count * c.elements * c.positions(depth) * c.copies(ranks) for c in self.caches)

    def head_size(self, depth: float) -> float:
        """log2 of the head's size over 128, weighted by the attention's operations at `depth`."""
        total = weighted = 0.0
        for c in self.caches:
            flops = c.count * c.flops * c.positions(depth)
            total += flops
            weighted += flops * log2(max(c.head, 16) / 128)
        return weighted / total if total else 0.0

    def attention_flops(self, depth: float) -> float:
        """Operations of one token's attention at `depth`."""
        return sum(c.count * c.flops * c.positions(depth) for c in self.caches)
