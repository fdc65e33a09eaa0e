"""Environment variables that hide devices from programs: CUDA_VISIBLE_DEVICES and its kin."""

from __future__ import annotations

import re
from collections.abc import Sequence


def shown(value: str) -> str:
    """The variable's value for a report: short, and without the serial part of a device's uuid."""
    return repr(re.sub(r"(?i)((?:GPU|MIG)-)[0-9a-f-]+", r"\1…", value.strip())[:60])


def visible_indices(value: str, uuids: Sequence[str | None]) -> list[int]:
    """Indices that a value such as ``0,2``, ``GPU-8f3…`` or ``-1`` leaves, in its own order.

    As the CUDA and HIP runtimes read it: the list ends at the first entry that names no device.
    """
    found: list[int] = []
    for entry in value.split(","):
        text = entry.strip()
        index = None
        if text.isdigit():
            index = int(text) if int(text) < len(uuids) else None
        elif text:
            matches = [i for i, u in enumerate(uuids) if u and u.lower().startswith(text.lower())]
            index = matches[0] if len(matches) == 1 else None
        if index is None or index in found:
            break
        found.append(index)
    return found
