"""A line on a terminal while a statement takes long: what was sent, and seconds so far."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final

from sessions_vtab.cli.display import counted, moves_cursor, seconds

if TYPE_CHECKING:
    from sessions_vtab.connection import Connection
    from sessions_vtab.vtab.sending import Sending

__all__ = ["paused", "progress", "progress_of"]

_FIRST: Final = 1.0
_EVERY: Final = 0.2
_CLEAR: Final = "\r\x1b[K"
_LONG: Final = 10.0
"""Seconds from which on a COMMIT is worth an estimate."""

_TERMINAL: Final = threading.RLock()
"""Held by whoever writes to the terminal while a line may be shown there."""


@contextmanager
def progress(
    requests: Callable[[], int], sending: Callable[[], Sending | None] = lambda: None
) -> Iterator[Callable[[], None]]:
    """Shows progress on standard error inside the block, if that is a terminal.

    A thread writes the line. A timer signal would cut the writes of a statement whose rows are
    printed on a slow terminal (``PYTHONUNBUFFERED=1`` loses the rest of a row without an error),
    and exists neither on Windows nor outside the main thread.

    Args:
        requests: how many requests the running statement has made.
        sending: how far the transaction is that it sends, if it does: with an estimate if that
            will take long.

    Yields:
        A function that ends it early: before rows are printed on the same terminal.
    """
    if not moves_cursor(sys.stderr):
        yield _nothing
        return
    line = _Line(requests, sending)
    line.start()
    try:
        yield line.end
    finally:
        line.end()


def progress_of(connection: Connection) -> AbstractContextManager[Callable[[], None]]:
    """``progress`` of what a connection executes inside the block."""
    return progress(lambda: connection.statement_requests, lambda: connection.sending)


@contextmanager
def paused() -> Iterator[None]:
    """Inside the block no progress is written over a question; afterwards it goes on."""
    with _TERMINAL:
        if moves_cursor(sys.stderr):
            print(_CLEAR, end="", file=sys.stderr, flush=True)
        yield


def _nothing() -> None:
    """Does nothing: the end function for a progress line that was never started."""


class _Line(threading.Thread):
    """The line on the terminal, written anew until it ends."""

    def __init__(self, requests: Callable[[], int], sending: Callable[[], Sending | None]) -> None:
        super().__init__(name="sessions-vtab progress", daemon=True)
        self._requests = requests
        self._sending = sending
        self._began = time.perf_counter()
        self._shown = False
        self._ended = threading.Event()

    def run(self) -> None:
        """Waits, so that short statements show nothing, then writes some times a second."""
        delay = _FIRST
        while not self._ended.wait(delay):
            self._show()
            delay = _EVERY

    def _show(self) -> None:
        elapsed = seconds(time.perf_counter() - self._began)
        with _TERMINAL:
            if self._ended.is_set():
                return
            self._shown = True
            text = f"{_CLEAR}{self._work()}, {elapsed}{self._rest()} .."
            print(text, end="", file=sys.stderr, flush=True)

    def _work(self) -> str:
        sending = self._sending()
        if sending is None or sending.total == 1:
            return counted(self._requests(), "request")
        return f"{sending.answered} of {sending.total} writes"

    def _rest(self) -> str:
        sending = self._sending()
        long = sending is not None and (sending.estimate() or 0.0) > _LONG
        return f", about {sending.left():.0f} s left" if sending is not None and long else ""

    def end(self) -> None:
        """Removes the line; nothing is written once this returns. Later calls cost nothing."""
        if self._ended.is_set():
            return
        with _TERMINAL:
            self._ended.set()
            if self._shown:
                print(_CLEAR, end="", file=sys.stderr, flush=True)
