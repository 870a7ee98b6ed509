"""Waiting for what happens beside a test; long enough for any machine, and an error after that."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SECONDS = 30


def wait_for(condition: Callable[[], bool]) -> None:
    """Returns as soon as a condition holds."""
    end = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.005)


@contextmanager
def stopping(
    interrupt: Callable[[], object], when: Callable[[], bool] = lambda: True
) -> Iterator[None]:
    """Interrupts the statement in the block, again and again: before its first step it is none."""
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(0.05):
            if when():
                interrupt()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def once(condition: Callable[[], bool], act: Callable[[], object]) -> Iterator[None]:
    """Does something beside the block, as soon as a condition holds."""

    def wait() -> None:
        wait_for(condition)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        thread.join()
