"""How far a running statement is: told to a function of the user's own, or on a line in IPython."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

FIRST: Final = 1.0
"""Seconds after which a statement takes long enough to say how far it is."""
EVERY: Final = 0.2
"""Seconds between two times that it is said."""

_LONG: Final = 10.0
"""Seconds in all from which on an estimate of what is left is of use."""


class Progress(NamedTuple):
    """How far a statement is; as text, one line for people.

    Attributes:
        done: requests made so far, or writes whose outcome is known.
        total: how many there will be; an estimate for requests, None where there is none.
        unit: ``request`` or ``write``.
        elapsed: seconds since the statement began.
        pace: seconds that ``done`` took.
    """

    done: int
    total: int | None
    unit: str
    elapsed: float
    pace: float

    @property
    def left(self) -> float | None:
        """Seconds until the end at the pace so far; None where that cannot be said."""
        if not self.done or self.total is None:
            return None
        return max(self.pace / self.done * (self.total - self.done), 0.0)

    def __str__(self) -> str:
        """``285 of about 1 212 requests, 3.4 s, about 11 s left``."""
        plural = "" if self.total is None and self.done == 1 else "s"
        about = "about " if self.unit == "request" else ""
        total = "" if self.total is None else f" of {about}{self.total:,}".replace(",", " ")
        text = f"{self.done}{total} {self.unit}{plural}, {self.elapsed:.1f} s"
        left = self.left
        if left is not None and self.pace + left > _LONG:
            text += f", about {left:.0f} s left"
        return text


class ProgressWatch:
    """Tells how far a statement is, from its own thread, some times a second.

    Args:
        look: how far the running statement is; it is given the seconds since it began.
        tell: is told.
    """

    def __init__(
        self, look: Callable[[float], Progress], tell: Callable[[Progress], object]
    ) -> None:
        self._look = look
        self._tell = tell
        self.begin()

    def begin(self) -> None:
        """A statement begins."""
        self._began = time.perf_counter()
        self._next = self._began + FIRST

    def __call__(self) -> bool:
        """Called often while the statement waits, or SQLite computes, which goes on with false."""
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + EVERY
            self._tell(self._look(now - self._began))
        return False


def ipython_line() -> Callable[[Progress], object] | None:
    """Writes progress on one line below the running cell; None outside IPython."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return None if shell is None else _line(shell)


@cache
def _line(shell: Any) -> Callable[[Progress], object]:
    """The line of an IPython shell: one for all connections, removed after each cell."""
    shown = 0

    def tell(progress: Progress) -> None:
        nonlocal shown
        text = str(progress)
        _write("\r" + text.ljust(shown))
        shown = len(text)

    def clear(*_: object) -> None:
        nonlocal shown
        if shown:
            _write("\r" + " " * shown + "\r")
        shown = 0

    shell.events.register("post_run_cell", clear)
    return tell


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
