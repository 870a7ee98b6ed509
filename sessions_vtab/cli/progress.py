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

__all__ = ["progress"]

_FIRST: Final = 1.0
_EVERY: Final = 0.2
_CLEAR: Final = "\r\x1b[K"


@contextmanager
def progress(requests: Callable[[], int]) -> Iterator[None]:
    """Shows progress on standard error inside the block, if that is a terminal.

    A timer signal instead of a thread: the one that waits for the statement has nothing else to
    do, and handlers run between its slices of waiting. Windows has no such signal, hence no line.

    Args:
        requests: how many requests the running statement has made.
    """
    if not (hasattr(signal, "SIGALRM") and is_terminal(sys.stderr)):
        yield
        return
    started = time.perf_counter()
    shown = False

    def show(_signal: int, _frame: FrameType | None) -> None:
        nonlocal shown
        shown = True
        line = f"{counted(requests(), 'request')}, {seconds(time.perf_counter() - started)}"
        print(f"{_CLEAR}{line} ..", end="", file=sys.stderr, flush=True)

    previous = signal.signal(signal.SIGALRM, show)
    timer = signal.setitimer(signal.ITIMER_REAL, _FIRST, _EVERY)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, *timer)
        if shown:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
