"""Which connections lead where: directly, or through the environment's proxies.

For each host there is a stack of idle connections, the one used last on top. httpcore's pool looks
at all its connections, twice for each request, which with 16 of them costs more than the request.
Here a request takes the connection that was used last, and puts it back. Connections that are not
needed stay at the bottom, where they expire. What goes over one is ``connection``'s, and httpcore's
where a proxy stands between. The number of connections needs no limit of its own: each is used by a
request that is under way, and their number has one.
"""

from __future__ import annotations

import functools
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias
from urllib import request as environment

import httpcore
import httpx

from sessions_vtab.fetch.connection import (
    HTTPCORE_ERRORS,
    DirectConnection,
    Headers,
    Received,
    ResponseBody,
    TimedBackend,
    as_httpx,
    headers_of,
)
from sessions_vtab.fetch.endpoint import is_loopback

KEEP_ALIVE: Final = 30.0
"""Seconds for which an idle connection is kept."""

_Place: TypeAlias = tuple[bytes, bytes, int]
"""Scheme, host and port."""


class Connections(httpx.BaseTransport):
    """Sends requests, each over the connection to its host that was used last.

    Args:
        connect: makes a connection to an origin.
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
        response, stream = self._send(sent)
        return httpx.Response(
            response.status, headers=response.headers, stream=stream, extensions=response.extensions
        )

    def get(
        self,
        url: httpcore.URL,
        headers: Headers,
        extensions: dict[str, Any],
        connection: httpcore.ConnectionInterface | None = None,
    ) -> Received:
        """As ``handle_request`` for a GET, without the cost of httpx's classes.

        Args:
            url: as it goes out.
            headers: all of them, with Host.
            extensions: of httpcore, such as ``timeout``.
            connection: that of ``take``; None: the one that is found, or a new one.
        """
        request = httpcore.Request("GET", url, extensions=extensions)
        request.headers = headers  # Given as an argument, each would be examined once more.
        response, body = self._send(request, connection)
        return Received(response.status, headers_of(response.headers), body, response.extensions)

    def take(self, url: httpcore.URL) -> httpcore.ConnectionInterface | None:
        """A connection to the host of a URL that ``get`` may use; None if none is idle."""
        return self._take(_place(url))

    def close(self) -> None:
        """Closes idle connections at once, those in use when their responses have been read."""
        with self._lock:
            self._closed = True
            idle = [one for stack in self._idle.values() for _, one in stack]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _send(
        self, request: httpcore.Request, connection: httpcore.ConnectionInterface | None = None
    ) -> tuple[httpcore.Response, ResponseBody]:
        place = _place(request.url)
        connection = connection or self._take(place) or self._connect(request.url.origin)
        try:
            response = connection.handle_request(request)
        except HTTPCORE_ERRORS as error:
            connection.close()
            raise as_httpx(error) from error
        except BaseException:
            connection.close()
            raise
        return response, ResponseBody(response.stream, partial(self._put_back, place, connection))

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


def _place(url: httpcore.URL) -> _Place:
    origin = url.origin
    return origin.scheme, origin.host, origin.port


_LONGEST = 65_536
"""Characters of a URL; httpx refuses longer ones."""

# What follows the host of a URL that httpx would send as it is written.
_PLAIN = re.compile(
    r"/[A-Za-z0-9._~/:+-]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~/:+-]*)*"
    r"(?:\?[A-Za-z0-9._~&=+*-]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~&=+*-]*)*)?",
    re.ASCII,
).fullmatch


def end_of_origin(url: str) -> int:
    """Where scheme, host and port of a valid URL end."""
    end = url.find("/", url.find("://") + 3)
    return len(url) if end < 0 else end


def is_plain(url: str, start: int) -> bool:
    """Whether what follows the host of a URL, from ``start`` on, is sent as it is written."""
    return len(url) <= _LONGEST and _PLAIN(url, start) is not None and "/." not in url


_MOST_ORIGINS: Final = 64


class Shortcut(NamedTuple):
    """Where a URL leads whose text does not have to be examined.

    Attributes:
        connections: to send it over.
        url: for ``Connections.get``.
        host: value of the header Host.
    """

    connections: Connections
    url: httpcore.URL
    host: bytes


class Routes:
    """Connections of one source.

    Args:
        direct: for hosts without a proxy.
        proxied: by scheme of the URL.
        bypass: the environment's ``no_proxy``, as urllib reads it.
    """

    def __init__(
        self,
        direct: httpx.BaseTransport,
        proxied: Mapping[str, httpx.BaseTransport],
        bypass: Mapping[str, str] | None = None,
    ) -> None:
        self._direct = direct
        self._proxied = proxied
        self._bypass = dict(bypass or {})
        self._known: dict[str, tuple[httpx.BaseTransport, httpx.URL]] = {}

    def transport_for(self, url: httpx.URL) -> httpx.BaseTransport:
        """Through the proxy of the URL's scheme, except to loopback and what NO_PROXY names."""
        proxied = self._proxied.get(url.scheme)
        if proxied is None or is_loopback(url.host):
            return self._direct
        return self._direct if _bypasses(url.host, self._bypass) else proxied

    def shortcut(self, url: str) -> Shortcut | None:
        """The way of a URL that ``is_plain``; None if a transport of httpx's sends it.

        httpx reads a URL letter by letter, which costs a tenth of a whole request. Here that is
        done once for each origin.
        """
        end = end_of_origin(url)
        transport, origin = self._known.get(url[:end]) or self._note(url[:end])
        if not isinstance(transport, Connections):
            return None
        return Shortcut(
            transport,
            httpcore.URL(
                scheme=origin.raw_scheme,
                host=origin.raw_host,
                port=origin.port,
                target=url[end:],
            ),
            origin.netloc,
        )

    def _note(self, text: str) -> tuple[httpx.BaseTransport, httpx.URL]:
        url = httpx.URL(text)
        if len(self._known) >= _MOST_ORIGINS:
            self._known.clear()
        known = self._known[text] = self.transport_for(url), url
        return known

    def close(self) -> None:
        """Closes all connections."""
        self._direct.close()
        for transport in self._proxied.values():
            transport.close()


