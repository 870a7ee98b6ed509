"""The time limit of a statement."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["Watch"]


class Watch:
    """Interrupts a statement that takes too long.

    SQLite's progress handler would not do: it is not called while a request is waited for.

    Args:
        seconds: from now.
        interrupt: ends the statement; called in a thread of its own.

    Attributes:
        fired: it took too long.
    """

    def __init__(self, seconds: float, interrupt: Callable[[], object]) -> None:
        self.seconds = seconds
        self.fired = False
        self._interrupt = interrupt
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        """The statement has ended."""
        self._timer.cancel()

    def _fire(self) -> None:
        self.fired = True
        self._interrupt()
