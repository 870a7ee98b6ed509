"""INSERT opens an upload session, UPDATE closes one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any

from sessions_vtab.backends.deepset import calls
from sessions_vtab.backends.deepset.calls import SessionPages
from sessions_vtab.backends.deepset.names import Scope, SessionRef
from sessions_vtab.backends.deepset.tables import PAGE_CAP, SESSIONS_TABLE
from sessions_vtab.backends.deepset.wire import (
    Session,
    Target,
    id_in,
    session_fields,
    target_of,
)
from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.write import Action, Outcome, OutcomeState, Write
from sessions_vtab.errors import InvalidValueError, ProtocolError, UnknownOutcomeError
from sessions_vtab.fetch import Call, Client, Item, Line, Reply, deliver
from sessions_vtab.fetch.rows import Frame, RowMaker

__all__ = ["Writer"]

_MODES = ("KEEP", "OVERWRITE", "FAIL")
_LONGEST = 86_400

_row = RowMaker(SESSIONS_TABLE, session_fields)


class Writer:
    """Writes rows of ``upload_sessions``.

    Args:
        client: sends the requests.
        scope: resolves names.
        targets: receives the upload target of each session opened here, by session name.
    """

    def __init__(self, client: Client, scope: Scope, targets: MutableMapping[str, Target]) -> None:
        self._client = client
        self._scope = scope
        self._targets = targets
        self._where = f"{client.site.source}.upload_sessions"

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``."""
        # At most ten sessions can be open. Closing one makes room, so then the order matters.
        mixed = len({write.action for write in writes}) > 1

        def lane(write: Write) -> Hashable:
            return "all" if mixed else write.key

        return deliver(self._client, writes, context, lane, self._perform)

    def call_for(self, write: Write) -> Call:
        """Returns the call of a write, without sending it.

        Raises:
            InvalidValueError: the API would reject a value. Nothing was sent.
        """
        if write.action is Action.INSERT:
            workspace = self._scope.workspace_of(write.values)
            return calls.create_session(workspace, self._body(write.values))
        status = write.values.get("status", "CLOSED")
        if status != "CLOSED":
            raise InvalidValueError(
                f"{self._where}.status can only be set to 'CLOSED', not {status!r:.60}. Nothing was"
                " sent."
            )
        return calls.close_session(self._session(write))

    def _perform(self, write: Write, line: Line) -> Outcome:
        reply = line.send(self.call_for(write))
        if write.action is Action.INSERT:
            return self._opened(write, reply)
        session = self._session(write)
        row = _row(*self._read(session, line)) if write.returning else None
        return Outcome(write, OutcomeState.SENT, row, session.name, http_status=reply.status)

    def _opened(self, write: Write, reply: Reply) -> Outcome:
        """Builds the outcome of a create call and remembers the upload target it returned."""
        try:
            body, frame = reply.object(), Frame(reply.what)
            session_id = id_in(body, "session_id", frame)
            ref = SessionRef(self._scope.workspace_of(write.values), session_id)
            target = self._targets[ref.name] = target_of(body, frame)
            listed = {
                "status": "OPEN",
                "write_mode": write.values.get("write_mode", "KEEP"),
                "expires_at": body.get("expires_at"),
            }
            row = _row(listed, Session(reply.what, ref, body, target=target))
        except ProtocolError as error:
            raise UnknownOutcomeError(
                f"{self._where}: {error} The service opened an upload session anyway; find it"
                " with SELECT session_id FROM upload_sessions WHERE status = 'OPEN'."
            ) from None
        return Outcome(write, OutcomeState.SENT, row, ref.name, http_status=reply.status)

    def _read(self, session: SessionRef, line: Line) -> tuple[Item, Session]:
        """Reads a session as stored: the response to its GET, and its row of a list."""
        detail = line.send(calls.get_session(session))
        frame = Session(
            detail.what, session, detail.object(), target=self._targets.get(session.name)
        )
        for expired in (False, True):
            call: Call | None = calls.list_sessions(session.workspace, PAGE_CAP, expired=expired)
            while call is not None:
                reply = line.send(call)
                for item in reply.items():
                    if item.get("session_id") == session.session_id:
                        return item, replace(frame, expired=expired)
                call = SessionPages().following(reply)
        return {}, frame

    def _session(self, write: Write) -> SessionRef:
        session = self._scope.named(write.key)
        if session is None:
            raise InvalidValueError(
                f"{self._where}: {write.key!r:.100} is not a valid upload session name."
            )
        return session

    def _body(self, values: Mapping[str, Value]) -> dict[str, Any]:
        """Returns the given values; the service has defaults for the rest."""
        body: dict[str, Any] = {}
        mode = values.get("write_mode")
        if mode is not None:
            body["write_mode"] = self._mode(mode)
        parallel = values.get("parallel_processing_enabled")
        if parallel is not None:
            body["parallel_processing_enabled"] = bool(parallel)
        seconds = values.get("expires_in_seconds")
        if seconds is not None:
            body["expires_in_seconds"] = self._seconds(seconds)
        return body

    def _mode(self, mode: Value) -> Value:
        if mode in _MODES:
            return mode
        why = (
            " (deepset's own SDK could no longer list the upload sessions)"
            if mode == "TEMPORARY"
            else ""
        )
        raise InvalidValueError(
            f"{self._where}.write_mode must be one of {', '.join(_MODES)}, not"
            f" {mode!r:.60}{why}. Nothing was sent."
        )

    def _seconds(self, seconds: Value) -> Value:
        if isinstance(seconds, int) and 1 <= seconds <= _LONGEST:
            return seconds
        raise InvalidValueError(
            f"{self._where}.expires_in_seconds must be from 1 to {_LONGEST}, not"
            f" {seconds!r:.60}. Nothing was sent."
        )