def open_routes(opened: Callable[[httpcore.NetworkStream], None] = lambda _: None) -> Routes:
    """Routes by HTTP_PROXY, HTTPS_PROXY and NO_PROXY; nothing else is read from the environment.

    Args:
        opened: told of each new connection, and once more when it speaks TLS.
    """
    found = environment.getproxies_environment()
    network, certificates = TimedBackend(httpcore.SyncBackend(), opened), _certificates()
    options: dict[str, Any] = {
        "ssl_context": certificates,
        "keepalive_expiry": KEEP_ALIVE,
        "network_backend": network,
    }
    proxied = {
        scheme: Connections(_proxy(found[scheme], options).create_connection)
        for scheme in ("http", "https")
        if found.get(scheme)
    }
    direct = partial(
        DirectConnection, network=network, certificates=certificates, keep_alive=KEEP_ALIVE
    )
    return Routes(Connections(direct), proxied, found)


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Whom we trust; reading the certificates takes 20 ms, so it is done once a process."""
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    return context


def _bypasses(host: str, proxies: dict[str, str]) -> bool:
    """What NO_PROXY says about a host; typeshed does not know the function."""
    return bool(environment.proxy_bypass_environment(host, proxies))  # type: ignore[attr-defined]


def _proxy(url: str, options: Mapping[str, Any]) -> httpcore.ConnectionPool:
    """What makes connections through a proxy; its user and password are read from the URL."""
    proxy = httpx.Proxy(url if "://" in url else f"http://{url}")
    place = httpcore.URL(
        scheme=proxy.url.raw_scheme,
        host=proxy.url.raw_host,
        port=proxy.url.port,
        target=proxy.url.raw_path,
    )
    kind = httpcore.SOCKSProxy if proxy.url.scheme.startswith("socks5") else httpcore.HTTPProxy
    return kind(place, proxy_auth=proxy.raw_auth, **options)
