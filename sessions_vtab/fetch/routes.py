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
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, ParamSpec, TypeAlias, TypeVar
from urllib import request as environment

import httpcore
import httpx

from sessions_vtab.fetch.connection import DirectConnection, Headers, Received
from sessions_vtab.fetch.endpoint import is_loopback
from sessions_vtab.fetch.sockets import TimedBackend

P = ParamSpec("P")
T = TypeVar("T")

KEEP_ALIVE: Final = 30.0
"""Seconds for which an idle connection is kept."""

Place: TypeAlias = tuple[bytes, bytes, int]
"""Scheme, host and port."""

_PORTS: Final = {b"http": 80, b"https": 443}

_MEANINGS: Final[Mapping[type[Exception], type[httpx.TransportError]]] = {
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
_ERRORS: Final = tuple(_MEANINGS)


class Connections(httpx.BaseTransport):
    """Sends requests, each over the connection to its host that was used last.

    Args:
        connect: makes a connection to an origin.
    """

    def __init__(self, connect: Callable[[httpcore.Origin], httpcore.ConnectionInterface]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._idle: dict[Place, list[tuple[float, httpcore.ConnectionInterface]]] = {}
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
        origin = url.origin
        response, stream = self._send(sent, (origin.scheme, origin.host, origin.port))
        return httpx.Response(
            response.status, headers=response.headers, stream=stream, extensions=response.extensions
        )

    def get(
        self,
        place: Place,
        target: bytes,
        headers: Headers,
        timeouts: Mapping[str, float | None],
    ) -> Received:
        """As ``handle_request`` for a GET, without the cost of httpx's classes, and httpcore's.

        Args:
            place: where it goes.
            target: what follows the host in its URL.
            headers: all of them, with Host.
            timeouts: in seconds, as httpcore's extension ``timeout`` has them.
        """
        connection = self.take(place) or self._connect(httpcore.Origin(*place))
        if isinstance(connection, DirectConnection):
            return self.sent(connection, place, target, headers, timeouts)()
        request = httpcore.Request(
            "GET", _url_of(place, target), headers=headers, extensions={"timeout": timeouts}
        )
        response, body = self._send(request, place, connection)
        return Received(response.status, _headers_of(response.headers), body, response.extensions)

    def sent(
        self,
        connection: DirectConnection,
        place: Place,
        target: bytes,
        headers: Headers,
        timeouts: Mapping[str, float | None],
    ) -> Callable[[], Received]:
        """Sends a GET over a connection of ``take``; returns what waits for the response."""
        _closed_on_error(connection, connection.send, b"GET", target, headers, (), timeouts)

        def receive() -> Received:
            answer = _closed_on_error(connection, connection.answer, timeouts)
            body = _ResponseBody(answer.body, partial(self._put_back, place, connection))
            extensions = {"network_stream": answer.stream}
            return Received(answer.status, _headers_of(answer.headers), body, extensions)

        return receive

    def close(self) -> None:
        """Closes idle connections at once, those in use when their responses have been read."""
        with self._lock:
            self._closed = True
            idle = [one for stack in self._idle.values() for _, one in stack]
            self._idle.clear()
        for connection in idle:
            connection.close()

    def _send(
        self,
        request: httpcore.Request,
        place: Place,
        connection: httpcore.ConnectionInterface | None = None,
    ) -> tuple[httpcore.Response, _ResponseBody]:
        connection = connection or self.take(place) or self._connect(request.url.origin)
        response = _closed_on_error(connection, connection.handle_request, request)
        return response, _ResponseBody(response.stream, partial(self._put_back, place, connection))

    def take(self, place: Place) -> httpcore.ConnectionInterface | None:
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

    def take_direct(self, place: Place) -> DirectConnection | None:
        """As ``take``; None also where a proxy stands between."""
        connection = self.take(place)
        if connection is None or isinstance(connection, DirectConnection):
            return connection
        self._put_back(place, connection)
        return None

    def _put_back(self, place: Place, connection: httpcore.ConnectionInterface) -> None:
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
        except _ERRORS as error:
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


def _closed_on_error(
    connection: httpcore.ConnectionInterface,
    step: Callable[P, T],
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """What a step of a request returns; if it fails, its connection is closed.

    Raises:
        httpx.TransportError: for httpcore's errors.
    """
    try:
        return step(*args, **kwargs)
    except _ERRORS as error:
        connection.close()
        raise _as_httpx(error) from error
    except BaseException:
        connection.close()
        raise


def _headers_of(raw: Headers) -> dict[str, str]:
    """Headers as httpx reads them; those of one name are joined."""
    headers: dict[str, str] = {}
    try:
        for name, value in raw:
            key, text = name.decode("ascii").lower(), value.decode()
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
    except UnicodeDecodeError:
        return {name.lower(): value for name, value in httpx.Headers(raw).items()}
    return headers


def _as_httpx(error: Exception) -> httpx.TransportError:
    """The error of httpx for one of httpcore's ``_ERRORS``."""
    kind = next(meaning for known, meaning in _MEANINGS.items() if isinstance(error, known))
    return kind(str(error))


def _url_of(place: Place, target: bytes) -> httpcore.URL:
    scheme, host, port = place
    named = None if port == _PORTS[scheme] else port
    return httpcore.URL(scheme=scheme, host=host, port=named, target=target)


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
        place: for ``Connections.get``.
        target: likewise.
        host: value of the header Host.
    """

    connections: Connections
    place: Place
    target: bytes
    host: bytes

    def take(self) -> DirectConnection | None:
        """An idle connection, for ``send``; None if there is none, or a proxy stands between."""
        return self.connections.take_direct(self.place)

    def send(
        self,
        connection: DirectConnection,
        headers: Mapping[str, str],
        timeouts: Mapping[str, float | None],
    ) -> Callable[[], Received]:
        """Sends a GET, with all headers but Host; returns what waits for the response."""
        sent = self._with_host(headers)
        return self.connections.sent(connection, self.place, self.target, sent, timeouts)

    def get(self, headers: Mapping[str, str], timeouts: Mapping[str, float | None]) -> Received:
        """As ``send`` over a connection that is found or made, and waits for the response."""
        return self.connections.get(self.place, self.target, self._with_host(headers), timeouts)

    def _with_host(self, headers: Mapping[str, str]) -> Headers:
        named = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        return [(b"Host", self.host), *named]


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
        self._known: dict[str, tuple[httpx.BaseTransport, Place, bytes]] = {}

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
        transport, place, host = self._known.get(url[:end]) or self._note(url[:end])
        if not isinstance(transport, Connections):
            return None
        return Shortcut(transport, place, url[end:].encode("ascii"), host)

    def _note(self, text: str) -> tuple[httpx.BaseTransport, Place, bytes]:
        url = httpx.URL(text)
        if len(self._known) >= _MOST_ORIGINS:
            self._known.clear()
        place = url.raw_scheme, url.raw_host, url.port or _PORTS[url.raw_scheme]
        known = self._known[text] = self.transport_for(url), place, url.netloc
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
