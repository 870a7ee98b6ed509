"""When an attempt has to be over: the end of the whole exchange, not of one read of its socket.

httpcore's read timeout begins anew with every byte that arrives, so that a service which sends one
now and then, headers or a body or 1xx answers without end, keeps a thread for ever. A request runs
in one thread from its first byte to its last, so the thread knows when it ends.

A statement's own thread, which sends what it would only wait for, also looks now and then whether
the user wants to stop.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import httpcore

SLICE = 0.05
"""Seconds between two looks at whether the user wants to stop."""

_running = threading.local()


@contextmanager
def within(seconds: float, look: Callable[[], None] | None = None) -> Iterator[None]:
    """What this thread does on the network inside the block ends after so many seconds.

    Args:
        seconds: until then.
        look: called every 50 ms while it waits for something to read; raises what ends it.
    """
    _running.until, _running.look = time.monotonic() + seconds, look
    try:
        yield
    finally:
        _running.until = _running.look = None


def check() -> None:
    """Raises httpcore.ReadTimeout if the time is over."""
    _left(None, httpcore.ReadTimeout)


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    """The shorter of a timeout and what is left of this thread's time."""
    until = getattr(_running, "until", None)
    if until is None:
        return timeout
    left = float(until - time.monotonic())
    if left <= 0:
        raise error
    return left if timeout is None else min(timeout, left)


_Opened: TypeAlias = Callable[[httpcore.NetworkStream], None]


class TimedBackend(httpcore.NetworkBackend):
    """Connections whose every wait ends with the time of the thread that waits.

    Args:
        inner: makes them.
        opened: told of each new connection before anything is sent over it, and once more when it
            speaks TLS, which replaces its socket.
    """

    def __init__(self, inner: httpcore.NetworkBackend, opened: _Opened) -> None:
        self._inner = inner
        self._opened = opened

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to a host."""
        left = _left(timeout, httpcore.ConnectTimeout)
        inner = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        return _TimedStream(inner, self._opened)

    def sleep(self, seconds: float) -> None:
        """Waits."""
        self._inner.sleep(seconds)


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, opened: _Opened) -> None:
        self._inner = inner
        self._opened = opened
        opened(self)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        look = getattr(_running, "look", None)
        if look is None:
            return self._inner.read(max_bytes, _left(timeout, httpcore.ReadTimeout))
        while True:
            left = _left(SLICE, httpcore.ReadTimeout)
            try:
                return self._inner.read(max_bytes, left)
            except httpcore.ReadTimeout:
                look()

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, left), self._opened)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
