"""What a command says while it works: a line while a statement takes long, and questions."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from sessions_vtab.cli.display import escaped, is_terminal, moves_cursor
from sessions_vtab.connection import Connection
from sessions_vtab.progress import EVERY, FIRST, Progress

__all__ = ["CLEAR", "paused", "progress", "progress_of", "terminal_question"]

CLEAR: Final = "\r\x1b[K"
"""What takes a line away on a terminal."""

_TERMINAL: Final = threading.RLock()
"""Held by whoever writes to the terminal while a line may be shown there."""


@contextmanager
def progress(look: Callable[[float], Progress]) -> Iterator[Callable[[], None]]:
    """Shows progress on standard error inside the block, if that is a terminal.

    A thread writes the line. A timer signal would cut the writes of a statement whose rows are
    printed on a slow terminal (``PYTHONUNBUFFERED=1`` loses the rest of a row without an error),
    and exists neither on Windows nor outside the main thread.

    Args:
        look: how far the statement is; it is given the seconds since the block began.

    Yields:
        A function that ends it early: before rows are printed on the same terminal.
    """
    if not moves_cursor(sys.stderr):
        yield _nothing
        return
    line = _Line(look)
    line.start()
    try:
        yield line.end
    finally:
        line.end()


def progress_of(connection: Connection) -> AbstractContextManager[Callable[[], None]]:
    """``progress`` of what a connection executes inside the block."""
    return progress(connection.progress)


@contextmanager
def paused() -> Iterator[None]:
    """Inside the block no progress is written over a question; afterwards it goes on."""
    with _TERMINAL:
        if moves_cursor(sys.stderr):
            print(CLEAR, end="", file=sys.stderr, flush=True)
        yield


def _nothing() -> None:
    """Does nothing: the end function for a progress line that was never started."""


class _Line(threading.Thread):
    """The line on the terminal, written anew until it ends."""

    def __init__(self, look: Callable[[float], Progress]) -> None:
        super().__init__(name="sessions-vtab progress", daemon=True)
        self._look = look
        self._began = time.perf_counter()
        self._shown = False
        self._ended = threading.Event()

    def run(self) -> None:
        """Waits, so that short statements show nothing, then writes some times a second."""
        delay = FIRST
        while not self._ended.wait(delay):
            self._show()
            delay = EVERY

    def _show(self) -> None:
        with _TERMINAL:
            if self._ended.is_set():
                return
            try:
                progress = self._look(time.perf_counter() - self._began)
            except (RuntimeError, LookupError):
                return  # The statement's thread has changed what is counted: the next look tells.
            self._shown = True
            print(f"{CLEAR}{progress} ..", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Removes the line; nothing is written once this returns. Later calls cost nothing."""
        if self._ended.is_set():
            return
        with _TERMINAL:
            self._ended.set()
            if self._shown:
                print(CLEAR, end="", file=sys.stderr, flush=True)


def terminal_question() -> Callable[[str], bool] | None:
    """Asks yes or no on the terminal; None where nobody sits there to answer."""
    return _ask if is_terminal(sys.stdin) and is_terminal(sys.stderr) else None


def _ask(question: str) -> bool:
    """True for y or yes; the end of input is a no. Ctrl-C ends the statement."""
    with paused():
        sys.stderr.write(f"{escaped(question)} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
