"""Which connections lead where: directly, or through the environment's proxies."""

from __future__ import annotations

import functools
import ssl
from collections.abc import Mapping
from urllib import request as environment

import httpx

from sessions_vtab.fetch.deadline import TimedBackend
from sessions_vtab.fetch.site import is_loopback

__all__ = ["Routes", "open_routes"]

_KEEP_ALIVE = 30.0


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

    def transport_for(self, url: httpx.URL) -> httpx.BaseTransport:
        """Through the proxy of the URL's scheme, except to loopback and what NO_PROXY names."""
        proxied = self._proxied.get(url.scheme)
        if proxied is None or is_loopback(url.host):
            return self._direct
        return self._direct if _bypasses(url.host, self._bypass) else proxied

    def close(self) -> None:
        """Closes all connections."""
        self._direct.close()
        for transport in self._proxied.values():
            transport.close()


def open_routes(connections: int) -> Routes:
    """Routes by HTTP_PROXY, HTTPS_PROXY and NO_PROXY; nothing else is read from the environment.

    Args:
        connections: most open at once.
    """
    limits = httpx.Limits(
        max_connections=connections,
        max_keepalive_connections=connections,
        keepalive_expiry=_KEEP_ALIVE,
    )
    found = environment.getproxies_environment()
    trust = _certificates()
    proxied = {
        scheme: _timed(
            httpx.HTTPTransport(trust, proxy=_proxy(found[scheme]), limits=limits, trust_env=False)
        )
        for scheme in ("http", "https")
        if found.get(scheme)
    }
    direct = _timed(httpx.HTTPTransport(trust, limits=limits, trust_env=False))
    return Routes(direct, proxied, found)


def _timed(transport: httpx.HTTPTransport) -> httpx.HTTPTransport:
    """The transport with waits that end with the exchange; httpx has no parameter for that."""
    pool = transport._pool  # noqa: SLF001  # test_slow.py fails where httpx has it no more.
    pool._network_backend = TimedBackend(pool._network_backend)  # noqa: SLF001
    return transport


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Whom we trust; reading the certificates takes 20 ms, so it is done once a process."""
    return httpx.create_ssl_context(trust_env=False)


def _bypasses(host: str, proxies: dict[str, str]) -> bool:
    """What NO_PROXY says about a host; typeshed does not know the function."""
    return bool(environment.proxy_bypass_environment(host, proxies))  # type: ignore[attr-defined]


def _proxy(url: str) -> str:
    return url if "://" in url else f"http://{url}"
