"""The sockets of one source: no wait on one is longer than an attempt may take.

httpcore makes them. A read timeout begins anew with every byte that arrives, so that a service
which sends one now and then, headers or a body or 1xx answers without end, would keep a thread for
ever. A request runs in one thread from its first byte to its last, so the thread knows when it
ends. A statement's own thread, which sends what it would only wait for, also looks now and then
whether the user wants to stop.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import httpcore

SLICE = 0.05
"""Seconds between two looks at whether the user wants to stop."""

_running = threading.local()


class within:  # noqa: N801  # Read as a word; a generator would cost twice as much.
    """What this thread does on the network inside the block ends after so many seconds.

    Args:
        seconds: until then.
        look: called every 50 ms while it reads or waits for it; raises what ends it.
    """

    __slots__ = ("_look", "_seconds")

    def __init__(self, seconds: float, look: Callable[[], None] | None = None) -> None:
        self._seconds = seconds
        self._look = look

    def __enter__(self) -> None:
        now = time.monotonic()
        _running.until, _running.look = now + self._seconds, self._look
        _running.looks_at = now + SLICE

    def __exit__(self, *_: object) -> None:
        _running.until = _running.look = None


def time_left(timeout: float | None, error: type[Exception]) -> float | None:
    """The shorter of a timeout and what is left of this thread's time."""
    until = getattr(_running, "until", None)
    if until is None:
        return timeout
    left = float(until - time.monotonic())
    if left <= 0:
        raise error
    return left if timeout is None else min(timeout, left)


Opened: TypeAlias = Callable[[httpcore.NetworkStream], None]


class TimedBackend(httpcore.NetworkBackend):
    """Connections whose every wait ends with the time of the thread that waits.

    Args:
        inner: makes them.
        opened: told of each new connection before anything is sent over it, and once more when it
            speaks TLS, which replaces its socket.
    """

    def __init__(self, inner: httpcore.NetworkBackend, opened: Opened) -> None:
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
        left = time_left(timeout, httpcore.ConnectTimeout)
        inner = self._inner.connect_tcp(host, port, left, local_address, socket_options)
        connected = inner.get_extra_info("socket")
        if type(connected) is socket.socket and hasattr(select, "poll"):
            inner = _PolledStream(inner, connected)
        return _TimedStream(inner, self._opened)

    def sleep(self, seconds: float) -> None:
        """Waits."""
        self._inner.sleep(seconds)


class _PolledStream(httpcore.NetworkStream):
    """A socket without TLS, which is waited for only where there is something to wait for.

    A socket that has a timeout is given it before each step, and waited for before each step: three
    system calls instead of one. Around each of them a thread lets go of the interpreter's lock, and
    where many threads send, it has to wait for that lock again.

    Args:
        inner: what the socket is of; makes the TLS over it.
        connected: the socket.
    """

    def __init__(self, inner: httpcore.NetworkStream, connected: socket.socket) -> None:
        self._inner = inner
        self._socket = connected
        connected.setblocking(False)
        self._incoming = _poll(connected, select.POLLIN)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while self._incoming.poll(_milliseconds(timeout)):
            try:
                return self._socket.recv(max_bytes)
            except BlockingIOError:  # It looked like something; there will be more.
                continue
            except OSError as error:
                raise httpcore.ReadError(error) from error
        raise httpcore.ReadTimeout

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        left = memoryview(buffer)
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                if not _poll(self._socket, select.POLLOUT).poll(_milliseconds(timeout)):
                    raise httpcore.WriteTimeout from None
            except OSError as error:
                raise httpcore.WriteError(error) from error

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        # The socket has a timeout again from here on.
        return self._inner.start_tls(ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _poll(connected: socket.socket, event: int) -> select.poll:
    """What waits for an event of a socket."""
    waits = select.poll()
    waits.register(connected, event)
    return waits


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, opened: Opened) -> None:
        self._inner = inner
        self._opened = opened
        opened(self)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        look = getattr(_running, "look", None)
        if look is None:
            return self._inner.read(max_bytes, time_left(timeout, httpcore.ReadTimeout))
        # Also where there is always something to read: that can go on for the whole time.
        while True:
            if time.monotonic() >= _running.looks_at:
                look()
                _running.looks_at = time.monotonic() + SLICE
            left = time_left(SLICE, httpcore.ReadTimeout)
            try:
                return self._inner.read(max_bytes, left)
            except httpcore.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, time_left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = time_left(timeout, httpcore.ConnectTimeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, left), self._opened)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def shut(connected: socket.socket) -> None:
    """Ends a connection at once, also for a thread that waits for it."""
    try:
        connected.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
