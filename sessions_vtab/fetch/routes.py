"""Which connections lead where: directly, or through the environment's proxies."""

from __future__ import annotations

import functools
import re
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib import request as environment

import httpcore
import httpx

from sessions_vtab.fetch.connections import KEEP_ALIVE, Connections
from sessions_vtab.fetch.deadline import TimedBackend
from sessions_vtab.fetch.site import is_loopback

__all__ = ["Routes", "Shortcut", "is_plain", "open_routes"]

_LONGEST: Final = 65_536
"""Characters of a URL; httpx refuses longer ones."""

# What follows the host of a URL that httpx would send as it is written.
_PLAIN: Final = re.compile(
    r"/[A-Za-z0-9._~/:+-]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~/:+-]*)*"
    r"(?:\?[A-Za-z0-9._~&=+*-]*(?:%[0-9A-Fa-f]{2}[A-Za-z0-9._~&=+*-]*)*)?",
    re.ASCII,
).fullmatch
_MOST_ORIGINS: Final = 64


def is_plain(url: str, start: int) -> bool:
    """Whether what follows the host of a URL, from ``start`` on, is sent as it is written."""
    return len(url) <= _LONGEST and _PLAIN(url, start) is not None and "/." not in url


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
        """The way of a URL in plain letters; None: httpx has to read it.

        httpx reads a URL letter by letter, which costs a tenth of a whole request. Here that is
        done once for each origin.
        """
        end = url.find("/", url.find("://") + 3)
        if end < 0 or not is_plain(url, end):
            return None
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
    options: dict[str, Any] = {
        "ssl_context": _certificates(),
        "keepalive_expiry": KEEP_ALIVE,
        "network_backend": TimedBackend(httpcore.SyncBackend(), opened),
    }
    proxied = {
        scheme: Connections(_proxy(found[scheme], options).create_connection)
        for scheme in ("http", "https")
        if found.get(scheme)
    }
    direct = Connections(httpcore.ConnectionPool(**options).create_connection)
    return Routes(direct, proxied, found)


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Whom we trust; reading the certificates takes 20 ms, so it is done once a process."""
    return httpx.create_ssl_context(trust_env=False)


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
