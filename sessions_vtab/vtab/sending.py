"""How far a unit of work is that is being sent, for whoever waits for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

__all__ = ["Sending"]


@dataclass(slots=True)
class Sending:
    """The writes of one transaction on their way to one source.

    Attributes:
        total: how many there are.
        answered: of how many it is known what became of them.
        started: when the first was sent, on the clock of ``time.perf_counter``.
    """

    total: int
    answered: int = 0
    started: float = field(default_factory=time.perf_counter)

    def estimate(self) -> float | None:
        """Seconds that all of them will take at the pace so far; None before the first answer."""
        if not self.answered:
            return None
        return (time.perf_counter() - self.started) / self.answered * self.total

    def left(self) -> float:
        """Seconds until the end, by the same estimate; 0 before the first answer."""
        elapsed = time.perf_counter() - self.started
        return max((self.estimate() or 0.0) - elapsed, 0.0)
