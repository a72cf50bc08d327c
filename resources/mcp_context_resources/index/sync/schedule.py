"""How often and how long: the times by which the index is built in the background."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. `look_again` passes between looks at the disk while somebody searched `lately`.

    A setback is tried again after `retry`, four times that, and so on up to `retry_most`. What another server is at is
    looked after every `elsewhere`, and taken over when it has not grown for `abandoned`. Chunks are put in at least
    every `put`. What is gone from the disk for `gone` is forgotten. `known` is how long it is believed what the index
    said it holds, `claimed` how long texts are waited for that another server may be embedding.
    """

    look_again: float = 30.0
    lately: float = 600.0
    retry: float = 5.0
    retry_most: float = 600.0
    elsewhere: float = 1.0
    abandoned: float = 10.0
    put: float = 5.0
    gone: float = 300.0
    known: float = 15.0
    claimed: float = 70.0

    def pause(self, attempts: int) -> float:
        """Return how long to wait after so many attempts that failed."""
        return float(min(self.retry_most, self.retry * 4.0 ** min(max(attempts - 1, 0), 10)))
