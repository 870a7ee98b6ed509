"""Time, waiting and chance in one object, so that tests can do without them."""

from __future__ import annotations

import random
import threading
import time

__all__ = ["Clock"]


class Clock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds on a clock that never goes back."""
        return time.monotonic()

    def wall(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def chance(self) -> float:
        """A number in [0, 1)."""
        return random.random()  # noqa: S311  # Jitter need not be secret.

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Waits; returns at once with True when ``stop`` is set."""
        return stop.wait(seconds)
