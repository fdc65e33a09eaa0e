"""What people write after --profile: ``rtx-4090``, ``2x rtx-3090``, ``rtx-3090 x2 + 128GiB ddr5-6000``,
``16 cores + 64GiB ddr5``."""

from __future__ import annotations

import re
from typing import Final

from planner.errors import InputError
from planner.fast_dataclass import dataclass
from planner.units import parse_memory

MAX_COUNT: Final = 1024
_EXAMPLE: Final = "write for example rtx-4090, '2x rtx-3090' or '2x rtx-3090 + 128GiB ddr5-6000'"

_BEFORE: Final = re.compile(r"^([+-]?\d+)\s*(?:[x×*]\s+|[×*]\s*)(\S.*)$", re.IGNORECASE)
_BEFORE_TIGHT: Final = re.compile(r"^([+-]?\d+)x([a-z].*)$", re.IGNORECASE)
_AFTER: Final = re.compile(r"^(\S.*?)\s*(?:(?<=\s)x\s*|[×*]\s*)([+-]?\d+)$", re.IGNORECASE)
_AFTER_TIGHT: Final = re.compile(r"^(\S+?)x([+-]?\d+)$", re.IGNORECASE)
_MEMORY_TYPE: Final = re.compile(r"^(lp)?ddr([345])(x?)(?:-(\d{3,5}))?$", re.IGNORECASE)
_CHANNELS: Final = re.compile(r"^(\d+)-?(?:ch|channels?)$", re.IGNORECASE)
_SIZE: Final = re.compile(r"^[+-]?\d+(?:\.\d+)?(?:[kmgt]i?b?)$", re.IGNORECASE)
_CORES: Final = re.compile(
    r"^(?:cpu\b[\s,:]*)?(?:with\s+)?(?:(\d+)[\s-]*(?:c|cores?|kerne?)\b)?(?:[\s,]*\bcpu\b)?", re.IGNORECASE
)
# The speed of each kind of memory where only the kind is said: the commonest of its generation.
USUAL_SPEED: Final = {
    "DDR3": 1600,
    "DDR4": 3200,
    "DDR5": 5600,
    "LPDDR3": 1866,
    "LPDDR4": 3200,
    "LPDDR4X": 4266,
    "LPDDR5": 6400,
    "LPDDR5X": 7500,
}


@dataclass(frozen=True, slots=True)
class DevicePart:
    """``count`` times a named profile."""

    name: str
    count: int
    tight: tuple[str, int] | None = None  # the reading of ``rtx4090x2`` when no profile has that very name


@dataclass(frozen=True, slots=True)
class MemoryPart:
    """The RAM of the host: ``128GiB ddr5-6000 8ch``. Bandwidth in bytes/s."""

    size: int | None
    kind: str | None
    mt_s: int | None
    channels: int | None

    @property
    def speed(self) -> int | None:
        """MT/s: as said, or what is usual for the kind of memory."""
        return self.mt_s or USUAL_SPEED.get(self.kind or "")

    @property
    def bandwidth(self) -> float | None:
        """Channels × transfers a second × 8 bytes; two channels unless said otherwise."""
        return None if self.speed is None else (self.channels or 2) * self.speed * 1e6 * 8


@dataclass(frozen=True, slots=True)
class CpuPart:
    """Processors of which no more is known than their cores: a machine without a GPU, or the host of one."""

    cores: int | None


Part = DevicePart | MemoryPart | CpuPart


def parse_spec(text: str) -> list[Part]:
    """Split a machine's description into its parts. Raises InputError for an empty part or a bad count."""
    if len(text) > 500:
        raise InputError(f"profile '{text[:40]}…' is too long; {_EXAMPLE}")
    parts = [part for chunk in text.split("+") for part in _parts(chunk.strip(), text)]
    memories = [p for p in parts if isinstance(p, MemoryPart)]
    if len(memories) > 1:
        raise InputError(f"profile '{text}' gives the RAM twice; give it once")
    return parts


def _parts(chunk: str, whole: str) -> list[Part]:
    """The parts of one chunk: one, or processors with the memory named behind them (``16 cores ddr5 64GB``)."""
    if not chunk:
        raise InputError(f"profile '{whole}' has an empty part; {_EXAMPLE}")
    match = _CORES.match(chunk)
    if match is None or not match.group(0).strip():
        return [_part(chunk)]
    rest = chunk[match.end() :].strip(" ,")
    memory = _memory(rest) if rest else None
    if rest and memory is None:
        return [_part(chunk)]
    cores = None if match.group(1) is None else _count(match.group(1), chunk)
    return [CpuPart(cores), *([memory] if memory else [])]


def _part(chunk: str) -> Part:
    memory = _memory(chunk)
    if memory is not None:
        return memory
    match = _BEFORE.match(chunk) or _BEFORE_TIGHT.match(chunk)
    if match:
        return DevicePart(match.group(2).strip(), _count(match.group(1), chunk))
    match = _AFTER.match(chunk)
    if match:
        return DevicePart(match.group(1).strip(), _count(match.group(2), chunk))
    match = _AFTER_TIGHT.match(chunk)
    # "rx6800" must stay a name: whether "x6800" was a count shows only when the names are looked up.
    tight = (match.group(1), int(match.group(2))) if match else None
    return DevicePart(chunk, 1, tight)


def check_count(count: int, chunk: str) -> int:
    """Return the count, or raise InputError when no machine has that many."""
    if not 1 <= count <= MAX_COUNT:
        raise InputError(f"profile '{chunk}': the count must be between 1 and {MAX_COUNT}, not {count}")
    return count


def _count(text: str, chunk: str) -> int:
    return check_count(int(text) if len(text) < 9 else MAX_COUNT + 1, chunk)


def _memory(chunk: str) -> MemoryPart | None:
    size: int | None = None
    kind: str | None = None
    mt_s: int | None = None
    channels: int | None = None
    words = chunk.split()
    for word in words:
        type_match, channel_match = _MEMORY_TYPE.match(word), _CHANNELS.match(word)
        if type_match:
            kind = f"{(type_match.group(1) or '')}ddr{type_match.group(2)}{type_match.group(3)}".upper()
            mt_s = int(type_match.group(4)) if type_match.group(4) else None
        elif channel_match:
            channels = int(channel_match.group(1))
            if not 1 <= channels <= 64:
                raise InputError(f"profile '{chunk}': {channels} memory channels; no machine has that many")
        elif _SIZE.match(word):
            size = parse_memory(word, "RAM")
        elif word.casefold() not in ("ram", "memory"):
            return None
    if size is None and kind is None:
        return None
    if mt_s is not None and not 100 <= mt_s <= 20000:
        raise InputError(f"profile '{chunk}': {mt_s} MT/s is not a memory speed; write for example ddr5-6000")
    return MemoryPart(size, kind, mt_s, channels)
