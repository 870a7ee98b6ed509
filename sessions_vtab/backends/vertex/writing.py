"""Sending writes, following their operations, and resolving unknown outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from sessions_vtab.backends.vertex.bodies import shared_keys
from sessions_vtab.backends.vertex.calls import Calls
from sessions_vtab.backends.vertex.equality import is_event
from sessions_vtab.backends.vertex.filters import Bounds, timestamp_filter
from sessions_vtab.backends.vertex.names import Engine, EventRef, SessionRef
from sessions_vtab.backends.vertex.requests import Request, Requests
from sessions_vtab.backends.vertex.tables import EVENTS_TABLE, SESSIONS_TABLE
from sessions_vtab.backends.vertex.wire import (
    Frame,
    RowMaker,
    event_fields,
    last_segment,
    session_fields,
)
from sessions_vtab.contract import times
from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.values import dump_json
from sessions_vtab.contract.write import Action, Outcome, OutcomeState, Write
from sessions_vtab.errors import (
    ConflictError,
    RefusedError,
    SessionsError,
    UnknownOutcomeError,
)
from sessions_vtab.fetch import (
    Call,
    Client,
    Item,
    Line,
    Reply,
    TokenPages,
    deliver,
    finish_operation,
    plain,
)

__all__ = ["Writer"]

_VISIBLE_AFTER = (0.0, 0.5, 1.0, 2.0, 3.0)
"""Seconds before each GET of a new resource: it was 404 for up to 3 s (contract, section 4)."""

_session_row = RowMaker(SESSIONS_TABLE, session_fields)
_event_row = RowMaker(EVENTS_TABLE, event_fields)
_nameless_row = RowMaker(
    EVENTS_TABLE,
    {name: field for name, field in event_fields.items() if name not in {"name", "event_id"}},
)


class Writer:
    """Writes rows of one source."""

    def __init__(self, client: Client, calls: Calls, requests: Requests) -> None:
        self._client = client
        self._calls = calls
        self._requests = requests

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``."""
        before = _equal_before(writes)

        def perform(write: Write, line: Line) -> Outcome:
            return self._perform(write, line, before.get(write.number, 0))

        return deliver(self._client, writes, context, self._requests.lane, perform)

    def append(
        self, request: Request, line: Line, *, find: bool, before: int = 0
    ) -> tuple[Reply | None, Item | None]:
        """Appends an event.

        Args:
            request: the request from ``Requests.append``.
            line: sends the calls of the job.
            find: whether the event's name is wanted, which the response does not contain.
            before: number of equal events that were sent earlier and must not be taken for this
                one.

        Returns:
            The response, None if it was lost but the event was found; and the event, None if it
            was not looked for or is not yet visible.

        Raises:
            UnknownOutcomeError: the response was lost, and the event cannot be found.
        """
        call, session = _sent(request)
        try:
            reply = line.send(call)
        except UnknownOutcomeError as unknown:
            try:
                found = self._find_event(session, call, line, before)
            except SessionsError as error:
                raise unknown from error
            if found is None:
                raise
            return None, found
        return reply, self._known_event(session, call, line, before) if find else None

    def follow(self, reply: Reply, engine: Engine, line: Line) -> dict[str, Any]:
        """Returns the operation of a response once it is done."""
        return finish_operation(
            line, reply, lambda operation: self._calls.get_operation(operation, engine.location)
        )

    def _perform(self, write: Write, line: Line, before: int) -> Outcome:
        request = self._requests.of(write)
        match write.table, write.action:
            case "sessions", Action.INSERT:
                return self._create(write, request, line)
            case "sessions", Action.UPDATE:
                return self._patch(write, request, line)
            case "sessions", _:
                return self._delete(write, request, line)
            case _:
                return self._append(write, request, line, before)

    # Sessions

    def _create(self, write: Write, request: Request, line: Line) -> Outcome:
        if request.call is None:
            raise RefusedError("an INSERT always makes a call")
        call, session = request.call, request.session
        try:
            operation = self.follow(line.send(call), request.engine, line)
        except UnknownOutcomeError as unknown:
            if session is None:
                raise self._lost_create(unknown) from None
            operation = self._settle_create(session, call, line, unknown)
        response = operation.get("response")
        made = session or self._made(operation, request.engine)
        if not write.returning and isinstance(response, dict):
            return Outcome(write, OutcomeState.SENT, key=made.name, http_status=200)
        return replace(self._shown(write, made, line), response=dump_json(operation))

    def _made(self, operation: Mapping[str, Any], engine: Engine) -> SessionRef:
        """The session that an operation created, from its response or else from its name."""
        frame = Frame(engine, f"The operation of a new session in {engine.name}")
        response = operation.get("response")
        if isinstance(response, dict) and "name" in response:
            return SessionRef(engine, last_segment(response, frame))
        head = str(operation.get("name", "")).rpartition("/operations/")[0]
        return SessionRef(engine, last_segment({"name": head}, frame))

    def _settle_create(
        self, session: SessionRef, call: Call, line: Line, unknown: UnknownOutcomeError
    ) -> dict[str, Any]:
        """Returns the operation of a call whose response was lost.

        Checks whether the session exists. If it does not, the call can safely be sent once more,
        because the service would reject a second session with the same id.
        """
        try:
            return self._found_or_made(session, call, line, unknown)
        except UnknownOutcomeError:
            raise
        except SessionsError as error:
            raise unknown from error  # The first call may have taken effect, whatever came later.

    def _found_or_made(
        self, session: SessionRef, call: Call, line: Line, unknown: UnknownOutcomeError
    ) -> dict[str, Any]:
        looked = line.send(self._calls.get_session(session))
        found = None if looked.missing else looked
        if found is None:
            try:
                return self.follow(line.send(call), session.engine, line)
            except ConflictError:
                found = self._visible(
                    session, line
                )  # The first call took effect; its session becomes visible later.
        if found is None:
            raise UnknownOutcomeError(
                f"{unknown} Session {session.name} exists, but cannot be read yet."
            )
        if not _is_what_was_sent(found.object(), call.json):
            raise UnknownOutcomeError(
                f"{unknown} Session {session.name} exists, but differs from the row."
            )
        return {"response": found.object()}

    def _lost_create(self, unknown: UnknownOutcomeError) -> UnknownOutcomeError:
        return UnknownOutcomeError(
            f"{unknown} Look for the session with SELECT session_id FROM sessions WHERE"
            " user_id = '..' ORDER BY create_time DESC LIMIT 1. A row with its own"
            " session_id can safely be sent again."
        )

    def _patch(self, write: Write, request: Request, line: Line) -> Outcome:
        if request.call is None or request.session is None:
            return self._shown(write, _known(request), line)
        reply = line.send(request.call)
        session, body = request.session, reply.object()
        try:
            self._check_shared(write, body, session)
        except RefusedError:
            line.in_doubt = False  # It is certain what was done and what was not.
            raise
        if write.returning and "expireTime" not in body:
            return self._shown(write, session, line)
        row = _session_row(body, Frame.of(reply, session.engine)) if write.returning else None
        return Outcome(write, OutcomeState.SENT, row, session.name, http_status=reply.status)

    def _check_shared(self, write: Write, body: Mapping[str, Any], session: SessionRef) -> None:
        """Raises if an UPDATE would change ``app:`` or ``user:`` keys, which are not sent."""
        wanted, state = shared_keys(write.values.get("state")), body.get("sessionState") or {}
        changed = sorted(key for key in wanted if wanted[key] != state.get(key))
        if changed and "sessionState" in body:
            raise RefusedError(
                f"{self._client.site.source}.sessions: the state of {session.name} was"
                f" written without {plain(', '.join(changed), 200)}. These keys are shared"
                " with other sessions and can be changed only by an event: INSERT INTO"
                ' events(session_id, author, actions) VALUES (.., .., \'{"stateDelta":'
                " {..}}')."
            )

    def _delete(self, write: Write, request: Request, line: Line) -> Outcome:
        call, session = _sent(request)
        reply = line.send(call)
        operation = {} if reply.already else self.follow(reply, session.engine, line)
        return Outcome(
            write,
            OutcomeState.SENT,
            key=session.name,
            http_status=reply.status,
            response=dump_json(operation),
        )

    def _shown(self, write: Write, session: SessionRef, line: Line) -> Outcome:
        """Adds the stored session to the outcome; a new session may not be visible at once."""
        reply = self._visible(session, line)
        if reply is not None:
            row = _session_row(reply.object(), Frame.of(reply, session.engine))
            return Outcome(write, OutcomeState.SENT, row, session.name, http_status=200)
        raise UnknownOutcomeError(
            f"{self._client.site.source}.sessions: {session.name} was written, but cannot be"
            " read yet. Try again later."
        )

    def _visible(self, session: SessionRef, line: Line) -> Reply | None:
        """Returns the session as stored; None if it cannot be read within some seconds."""
        for pause in _VISIBLE_AFTER:
            if pause:
                line.pause(pause)
            reply = line.send(self._calls.get_session(session))
            if not reply.missing:
                return reply
        return None

    # Events

    def _append(self, write: Write, request: Request, line: Line, before: int) -> Outcome:
        call, session = _sent(request)
        reply, item = self.append(request, line, find=write.returning, before=before)
        frame = Frame(session.engine, "An event", session.session_id)
        # An event that cannot be read yet is stored anyway: return it as sent, without its name.
        row = _nameless_row(call.json, frame) if item is None else _event_row(item, frame)
        key = None if item is None else EventRef(session, last_segment(item, frame)).name
        status = reply.status if reply else None
        return Outcome(write, OutcomeState.SENT, row, key, http_status=status)

    def _known_event(self, session: SessionRef, call: Call, line: Line, before: int) -> Item | None:
        """Reads back an appended event, known only by its body; None if it cannot be read."""
        try:
            return self._find_event(session, call, line, before)
        except SessionsError:
            return None

    def _find_event(self, session: SessionRef, call: Call, line: Line, before: int) -> Item | None:
        """Finds the event that was sent among those with its timestamp; None if it is not there."""
        instant = times.require(call.json["timestamp"], "timestamp")
        text = timestamp_filter(Bounds(instant, instant)).text
        listing = self._calls.list_events(session, text, "timestamp desc")
        frame = Frame(session.engine, "An event", session.session_id)
        for pause in _VISIBLE_AFTER[:3]:
            if pause:
                line.pause(pause)
            equal = (item for item in _items(listing, line) if is_event(item, call.json))
            found = next(islice(equal, before, None), None)
            if found is not None:
                last_segment(found, frame)
                return found
        return None


