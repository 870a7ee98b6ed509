"""The ten operations as calls: pure functions, so that they can be shown without being sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sessions_vtab.backends.eleanor.names import SessionRef
from sessions_vtab.backends.eleanor.settings import Settings
from sessions_vtab.fetch import WRITE, Answer, Call

__all__ = ["Calls"]

# A session that is not there, or deleted. The shape of an error body is assumed: a status with a
# message, or a detail. FastAPI's own "Not Found" means that the route is not there.
_NO_SESSION = (
    Answer(404, r".", "status.message"),
    Answer(404, r"^(?!Not Found$).", "detail"),
    Answer(410),
)
_IN_THAT_STATE = (Answer(400),)


class Calls:
    """Makes the calls of one source.

    Args:
        settings: routes and fields.
    """

    def __init__(self, settings: Settings) -> None:
        self._routes = settings.routes
        self._sessions = settings.fields["sessions"]

    def get_session(self, ref: SessionRef) -> Call:
        """One session; a missing or deleted one gives no row."""
        return self._of("get", ref, missing=_NO_SESSION)

    def list_sessions(self, namespace: str, *, include_deleted: bool = False) -> Call:
        """Every session of a namespace in one answer: there are no pages."""
        route = self._routes["list"]
        query = (("include_deleted", "true" if include_deleted else None),)
        return Call(
            route.method,
            route.path(namespace=namespace),
            query,
            items=self._sessions,
            listing=True,
        )

    def create_session(self, namespace: str, body: Mapping[str, Any]) -> Call:
        """Makes a session."""
        route = self._routes["create"]
        return Call(route.method, route.path(namespace=namespace), json=dict(body), kind=WRITE)

    def update_session(
        self, ref: SessionRef, body: Mapping[str, Any], *, renames: bool = False
    ) -> Call:
        """Changes the fields in the body; repeated after a renaming, the old name is gone."""
        done = _NO_SESSION if renames else ()
        return self._of("update", ref, json=dict(body), kind=WRITE, repeatable=True, done=done)

    def delete_session(self, ref: SessionRef) -> Call:
        """Deletes softly."""
        return self._of("delete", ref, kind=WRITE, repeatable=True, done=_NO_SESSION)

    def undelete_session(self, ref: SessionRef) -> Call:
        """Takes a deletion back; 400 if there is none."""
        return self._of("undelete", ref, kind=WRITE, repeatable=True, done=_IN_THAT_STATE)

    def truncate_session(self, ref: SessionRef) -> Call:
        """Clears data and turns. Repeated, it could clear turns that came in between."""
        return self._of("truncate", ref, kind=WRITE)

    def integrate_session(self, ref: SessionRef) -> Call:
        """Starts the memory integration."""
        return self._of("integrate", ref, kind=WRITE)

    def bind_participant(self, ref: SessionRef, participant: str) -> Call:
        """Attaches a participant; 400 if it is attached."""
        return self._of("bind", ref, participant, kind=WRITE, repeatable=True, done=_IN_THAT_STATE)

    def unbind_participant(self, ref: SessionRef, participant: str) -> Call:
        """Detaches a participant; 400 if it is not attached."""
        return self._of(
            "unbind", ref, participant, kind=WRITE, repeatable=True, done=_IN_THAT_STATE
        )

    def _of(self, operation: str, ref: SessionRef, participant: str = "", **rest: Any) -> Call:
        route = self._routes[operation]
        places = {"namespace": ref.namespace, "session": ref.session, "participant": participant}
        return Call(route.method, route.path(**places), **rest)
