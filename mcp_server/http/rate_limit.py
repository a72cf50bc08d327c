"""Rate limit: how often a client may ask, by token buckets in bounded memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_CLIENTS: Final = 10_000


class RateLimit:
    """A token bucket for each client: `burst` at once, `per_second` in the long run; 0 a second means no limit.

    The client longest unseen is forgotten when there are more than `most`.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        most: int = _MAX_CLIENTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._most = most
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """Take one request out of a client's bucket: returns 0, or the seconds to wait when it is empty."""
        wait = self.wait(client)
        if self._per_second and not wait:
            self._buckets[client] = (self._left(client) - 1, self._clock())
            self._buckets.move_to_end(client)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        return wait

    def wait(self, client: str) -> float:
        """Return the seconds until a client may ask again, 0 if now, and take nothing."""
        if not self._per_second:
            return 0.0
        return max(0.0, (1 - self._left(client)) / self._per_second)

    def _left(self, client: str) -> float:
        left, at = self._buckets.get(client, (float(self._burst), self._clock()))
        return min(float(self._burst), left + (self._clock() - at) * self._per_second)
