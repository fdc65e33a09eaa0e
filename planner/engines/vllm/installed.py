"""Which vLLM is installed here, read from metadata: asking it costs seconds of imports."""

from __future__ import annotations

import re

from planner.engines.local_files import which
from planner.hardware.host.system import System


def installed_vllm(system: System) -> str | None:
    """The version of the vLLM on the PATH, else of this Python's own; None where neither is there or says so.

    Reads metadata alone: no program is run and nothing is imported.
    """
    program = which(system, "vllm")
    found = None if program is None else version_beside(system, program)
    if found is None and system.real:
        from importlib import metadata

        try:
            found = metadata.version("vllm")
        except metadata.PackageNotFoundError:
            return None
    return found


def version_beside(system: System, program: str) -> str | None:
    """vLLM's version from the metadata beside its program."""
    library = program.rsplit("/bin/", 1)[0] + "/lib"
    for python in system.entries(library):
        for name in system.entries(f"{library}/{python}/site-packages"):
            match = re.fullmatch(r"vllm-(.+)\.dist-info", name)
            if match:
                return match.group(1)
    return None
