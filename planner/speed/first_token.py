"""Time to the first token under a steady load, and when all start at once.

Streams that each send their next request as soon as the last one is answered (a closed loop): a request waits for
the step that runs, for prompts that came before it, and for its own prompt, which is read in chunks between the
others' steps. Prompts queue as in M/D/1 (all alike, arriving at random): P(wait > t) = u exp(-2 (1 - u) t / S), u the
share of the time that prompts take, S the seconds of one; no more than all other prompts.
"""

from __future__ import annotations

from math import ceil, log

from planner.fast_dataclass import dataclass
from planner.speed.decode_terms import CHUNK
from planner.speed.job import Traffic

_BUSIEST = (
    0.95  # share of the time that prompts take at most: beyond it, decode starves and the loop slows down
)


@dataclass(frozen=True, slots=True)
class FirstToken:
    """Seconds to the first token."""

    median: float
    late: float  # at the 95th percentile
    at_once: float  # of the middle one, where all requests come together


def first_token(traffic: Traffic, *, prompt: float, step: float) -> FirstToken:
    """Seconds to the first token, where reading a prompt takes `prompt` seconds and a decode step `step`."""
    others = traffic.running - 1
    own = prompt + step
    if others <= 0:
        waits = _slots(traffic, own + traffic.output * step)
        return FirstToken(own + waits, own + 2 * waits, own + waits)
    chunks = ceil(traffic.prompt / CHUNK)
    own = prompt + step * (0.5 + chunks)
    cycle = own + traffic.output * step
    busy = min(_BUSIEST, traffic.running * prompt / cycle)
    slots = _slots(traffic, cycle)
    middle = _queue(busy, prompt, 0.5, others)
    late = _queue(busy, prompt, 0.05, others)
    at_once = prompt * (traffic.running + 1) / 2 + step + slots
    return FirstToken(own + middle + slots, own + late + 2 * slots, at_once)


def _queue(busy: float, prompt: float, beyond: float, others: float) -> float:
    """The wait that a share `beyond` of the requests exceeds, seconds."""
    if busy <= beyond:
        return 0.0
    return min(others * prompt, prompt * log(busy / beyond) / (2 * (1 - busy)))


def _slots(traffic: Traffic, cycle: float) -> float:
    """Mean wait for one of the running sequences' places where there are more users than those."""
    waiting = max(0.0, traffic.users - traffic.running)
    return cycle * waiting / traffic.running
