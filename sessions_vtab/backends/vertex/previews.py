"""Requests shown before they are sent, with placeholders for values that are not yet known."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from sessions_vtab.backends.vertex.names import Engine, SessionRef
from sessions_vtab.backends.vertex.settings import Settings
from sessions_vtab.contract.scan import Scan
from sessions_vtab.contract.write import Request
from sessions_vtab.fetch import Call, Client

__all__ = ["lacks_key", "place_of", "previewed"]

_PLACE = re.compile(r"%7B(\w+)%7D", re.ASCII)


def previewed(client: Client, calls: Iterable[Call]) -> tuple[Request, ...]:
    """Returns previews of the calls, with readable placeholders in their paths."""
    return tuple(_readable(client.preview(call)) for call in calls)


def lacks_key(scan: Scan) -> bool:
    """Whether the values of a key are not yet known, because a join supplies them."""
    return any(scan.given(key) is None for key in scan.path.keys)


def place_of(settings: Settings) -> SessionRef:
    """A placeholder for a session whose id is not yet known."""
    engine = settings.engine or "{reasoning_engine}"
    return SessionRef(Engine(settings.project, settings.location, engine), "{session}")


def _readable(request: Request) -> Request:
    path, mark, query = request.url.partition("?")
    return replace(request, url=_PLACE.sub(r"{\1}", path) + mark + query)
