"""A line on a terminal while a statement takes long: what was sent, and seconds so far."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

from sessions_vtab.cli.display import counted, is_terminal, seconds

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection
    from sessions_vtab.vtab.sending import Sending

__all__ = ["paused", "progress", "progress_of"]

_FIRST: Final = 1.0
_EVERY: Final = 0.2
_CLEAR: Final = "\r\x1b[K"
_LONG: Final = 10.0
"""Seconds from which on a COMMIT is worth an estimate."""


@contextmanager
def progress(
    requests: Callable[[], int],
    sending: Callable[[], Sending | None] = lambda: None,
    expected: Callable[[], int | None] = lambda: None,
) -> Iterator[Callable[[], None]]:
    """Shows progress on standard error inside the block, if that is a terminal.

    A timer signal instead of a thread: the one that waits for the statement has nothing else to
    do, and handlers run between its slices of waiting. Windows has no such signal, hence no line.

    Args:
        requests: how many requests the running statement has made.
        sending: how far the transaction is that it sends, if it does: with an estimate if that
            will take long.
        expected: how many requests it will make, where that is known.

    Yields:
        A function that ends it early: before rows are printed on the same terminal.
    """
    if not (hasattr(signal, "SIGALRM") and is_terminal(sys.stderr)):
        yield _nothing
        return
    line = _Line(requests, sending, expected)
    previous = signal.signal(signal.SIGALRM, line.show)
    timer = signal.setitimer(signal.ITIMER_REAL, _FIRST, _EVERY)
    try:
        yield line.end
    finally:
        line.end()
        signal.signal(signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def progress_of(connection: Connection) -> AbstractContextManager[Callable[[], None]]:
    """``progress`` of what a connection executes inside the block."""
    return progress(
        lambda: connection.statement_requests,
        lambda: connection.sending,
        lambda: connection.expected_requests,
    )


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
    """Does nothing: the end function for a progress line that was never started."""


class _Line:
    """The line on the terminal."""

    def __init__(
        self,
        requests: Callable[[], int],
        sending: Callable[[], Sending | None],
        expected: Callable[[], int | None],
    ) -> None:
        self._requests = requests
        self._sending = sending
        self._expected = expected
        self._started = time.perf_counter()
        self._shown = self._ended = False

    def show(self, _signal: int, _frame: FrameType | None) -> None:
        """Writes the line anew."""
        if self._ended:
            return
        self._shown = True
        elapsed = seconds(time.perf_counter() - self._started)
        text = f"{_CLEAR}{self._work()}, {elapsed}{self._rest()} .."
        print(text, end="", file=sys.stderr, flush=True)

    def _work(self) -> str:
        sending = self._sending()
        if sending is None or sending.total == 1:
            return self._reads()
        return f"{sending.answered} of {sending.total} writes"

    def _reads(self) -> str:
        requests, expected = self._requests(), self._expected()
        if expected is None or expected <= requests:
            return counted(requests, "request")
        return f"{requests} of about {expected:,} requests".replace(",", " ")

    def _rest(self) -> str:
        sending = self._sending()
        long = sending is not None and (sending.estimate() or 0.0) > _LONG
        return f", about {sending.left():.0f} s left" if sending is not None and long else ""

    def end(self) -> None:
        """Takes the line away for good."""
        self._ended = True
        if self._shown:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
        self._shown = False
