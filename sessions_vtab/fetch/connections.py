"""Connections to services: for each host a stack of idle ones, the one used last on top.

httpcore's pool looks at all its connections, twice for each request, which with 16 of them costs
more than the request. Here a request takes the connection that was used last, and puts it back.
Connections that are not needed stay at the bottom, where they expire. HTTP itself stays with
httpcore: framing, TLS, 1xx responses, proxies. The number of connections needs no limit of its own:
each is used by a thread of the source's pool, and that has one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, TypeAlias

import httpcore
import httpx

__all__ = ["KEEP_ALIVE", "Connections", "Headers"]

KEEP_ALIVE: Final = 30.0
"""Seconds for which an idle connection is kept."""

Headers: TypeAlias = list[tuple[bytes, bytes]]

_Place: TypeAlias = tuple[bytes, bytes, int]
"""Scheme, host and port."""

_MEANINGS: Final = {
    getattr(httpcore, name): getattr(httpx, name)
    for name in (
        "ConnectError",
        "ConnectTimeout",
        "LocalProtocolError",
        "PoolTimeout",
        "ProxyError",
        "ReadError",
        "ReadTimeout",
        "RemoteProtocolError",
        "UnsupportedProtocol",
        "WriteError",
        "WriteTimeout",
    )
}


class Connections(httpx.BaseTransport):
    """Sends requests, each over the connection to its host that was used last.

    Args:
        connect: makes a connection to an origin: ``create_connection`` of a pool of httpcore's.
    """

    def __init__(self, connect: Callable[[httpcore.Origin], httpcore.ConnectionInterface]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: dict[_Place, list[tuple[float, httpcore.ConnectionInterface]]] = {}
        self._closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The response, whose body has yet to be read; raises httpx.TransportError."""
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        body: Any = request.stream
        sent = httpcore.Request(
            request.method,
            url,
            headers=request.headers.raw,
            content=body,
            extensions=request.extensions,
        )
        return self._send(sent)

    def get(
        self, url: httpcore.URL, headers: Headers, extensions: dict[str, Any]
    ) -> httpx.Response:
        """As ``handle_request`` for a GET, without the cost of an ``httpx.Request``.

        Args:
            url: as it goes out.
            headers: all of them, with Host.
            extensions: of httpcore, such as ``timeout``.
        """
        return self._send(httpcore.Request("GET", url, headers=headers, extensions=extensions))

    def close(self) -> None:
        """Closes idle connections at once, those in use when their responses have been read."""
        with self._lock:
            self._closed = True
            idle = [one for stack in self._idle.values() for _, one in stack]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _send(self, request: httpcore.Request) -> httpx.Response:
        origin = request.url.origin
        place = (origin.scheme, origin.host, origin.port)
        connection = self._take(place) or self._connect(origin)
        try:
            response = connection.handle_request(request)
        except BaseException as error:
            connection.close()
            raise _as_httpx(error) from error
        body = _ResponseBody(response.stream, partial(self._put_back, place, connection))
        return httpx.Response(
            response.status, headers=response.headers, stream=body, extensions=response.extensions
        )

    def _take(self, place: _Place) -> httpcore.ConnectionInterface | None:
        """The idle connection that was used last; None if there is none that is still good."""
        while True:
            with self._lock:
                stack = self._idle.get(place)
                if not stack:
                    return None
                _, connection = stack.pop()
            # Also one with something to read: the server has hung up.
            if connection.is_idle() and not connection.has_expired():
                return connection
            connection.close()

    def _put_back(self, place: _Place, connection: httpcore.ConnectionInterface) -> None:
        """Keeps a connection whose response was closed, if the next request can use it."""
        now = time.monotonic()
        expired = None
        with self._lock:
            keep = connection.is_idle() and not self._closed
            if keep:
                stack = self._idle.setdefault(place, [])
                stack.append((now + KEEP_ALIVE, connection))
                if stack[0][0] < now:
                    _, expired = stack.pop(0)
        if not keep:
            connection.close()
        if expired is not None:
            expired.close()


class _ResponseBody(httpx.SyncByteStream):
    """The body of a response.

    Args:
        stream: of httpcore.
        closed: called once when it was closed.
    """

    def __init__(self, stream: Any, closed: Callable[[], None]) -> None:
        self._stream: Iterable[bytes] = stream
        self._closed: Callable[[], None] | None = closed

    def __iter__(self) -> Iterator[bytes]:
        """The bytes as they come; raises httpx.TransportError."""
        try:
            yield from self._stream
        except Exception as error:
            raise _as_httpx(error) from error

    def close(self) -> None:
        """Gives the connection back; one whose response was not read to its end is closed."""
        closed, self._closed = self._closed, None
        if closed is None:
            return
        try:
            self._stream.close()  # type: ignore[attr-defined]  # Of httpcore's streams.
        finally:
            closed()


def _as_httpx(error: BaseException) -> BaseException:
    """The error of httpx for one of httpcore's; any other is returned as it is."""
    meaning = _MEANINGS.get(type(error))
    return error if meaning is None else meaning(str(error))
