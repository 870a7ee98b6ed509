"""Maps writes to calls with pure functions, so that a dry run can show the calls."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from sessions_vtab.backends.vertex.bodies import event_body, patch_body, session_body
from sessions_vtab.backends.vertex.calls import Calls
from sessions_vtab.backends.vertex.names import Engine, SessionRef
from sessions_vtab.backends.vertex.scope import Scope
from sessions_vtab.backends.vertex.settings import Settings
from sessions_vtab.backends.vertex.tables import SCOPE
from sessions_vtab.contract import times
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.write import Action, Write
from sessions_vtab.errors import InvalidValueError, MissingParameterError, UnsupportedError
from sessions_vtab.fetch import Call

__all__ = ["Request", "Requests"]


def _new_invocation() -> str:
    """Returns a new invocation id in the form that ADK uses: ``e-`` and a UUID."""
    return f"e-{uuid.uuid4()}"


@dataclass(frozen=True, slots=True)
class Request:
    """A write as it is sent.

    Attributes:
        call: the call to send; None for an UPDATE that changes nothing.
        engine: the engine of the session.
        session: the session; None for an INSERT whose id the server generates.
    """

    call: Call | None
    engine: Engine
    session: SessionRef | None


class Requests:
    """Builds the requests of writes.

    Args:
        settings: settings of the source.
        calls: builds the source's calls.
        now: returns the current time in nanoseconds since 1970, the default event timestamp.
        invocation: generates an invocation id for events without one.
    """

    def __init__(
        self,
        settings: Settings,
        calls: Calls,
        now: Callable[[], int] = times.now,
        invocation: Callable[[], str] = _new_invocation,
    ) -> None:
        self._source = settings.source.name
        self._calls = calls
        self._scope = Scope(settings)
        self._now = now
        self._invocation = invocation

    def of(self, write: Write) -> Request:
        """Returns the request of a write, without sending it.

        Raises:
            StatementError: a value is not valid; the error names its column.
        """
        match write.table, write.action:
            case "sessions", Action.INSERT:
                return self._create(write)
            case "sessions", Action.UPDATE:
                return self._patch(write)
            case "sessions", Action.DELETE:
                session = self._existing(write)
                return Request(self._calls.delete_session(session), session.engine, session)
            case "events", Action.INSERT:
                return self.append(self._session_of(write.values), write.values, "events")
            case _:
                raise UnsupportedError(
                    f"{self._source}.{write.table} does not support {write.action}."
                )

    def append(self, session: SessionRef, values: Mapping[str, Value], where: str) -> Request:
        """The request that appends an event.

        Args:
            session: the session that the event is appended to.
            values: values by column of ``events``; timestamp and invocation id have defaults.
            where: the table or function, for errors.
        """
        if values.get("author") in {None, ""}:
            raise MissingParameterError(
                f"{self._source}.{where}: author is required: 'user' or an agent's name."
            )
        filled = {
            **values,
            "timestamp": values.get("timestamp") or times.to_text(self._now()),
            "invocation_id": values.get("invocation_id") or self._invocation(),
        }
        body = event_body(filled, f"{self._source}.{where}")
        return Request(self._calls.append_event(session, body), session.engine, session)

    def lane(self, write: Write) -> Hashable:
        """Returns the queue key of a write, its session; None if the session is not yet known."""
        try:
            session = self._target(write)
        except (InvalidValueError, MissingParameterError):
            return None  # Building the request reports the error.
        # The project is left out, because its id and its number name the same project.
        return session and (session.engine.location, session.engine.engine, session.session_id)

    def resolve(self, session: Value) -> SessionRef:
        """Returns the session that a function's argument names."""
        return self._scope.resolve(session, {})

    def _target(self, write: Write) -> SessionRef | None:
        if write.table == "events":
            return self._session_of(write.values)
        if write.action is not Action.INSERT:
            return self._existing(write)
        return self._new(write)[1]

    def _create(self, write: Write) -> Request:
        engine, session = self._new(write)
        body = session_body(write.values, f"{self._source}.sessions")
        session_id = session.session_id if session else None
        return Request(self._calls.create_session(engine, session_id, body), engine, session)

    def _new(self, write: Write) -> tuple[Engine, SessionRef | None]:
        """Returns the engine of a session to be created, and its id if the row gives one."""
        values = write.values
        given_id = values.get("session_id") or None
        name = values.get("name") or None
        if name is None:
            session = None if given_id is None else self._scope.resolve(given_id, values)
            return (session.engine if session else self._scope.default(values)), session
        session = self._scope.session(name)
        if session is None:
            raise InvalidValueError(
                f"{self._source}.sessions: {name!r:.100} is not a valid session name. Nothing"
                " was sent."
            )
        if given_id not in {None, session.session_id}:
            raise InvalidValueError(
                f"{self._source}.sessions: session_id {given_id!r:.80} does not match the"
                f" last part of name {name!r:.100}. Nothing was sent."
            )
        self._same_scope(session, values, "sessions")
        return session.engine, session

    def _patch(self, write: Write) -> Request:
        session = self._existing(write)
        if not write.values:
            return Request(None, session.engine, session)
        mask, body = patch_body(write.values, f"{self._source}.sessions")
        return Request(self._calls.patch_session(session, mask, body), session.engine, session)

    def _existing(self, write: Write) -> SessionRef:
        session = self._scope.session(write.key)
        if session is None:
            raise InvalidValueError(
                f"{self._source}.sessions: {write.key!r:.100} is not a valid session name."
            )
        return session

    def _session_of(self, values: Mapping[str, Value]) -> SessionRef:
        name, given_id = values.get("session_name"), values.get("session_id")
        if name is None and given_id is None:
            raise MissingParameterError(
                f"{self._source}.events: session_id (or session_name) is required."
            )
        if name is None:
            return self._scope.resolve(given_id, values)
        session = self._scope.session(name)
        if session is None or given_id not in {None, session.session_id}:
            raise InvalidValueError(
                f"{self._source}.events: session_name {name!r:.100} is not a valid session"
                " name, or does not match session_id. Nothing was sent."
            )
        self._same_scope(session, values, "events")
        return session

    def _same_scope(self, session: SessionRef, values: Mapping[str, Value], table: str) -> None:
        engine = session.engine
        own = (engine.project, engine.location, engine.engine)
        for column, value in zip(SCOPE, own, strict=True):
            if values.get(column) not in {None, value}:
                raise InvalidValueError(
                    f"{self._source}.{table}: {column} = {values[column]!r:.80} does not"
                    f" match the name {session.name}. Nothing was sent."
                )
