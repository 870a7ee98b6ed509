"""The calls of the API, as pure functions: what would be sent can be shown without sending it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sessions_vtab.backends.vertex.names import Engine, SessionRef, is_operation
from sessions_vtab.backends.vertex.settings import APPEND, Settings
from sessions_vtab.errors import ProtocolError
from sessions_vtab.fetch import WRITE, Answer, Call, path, plain

__all__ = ["Calls"]

# Recorded: "Session {name} not found."; in 2025 a list of ids took the place of the name. An engine
# that does not exist has another text, and is an error.
_NO_SESSION = (Answer(404, r"^Session\b.*\bnot found"),)

# proto3 leaves an empty list out: an empty page is {}, or a token alone (contract, section 2).
_BESIDE = frozenset(("nextPageToken",))


_NO_ENGINE = (Answer(404, r"^The ReasoningEngine does not exist\.?$"),)


class Calls:
    """Builds the calls of one source.

    Args:
        settings: settings of the source; they determine the API version and the hosts.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def get_session(self, session: SessionRef) -> Call:
        """Gets one session; a missing session gives no row."""
        return self._call("GET", session.engine, *_of(session), missing=_NO_SESSION)

    def list_sessions(
        self, engine: Engine, text: str = "", order: str = "", size: int = 100, token: str = ""
    ) -> Call:
        """A page of sessions.

        Args:
            engine: the engine whose sessions are listed.
            text: filter text, '' for no filter.
            order: ``orderBy``, '' for the service's default.
            size: number of rows per page.
            token: page token, '' for the first page.
        """
        query = _listing(text, order, size, token)
        return self._call(
            "GET", engine, "sessions", query=query, items="sessions", listing=True, beside=_BESIDE
        )

    def list_events(
        self, session: SessionRef, text: str = "", order: str = "", size: int = 100, token: str = ""
    ) -> Call:
        """A page of a session's events; a missing session has none."""
        return self._call(
            "GET",
            session.engine,
            *_of(session),
            "events",
            query=_listing(text, order, size, token),
            items="sessionEvents",
            listing=True,
            beside=_BESIDE,
            missing=_NO_SESSION,
        )

    def get_engine(self, engine: Engine) -> Call:
        """Gets one engine; a missing engine gives no row."""
        return self._call("GET", engine, missing=_NO_ENGINE)

    def list_engines(self, place: Engine, size: int = 100) -> Call:
        """A page of the engines of a project and location; the id of ``place`` is not used."""
        return Call(
            "GET",
            path(self._settings.version, *place.segments[:-1]),
            origin=self._settings.origin(place.location),
            query=(("pageSize", size),),
            items="reasoningEngines",
            listing=True,
            beside=_BESIDE,
        )

    def create_session(
        self, engine: Engine, session_id: str | None, body: Mapping[str, Any]
    ) -> Call:
        """Creates a session; the response is an operation."""
        query = (("sessionId", session_id),)
        return self._call("POST", engine, "sessions", query=query, json=dict(body), kind=WRITE)

    def patch_session(self, session: SessionRef, mask: str, body: Mapping[str, Any]) -> Call:
        """Changes the fields in the mask; the response is the session."""
        query = (("updateMask", mask),)
        return self._call(
            "PATCH", session.engine, *_of(session), query=query, json=dict(body), kind=WRITE
        )

    def delete_session(self, session: SessionRef) -> Call:
        """Deletes a session with its events; the response is an operation."""
        return self._call("DELETE", session.engine, *_of(session), kind=WRITE, done=_NO_SESSION)

    def append_event(self, session: SessionRef, body: Mapping[str, Any]) -> Call:
        """Appends an event; the response is ``{}``."""
        return self._call(
            "POST", session.engine, *_of(session), verb=":appendEvent", json=dict(body), kind=APPEND
        )

    def compact_session(self, session: SessionRef, body: Mapping[str, Any]) -> Call:
        """Shortens a session's history; the response is an operation."""
        return self._call(
            "POST", session.engine, *_of(session), verb=":compact", json=dict(body), kind=WRITE
        )

    def get_operation(self, operation: Mapping[str, Any], location: str | None) -> Call:
        """Gets an operation by its name; ProtocolError if the name is not valid."""
        name = operation.get("name")
        if not is_operation(name):
            raise ProtocolError(
                f"Source {self._settings.source.name}: {plain(repr(name), 100)} is not a"
                " valid operation name, so it was not requested."
            )
        segments = (self._settings.version, *str(name).split("/"))
        return Call("GET", path(*segments), origin=self._settings.origin(location))

    def _call(
        self, method: str, engine: Engine, *segments: str, verb: str = "", **rest: Any
    ) -> Call:
        whole = path(self._settings.version, *engine.segments, *segments, verb=verb)
        return Call(method, whole, origin=self._settings.origin(engine.location), **rest)


def _of(session: SessionRef) -> tuple[str, str]:
    return "sessions", session.session_id


def _listing(
    text: str, order: str, size: int, token: str
) -> tuple[tuple[str, str | int | None], ...]:
    return (
        ("pageSize", size),
        ("filter", text or None),
        ("orderBy", order or None),
        ("pageToken", token or None),
    )
