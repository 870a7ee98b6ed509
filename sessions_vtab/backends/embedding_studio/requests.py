"""Maps rows to sessions and calls with pure functions, so that a dry run can show the calls."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from sessions_vtab.backends.embedding_studio.bodies import event_body, session_body
from sessions_vtab.backends.embedding_studio.calls import (
    mark_irrelevant,
    push_events,
    register_session,
)
from sessions_vtab.backends.embedding_studio.names import parse_event, parse_session
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.write import Action, Write
from sessions_vtab.errors import InvalidValueError, MissingParameterError
from sessions_vtab.fetch import Call

__all__ = ["Requests"]

_NOTHING = "Nothing was sent."


def _new_event() -> str:
    return str(uuid.uuid4())


class Requests:
    """Builds the requests of writes.

    Args:
        source: name of the source, for errors.
        new_event: generates an id for events without one.
    """

    def __init__(self, source: str, new_event: Callable[[], str] = _new_event) -> None:
        self._source = source
        self._new_event = new_event

    def of(self, write: Write) -> Call:
        """Returns the call of a single row; events of one session are sent together.

        Raises:
            StatementError: a value is not valid; the error names its column.
        """
        session_id = self.session_of(write)
        if write.table == "events":
            return push_events(session_id, [self.event(write)])
        if write.action is Action.INSERT:
            return register_session(self.session(write))
        return self.mark(write)

    def session(self, write: Write) -> dict[str, Any]:
        """Returns the body that registers a session."""
        return session_body(self.session_of(write), write.values, f"{self._source}.sessions")

    def mark(self, write: Write) -> Call:
        """Returns the call of an UPDATE, which can only set ``is_irrelevant`` to 1."""
        if write.values.get("is_irrelevant") != 1:
            raise InvalidValueError(
                f"{self._source}.sessions.is_irrelevant can only be set to 1, and this cannot"
                f" be undone. {_NOTHING}"
            )
        return mark_irrelevant(self.session_of(write))

    def event(self, write: Write) -> dict[str, Any]:
        """Returns the body of an event."""
        where = f"{self._source}.events"
        return self.event_of(self.given_event(write.values), write.values, where)

    def event_of(
        self, event_id: str | None, values: Mapping[str, Value], where: str
    ) -> dict[str, Any]:
        """Returns the body of an event, with a generated id unless one is given."""
        return event_body(self._new_event() if event_id is None else event_id, values, where)

    def given_event(self, values: Mapping[str, Value]) -> str | None:
        """Returns the event id from ``event_id`` or ``name``; None if neither is given."""
        named = parse_event(values.get("name"))
        event_id = values.get("event_id")
        if named is not None:
            return named[1]
        return None if event_id is None else str(event_id)

    def session_of(self, write: Write) -> str:
        """Returns the id of the session that a row belongs to.

        Raises:
            MissingParameterError: an INSERT names no session.
            InvalidValueError: a name is not valid, or contradicts another column.
        """
        where = f"{self._source}.{write.table}"
        if write.action is not Action.INSERT:
            return self._parsed(write.key, where)
        if write.table == "sessions":
            return self._session(write.values, where)
        return self._session_of_event(write.values, where)

    def _session(self, values: Mapping[str, Value], where: str) -> str:
        name, session_id = values.get("name"), values.get("session_id")
        if name is not None:
            found = self._parsed(name, where)
            self._agree(values, {"session_id": found}, where)
            return found
        if session_id is None:
            raise MissingParameterError(f"{where}: session_id is required. {_NOTHING}")
        return str(session_id)

    def _session_of_event(self, values: Mapping[str, Value], where: str) -> str:
        name, session_name = values.get("name"), values.get("session_name")
        if name is not None:
            event = parse_event(name)
            if event is None:
                raise InvalidValueError(
                    f"{where}: {name!r:.120} is not a valid event name"
                    f" (sessions/../events/..). {_NOTHING}"
                )
            self._agree(values, {"event_id": event[1]}, where)
            found = event[0]
        elif session_name is not None:
            found = self._parsed(session_name, where)
        elif values.get("session_id") is None:
            raise MissingParameterError(
                f"{where}: session_id (or session_name) is required. {_NOTHING}"
            )
        else:
            return str(values["session_id"])
        if session_name is not None and self._parsed(session_name, where) != found:
            raise InvalidValueError(f"{where}: session_name contradicts name. {_NOTHING}")
        self._agree(values, {"session_id": found}, where)
        return found

    def _parsed(self, name: Value, where: str) -> str:
        found = parse_session(name)
        if found is None:
            raise InvalidValueError(
                f"{where}: {name!r:.120} is not a valid session name (sessions/ID,"
                f" percent-encoded). {_NOTHING}"
            )
        return found

    def _agree(self, values: Mapping[str, Value], named: Mapping[str, str], where: str) -> None:
        """Raises if a value contradicts the same part of the resource name."""
        for column, value in named.items():
            if values.get(column) not in {None, value}:
                raise InvalidValueError(
                    f"{where}: {column} = {values[column]!r:.80} contradicts the name. Give"
                    f" only one of them. {_NOTHING}"
                )
