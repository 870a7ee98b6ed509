"""Sending writes, and finding out what became of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from sessions_vtab.backends.eleanor.calls import Calls
from sessions_vtab.backends.eleanor.names import ParticipantRef, SessionRef
from sessions_vtab.backends.eleanor.requests import Request, Requests
from sessions_vtab.backends.eleanor.tables import PARTICIPANTS_TABLE, SESSIONS_TABLE
from sessions_vtab.backends.eleanor.wire import Found, Wire, row_of
from sessions_vtab.errors import ConflictError, RefusedError, UnknownOutcomeError
from sessions_vtab.fetch import Call, Client, Line, Reply, deliver
from sessions_vtab.fetch.rows import RowMaker
from sessions_vtab.spec.backend import Context
from sessions_vtab.spec.scan import Row
from sessions_vtab.spec.write import Action, Outcome, OutcomeState, Write

__all__ = ["Writer"]

_BAD_REQUEST = 400


class Writer:
    """Writes rows of one source.

    Args:
        client: sends.
        calls: makes the calls.
        requests: of writes.
        wire: reads the answers.
    """

    def __init__(self, client: Client, calls: Calls, requests: Requests, wire: Wire) -> None:
        self._client = client
        self._source = client.site.source
        self._calls = calls
        self._requests = requests
        self._wire = wire
        self._row = RowMaker(SESSIONS_TABLE, wire.columns)

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``. Sessions are made before anything is bound to them."""
        ordered = sorted(writes, key=lambda write: not _makes_session(write))
        lane = self._requests.lanes(ordered)
        return deliver(self._client, ordered, context, lane, self._perform)

    def act(self, call: Call, ref: SessionRef, line: Line) -> tuple[Reply, Found]:
        """Sends a call about a session: the answer, and the session as it is then."""
        reply = line.send(call)
        return reply, self.after(reply, ref, line)

    def bind(self, call: Call, ref: SessionRef, participant: str, line: Line) -> Reply:
        """Sends a binding; raises ConflictError if the participant was bound before."""
        try:
            return line.send(call)
        except RefusedError as error:
            if error.status != _BAD_REQUEST or self._bound(ref, participant, line) is None:
                raise
            raise ConflictError(
                f"{self._source}.participants: {participant!r:.80} is already bound to {ref.name}."
            ) from error

    def look(self, ref: SessionRef, line: Line) -> Found | None:
        """The session as it is now; None if it is missing or deleted."""
        reply = line.send(self._calls.get_session(ref))
        return None if reply.missing else self._wire.session(reply, ref.namespace)

    def _perform(self, write: Write, line: Line) -> Outcome:
        request = self._requests.of(write)
        perform: Mapping[tuple[str, Action], Callable[[Write, Request, Line], Outcome]] = {
            ("sessions", Action.INSERT): self._create,
            ("sessions", Action.UPDATE): self._update,
            ("sessions", Action.DELETE): self._delete,
            ("participants", Action.INSERT): self._bind,
            ("participants", Action.DELETE): self._delete,
        }
        return perform[write.table, write.action](write, request, line)

    def _create(self, write: Write, request: Request, line: Line) -> Outcome:
        try:
            reply = line.send(request.call)
        except UnknownOutcomeError as unknown:
            return self._session(write, self._settle(request, line, unknown))
        return self._answered(write, reply, request.session, line)

    def _settle(self, request: Request, line: Line, unknown: UnknownOutcomeError) -> Found:
        """The session of a call whose answer was lost.

        Looks whether it is there. If not, the call is sent once more: names are unique, so that no
        second session can come of it.
        """
        found = self.look(request.session, line)
        if found is None:
            return self.after(line.send(request.call), request.session, line)
        sent: Mapping[str, object] = request.call.json
        if any(found.item.get(field) != value for field, value in sent.items()):
            raise UnknownOutcomeError(
                f"{unknown} Session {request.session.name} exists, but differs from the row."
            )
        return found

    def _update(self, write: Write, request: Request, line: Line) -> Outcome:
        reply = line.send(request.call)
        if write.values.get("deleted") == 1 and self._wire.find_session(reply, "") is None:
            # A deleted session can no longer be read.
            return Outcome(write, OutcomeState.SENT, key=write.key, http_status=reply.status)
        return self._answered(write, reply, request.session, line)

    def _delete(self, write: Write, request: Request, line: Line) -> Outcome:
        reply = line.send(request.call)
        return Outcome(write, OutcomeState.SENT, key=write.key, http_status=reply.status)

    def _bind(self, write: Write, request: Request, line: Line) -> Outcome:
        reply = self.bind(request.call, request.session, request.participant, line)
        key = ParticipantRef(request.session, request.participant).name
        if not write.returning:
            return Outcome(write, OutcomeState.SENT, key=key, http_status=reply.status)
        found = self.after(reply, request.session, line)
        bound = self._among(found, request.participant)
        if bound is None:
            raise UnknownOutcomeError(
                f"{self._source}.participants: the service accepted"
                f" {request.participant!r:.80}, but does not list it in"
                f" {request.session.name}."
            )
        row = row_of(PARTICIPANTS_TABLE, bound)
        return Outcome(write, OutcomeState.SENT, row, bound["name"], http_status=reply.status)

    def _bound(
        self, ref: SessionRef, participant: str, line: Line
    ) -> Mapping[str, str | None] | None:
        found = self.look(ref, line)
        return None if found is None else self._among(found, participant)

    def _among(self, found: Found, participant: str) -> Mapping[str, str | None] | None:
        """The participant of that name or pkid."""
        for one in self._wire.participants(found):
            if participant in {one["participant"], one["pkid"]}:
                return one
        return None

    def _answered(self, write: Write, reply: Reply, ref: SessionRef, line: Line) -> Outcome:
        if not write.returning:
            return Outcome(write, OutcomeState.SENT, key=ref.name, http_status=reply.status)
        return self._session(write, self.after(reply, ref, line), reply.status)

    def _session(self, write: Write, found: Found, status: int | None = None) -> Outcome:
        row: Row = self._row(found.item, found.frame)
        key = self._wire.ref_of(found).name
        return Outcome(write, OutcomeState.SENT, row, key, http_status=status)

    def after(self, reply: Reply, ref: SessionRef, line: Line) -> Found:
        """The session that an answer holds; asked for where it holds none."""
        found = None if reply.already else self._wire.find_session(reply, ref.namespace)
        found = found or self.look(ref, line)
        if found is None:
            raise UnknownOutcomeError(
                f"{line.where}: {reply.call.method} {reply.url} was accepted, but {ref.name}"
                " cannot be read. Try again later."
            )
        return found


def _makes_session(write: Write) -> bool:
    return write.table == "sessions" and write.action is Action.INSERT