def _items(listing: Call, line: Line) -> Iterator[Item]:
    """Yields the rows of a list, page by page."""
    call: Call | None = listing
    while call is not None:
        reply = line.send(call)
        yield from reply.items()
        call = TokenPages().following(reply)


def _equal_before(writes: Iterable[Write]) -> dict[int, int]:
    """For each write, the number of equal events queued before it; writes without any are omitted.

    A row without a timestamp or an invocation id of its own gets one that no other row has.
    """
    counts: Counter[frozenset[tuple[str, Value]]] = Counter()
    before: dict[int, int] = {}
    for write in writes:
        values = write.values
        if write.table == "events" and values.get("timestamp") and values.get("invocation_id"):
            row = frozenset(values.items())
            if counts[row]:
                before[write.number] = counts[row]
            counts[row] += 1
    return before


def _sent(request: Request) -> tuple[Call, SessionRef]:
    if request.call is None:
        raise RefusedError("there is nothing to send")
    return request.call, _known(request)


def _known(request: Request) -> SessionRef:
    if request.session is None:
        raise RefusedError("the session is not known")
    return request.session


def _is_what_was_sent(session: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether an existing session is the one whose response was lost.

    The service omits empty values, and ``temp:`` keys never enter a state (contract, sections 2
    and 3).
    """
    fields = ("userId", "displayName", "labels")
    if any((session.get(field) or None) != (sent.get(field) or None) for field in fields):
        return False
    state = session.get("sessionState") or {}
    wanted = sent.get("sessionState") or {}
    return all(
        key in state and state[key] == value
        for key, value in wanted.items()
        if not key.startswith("temp:")
    )
