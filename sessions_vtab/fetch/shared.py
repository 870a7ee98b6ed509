"""One client a source and process, whatever the number of connections that use it."""

from __future__ import annotations

import os
import threading

from sessions_vtab.fetch.client import Client
from sessions_vtab.fetch.site import Site

__all__ = ["lease", "release"]

_clients: dict[tuple[int, Site], Client] = {}
_uses: dict[Client, int] = {}
_lock = threading.Lock()


def lease(site: Site) -> Client:
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


def release(client: Client) -> None:
    """Gives a lease back; the last one closes threads and sockets. Once for each lease."""
    with _lock:
        left = _uses.get(client, 1) - 1
        if left > 0:
            _uses[client] = left
            return
        _uses.pop(client, None)
        for key in [key for key, one in _clients.items() if one is client]:
            del _clients[key]
    client.close()
