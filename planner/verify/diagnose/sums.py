"""The engine's own sum for what ran, part by part, beside what the log says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from planner.engines.evidence import Sizing
from planner.engines.register import get_engine, title_of
from planner.fast_dataclass import dataclass, replace
from planner.plan import DeviceMemory, MemoryEstimate, Placement
from planner.units import GIB, MIB
from planner.verify.diagnose.reconstruct import Case

CLOSE_SHARE: Final = 0.05  # of a logged buffer, within which the plan's is the same


CLOSE_BYTES: Final = 256 * MIB


_PARTS: Final = (
    ("weights", "weights"),
    ("kv_cache", "KV cache"),
    ("state", "state"),
    ("compute", "compute buffers"),
)


HOST: Final = "cpu"


@dataclass(frozen=True, slots=True)
class Beside:
    """One part as the log says it, beside the plan's; bytes over all devices."""

    part: str
    logged: int
    planned: int

    @property
    def closes(self) -> bool:
        """True where they are the same within 5 % or 256 MiB."""
        return abs(self.logged - self.planned) <= max(CLOSE_SHARE * self.logged, CLOSE_BYTES)


@dataclass(frozen=True, slots=True)
class Sum:
    """The engine's memory for a case by its own rules, with all layers on the GPUs where there are any."""

    case: Case
    memory: MemoryEstimate
    fits: bool
    """True where all of it is on the GPUs, with room; on a machine without one, where RAM holds it."""
    spills: bool
    """True where it doesn't fit, and the engine itself then leaves a part in RAM."""
    beside: tuple[Beside, ...]

    @property
    def gpus(self) -> tuple[DeviceMemory, ...]:
        """What each GPU holds."""
        return tuple(d for d in self.memory.devices if d.kind != HOST)

    @property
    def borrowed(self) -> bool:
        """True where the engine has no rules of its own here, and another's were used."""
        return self.case.engine != self.case.command.engine

    @property
    def weights_and_room(self) -> tuple[int, int]:
        """Bytes of weights that lie on the GPUs, and what is free there; of the host where there is none."""
        devices = self.gpus or self.memory.devices
        return sum(d.weights for d in devices), sum(d.available for d in devices)

    @property
    def closes(self) -> bool:
        """True where nothing that the log states is against the plan."""
        return all(row.closes for row in self.beside)


def add_up(case: Case, logged: Mapping[str, int], sizing: Sizing) -> Sum | None:
    """Return the engine's sum for a case; None where its rules know no device.

    Raises RefusedError where the engine would refuse the settings, and other PlannerErrors where no rule is known.
    `logged` is what the log states of each part: field of DeviceMemory -> bytes over all devices.
    """
    engine = get_engine(case.engine)
    asked = case.request
    spills = False
    if sizing.whole and asked.machine.host.accelerators:
        # Where the placement is given the estimate says it all, and costs a tenth of a search for one.
        memory = engine.estimate(replace(asked, settings={**asked.settings, **sizing.whole}))
        fits = memory.fits
        spills = not fits and not any(name in asked.settings for name in sizing.whole)
    else:
        plan = engine.plan(asked)
        memory = plan.memory
        fits = plan.fits and (plan.placement is Placement.GPU or all(d.kind == HOST for d in memory.devices))
    if not memory.devices:
        return None
    beside = tuple(
        Beside(name, logged[part], sum(getattr(d, part) for d in memory.devices))
        for part, name in _PARTS
        if part in logged
    )
    return Sum(case, memory, fits, spills, beside)


def told_parts(total: Sum) -> list[str]:
    """The sum in a line for each GPU, the log's parts beside it, and the plan's own reasons."""
    whose = f" (by the rules of {title_of(total.case.engine)})" if total.borrowed else ""
    lines = [
        f"{total.case.request.model.name} in {total.case.request.quant}, on {total.case.found.said}{whose}:"
    ]
    for device in (total.gpus or total.memory.devices)[:4]:
        parts = [
            f"{name} {getattr(device, part) / GIB:.2f}" for part, name in _PARTS if getattr(device, part) > 0
        ]
        parts += [f"overhead {device.overhead / GIB:.2f}"] if device.overhead > 0 else []
        over = device.total - device.available
        left = f"{over / GIB:.2f} GiB too much" if over > 0 else f"{-over / GIB:.2f} GiB are left"
        whole = f"{device.total / GIB:.2f} GiB of {device.available / GIB:.2f} GiB"
        lines.append(f"{device.name}: {' + '.join(parts)} = {whole}: {left}.")
    for row in total.beside:
        lines.append(f"{opened(row)} {'That closes.' if row.closes else 'That does not close.'}")
    return lines


def opened(row: Beside) -> str:
    return f"{row.part}: the log says {row.logged / MIB:,.0f} MiB, the plan {row.planned / MIB:,.0f} MiB."
