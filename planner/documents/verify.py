"""`planner verify --json`: what was predicted beside what the engine says."""

from __future__ import annotations

from planner.fast_dataclass import dataclass
from planner.verify.comparison import Verification


@dataclass(frozen=True, slots=True)
class Verifications:
    """What came of verifying a file, or the models that a server runs."""

    verifications: tuple[Verification, ...]
    """One a model."""
    notes: tuple[str, ...] = ()
    """What the reader should know beside them."""

    @property
    def agree(self) -> bool:
        """True where every figure of every model agrees."""
        return all(one.agrees for one in self.verifications)
