"""How much one server answers: requests a second of one client, and how many at once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import Final

RATE: Final = 200.0  # requests a second that one client may ask for ever
BURST: Final = 400.0  # and at once
CLIENTS: Final = 1024  # that are remembered
AT_ONCE: Final = 256  # requests that may wait together


class RateLimit:
    """A bucket of requests for each client, filled again with time."""

    def __init__(self, rate: float = RATE, burst: float = BURST) -> None:
        self._rate, self._burst = rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, client: str, now: float | None = None) -> bool:
        """Take one request out of a client's bucket; False where it is empty."""
        moment = time.monotonic() if now is None else now
        with self._lock:
            left, since = self._buckets.pop(client, (self._burst, moment))
            left = min(self._burst, left + (moment - since) * self._rate)
            allowed = left >= 1.0
            self._buckets[client] = (left - 1.0 if allowed else left, moment)
            while len(self._buckets) > CLIENTS:
                self._buckets.popitem(last=False)
            return allowed
