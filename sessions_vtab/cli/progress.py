"""A line on a terminal while a statement takes long: requests and seconds so far."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from sessions_vtab.cli.display import counted, is_terminal, seconds

__all__ = ["paused", "progress"]

_FIRST: Final = 1.0
_EVERY: Final = 0.2
_CLEAR: Final = "\r\x1b[K"


@contextmanager
def progress(requests: Callable[[], int]) -> Iterator[Callable[[], None]]:
    """Shows progress on standard error inside the block, if that is a terminal.

    A timer signal instead of a thread: the one that waits for the statement has nothing else to
    do, and handlers run between its slices of waiting. Windows has no such signal, hence no line.

    Args:
        requests: how many requests the running statement has made.

    Yields:
        A function that ends it early: before rows are printed on the same terminal.
    """
    if not (hasattr(signal, "SIGALRM") and is_terminal(sys.stderr)):
        yield _nothing
        return
    line = _Line(requests)
    previous = signal.signal(signal.SIGALRM, line.show)
    timer = signal.setitimer(signal.ITIMER_REAL, _FIRST, _EVERY)
    try:
        yield line.end
    finally:
        line.end()
        signal.signal(signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, *timer)


@contextmanager
def paused() -> Iterator[None]:
    """Inside the block no progress is written over a question; afterwards it goes on."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return
    delay, interval = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        if interval and is_terminal(sys.stderr):
            print(_CLEAR, end="", file=sys.stderr, flush=True)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, delay, interval)


def _nothing() -> None:
    """Ends what never began."""


class _Line:
    """The line on the terminal."""

    def __init__(self, requests: Callable[[], int]) -> None:
        self._requests = requests
        self._started = time.perf_counter()
        self._shown = self._ended = False

    def show(self, _signal: int, _frame: FrameType | None) -> None:
        """Writes the line anew."""
        if self._ended:
            return
        self._shown = True
        elapsed = seconds(time.perf_counter() - self._started)
        text = f"{_CLEAR}{counted(self._requests(), 'request')}, {elapsed} .."
        print(text, end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Takes the line away for good."""
        self._ended = True
        if self._shown:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
        self._shown = False
