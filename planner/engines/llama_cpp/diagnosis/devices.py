"""What a log says of the devices: names, total and free memory, as llama.cpp prints them at its start."""

from __future__ import annotations

import re
from typing import Final

from planner.engines.evidence import Evidence
from planner.fast_dataclass import dataclass

_ROW: Final = re.compile(
    r"(?:^|\s)(?P<id>(?:CUDA|ROCm|HIP|Vulkan|SYCL|Metal|MTL|CPU)\d{0,2})\s*:\s+(?P<name>[^\n(]{2,80}(?:\([^\d\n][^\n)]*\)[^\n(]{0,40})?)"
    r"\((?P<total>\d{3,7}) MiB, (?P<free>\d{3,7}) MiB free\)"
)
_USING: Final = re.compile(
    r"using device (?P<id>\w+) \((?P<name>[^\n]{2,80}?)\)(?: \([^)\n]*\))? - (?P<free>\d{3,7}) MiB free"
)


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU or the host, MiB."""

    id: str  # CUDA0, ROCm0, Vulkan0, CPU
    name: str
    total: int | None
    free: int

    @property
    def host(self) -> bool:
        """True for the processor's own memory."""
        return self.id.startswith("CPU")


def devices(evidence: Evidence) -> tuple[Device, ...]:
    """The devices that a log lists, each once, in their order (common/common.cpp, src/llama.cpp; b11434)."""
    found: dict[str, Device] = {}
    for row in _ROW.finditer(evidence.text):
        found.setdefault(
            row["id"], Device(row["id"], row["name"].strip(), int(row["total"]), int(row["free"]))
        )
    for row in _USING.finditer(evidence.text):
        found.setdefault(row["id"], Device(row["id"], row["name"].strip(), None, int(row["free"])))
    return tuple(found.values())
