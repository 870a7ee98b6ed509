"""One client a source and process, whatever the number of connections that use it."""

from __future__ import annotations

import os
import threading

from sessions_vtab.errors import UnsupportedError
from sessions_vtab.fetch.client import Client
from sessions_vtab.fetch.site import Endpoint

__all__ = ["ClientHandle", "shared_client"]

_clients: dict[tuple[int, Endpoint], Client] = {}
_uses: dict[Client, int] = {}
_lock = threading.Lock()


def _renew() -> None:
    """In a forked process: a thread that is not there any more may have held the lock."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)


def shared_client(site: Endpoint) -> Client:
    """The client of a site: the one that other connections use, else a new one.

    Equal settings share threads, sockets, rate limits and ``cache_ttl`` answers. A forked process
    has clients of its own.
    """
    with _lock:
        key = (os.getpid(), site)
        client = _clients.get(key)
        if client is None:
            client = _clients[key] = Client(site)
        _uses[client] = _uses.get(client, 0) + 1
        return client


class ClientHandle:
    """What a backend has of a client that others may use too, until it is closed.

    Args:
        client: of ``shared_client``, or a test's own.

    Attributes:
        site: where it sends to, also when it is closed.
    """

    __slots__ = ("_client", "site")

    def __init__(self, client: Client) -> None:
        self._client: Client | None = client
        self.site = client.site

    @property
    def client(self) -> Client:
        """The client; raises UnsupportedError when the source is closed."""
        if self._client is None:
            raise UnsupportedError(f"{self.site.source} is closed.")
        return self._client

    def close(self) -> None:
        """Gives it back, once; the last one closes threads and sockets."""
        client, self._client = self._client, None
        if client is not None:
            _give_back(client)


def _give_back(client: Client) -> None:
    with _lock:
        left = _uses.get(client, 1) - 1
        if left > 0:
            _uses[client] = left
            return
        _uses.pop(client, None)
        for key in [key for key, one in _clients.items() if one is client]:
            del _clients[key]
    client.close()
