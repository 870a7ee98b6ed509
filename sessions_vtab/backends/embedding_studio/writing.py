"""Sending writes: sessions first, the events of a session in one call, and reading back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Final

from sessions_vtab.backends.embedding_studio.batches import Batches
from sessions_vtab.backends.embedding_studio.bodies import differing
from sessions_vtab.backends.embedding_studio.calls import get_session, register_session
from sessions_vtab.backends.embedding_studio.names import event_name, session_name
from sessions_vtab.backends.embedding_studio.pushing import Pushed, Pusher
from sessions_vtab.backends.embedding_studio.requests import Requests
from sessions_vtab.backends.embedding_studio.tables import EVENTS_TABLE, SESSIONS_TABLE
from sessions_vtab.backends.embedding_studio.wire import (
    EventFrame,
    SessionFrame,
    event_fields,
    session_fields,
)
from sessions_vtab.contract.backend import Context
from sessions_vtab.contract.values import dump_json
from sessions_vtab.contract.write import Action, Outcome, OutcomeState, Write
from sessions_vtab.errors import (
    ConflictError,
    RefusedError,
    SessionsError,
    StatementError,
    UnknownOutcomeError,
)
from sessions_vtab.fetch import Client, Line, Reply, deliver_groups, plain
from sessions_vtab.fetch.rows import RowMaker

__all__ = ["Writer"]

_session_row = RowMaker(SESSIONS_TABLE, session_fields)
_event_row = RowMaker(EVENTS_TABLE, event_fields)

# Null unless a registration gives them, so a value that was not sent reveals another registration.
_OPTIONAL: Final = frozenset(("search_meta", "payload_filter", "sort_by", "user_id"))


class Writer:
    """Writes rows of one source.

    Args:
        client: sends the requests.
        requests: builds the requests of writes.
        pusher: sends events.
        batches: the batches that the connection has seen.
    """

    def __init__(
        self, client: Client, requests: Requests, pusher: Pusher, batches: Batches
    ) -> None:
        self._client = client
        self._source = client.site.source
        self._requests = requests
        self._pusher = pusher
        self._batches = batches

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``."""
        groups = _groups(writes, self.lane)
        return deliver_groups(self._client, groups, context, self.lane, self._perform)

    def lane(self, write: Write) -> Hashable:
        """Returns the session of a write; writes with the same session are sent in order."""
        try:
            return self._requests.session_of(write)
        except StatementError:
            return None  # Building the request reports the error.

    def _perform(self, group: Sequence[Write], line: Line) -> list[Outcome]:
        if group[0].table == "events":
            return self._events(group, line)
        return [self._one(write, line) for write in group]

    def _one(self, write: Write, line: Line) -> Outcome:
        """Sends a row of ``sessions``."""
        if write.action is Action.INSERT:
            return self._register(write, line)
        reply = line.send(self._requests.mark(write))
        session_id = self._requests.session_of(write)
        found = self._look(session_id, line) if write.returning else None
        return self._outcome(write, session_id, reply, found)

    def _events(self, members: Sequence[Write], line: Line) -> list[Outcome]:
        """Sends events of one session in one call; sends nothing if one of them already exists."""
        session_id = self._requests.session_of(members[0])
        batch_id = next(
            (str(m.values["batch_id"]) for m in members if "batch_id" in m.values), None
        )
        bodies = [self._requests.event(member) for member in members]
        whole = any(self._requests.given_event(member.values) is not None for member in members)
        taken = self._pusher.known(session_id, line, batch_id=batch_id, whole=whole)
        fresh: dict[int, dict[str, Any]] = {}
        for member, body in zip(members, bodies, strict=True):
            if body["event_id"] not in taken:
                fresh[member.number] = body
                taken.add(body["event_id"])
            elif not member.ignore:
                conflict = self._pusher.conflict(session_id, body["event_id"])
                return list(_refused(members, member, conflict))
        if not fresh:
            return [_skipped(member) for member in members]
        look = any(member.returning for member in members)
        pushed = self._pusher.push(
            session_id, list(fresh.values()), line, batch_id=batch_id, look=look
        )
        return [
            self._pushed(member, fresh[member.number], session_id, pushed)
            if member.number in fresh
            else _skipped(member)
            for member in members
        ]

    def _register(self, write: Write, line: Line) -> Outcome:
        """Registers a session, then reads it: the response does not tell whether it was stored."""
        body = self._requests.session(write)
        session_id = body["session_id"]
        reply = line.send(register_session(body))
        found = self._look(session_id, line)
        try:
            self._compare(session_id, body, found.object())
        except RefusedError:
            line.in_doubt = False  # What is registered is known, and it is not this row.
            raise
        return self._outcome(write, session_id, reply, found)

    def _compare(self, session_id: str, body: dict[str, Any], kept: dict[str, Any]) -> None:
        """Raises if the registered session differs from the one that was sent."""
        fields = differing(body, kept, _OPTIONAL)
        which = f"{self._source}.sessions: session {session_id!r:.80}"
        if fields == ["payload_filter"]:
            filtered = plain(dump_json(kept.get("payload_filter")), 200)
            raise RefusedError(
                f"{which} is registered with a different payload_filter: {filtered}. Either"
                " it was registered before, or the service did not store what was sent."
            )
        if fields:
            raise ConflictError(
                f"{which} was already registered with different values of"
                f" {', '.join(fields)}. The first registration stays; nothing from this one"
                " was stored."
            )

    def _look(self, session_id: str, line: Line) -> Reply:
        found = line.send(get_session(session_id))
        if found.missing:
            raise UnknownOutcomeError(
                f"{self._source}.sessions: the service accepted session {session_id!r:.80},"
                " but does not return it. Try again later."
            )
        return found

    def _outcome(self, write: Write, session_id: str, reply: Reply, found: Reply | None) -> Outcome:
        row = None
        if found is not None:
            row = _session_row(found.object(), SessionFrame(found.what, self._batches))
        key = session_name(session_id)
        return Outcome(write, OutcomeState.SENT, row, key, http_status=reply.status)

    def _pushed(
        self, member: Write, body: dict[str, Any], session_id: str, pushed: Pushed
    ) -> Outcome:
        event_id = body["event_id"]
        key = event_name(session_id, event_id)
        if event_id in pushed.dropped:
            error = self._pusher.conflict(session_id, event_id)
            return Outcome(member, OutcomeState.FAILED, key=key, error=error)
        frame = EventFrame(pushed.reply.what, session_id)
        row = _event_row(pushed.stored[event_id], frame)
        status = pushed.reply.status
        return Outcome(member, OutcomeState.SENT, row, key, http_status=status)


def _groups(writes: Sequence[Write], lane: Callable[[Write], Hashable]) -> list[list[Write]]:
    """The writes of each call: the events of a session go in one, in the place of the first."""
    groups: dict[Hashable, list[Write]] = {}
    for write in sorted(writes, key=_rank):
        session = lane(write) if write.table == "events" else None
        groups.setdefault(write.number if session is None else ("of", session), []).append(write)
    return list(groups.values())


def _rank(write: Write) -> int:
    """The rank of a write in the sending order: sessions are registered before anything else."""
    return int(write.table != "sessions" or write.action is not Action.INSERT)


def _skipped(member: Write) -> Outcome:
    return Outcome(member, OutcomeState.SKIPPED)


def _refused(members: Sequence[Write], cause: Write, conflict: ConflictError) -> Iterator[Outcome]:
    """Outcomes if an event already exists: its row failed, and the other rows were not sent."""
    yield Outcome(cause, OutcomeState.FAILED, error=conflict)
    rest = SessionsError("Not sent: another event of the same request already exists.")
    for member in members:
        if member is not cause:
            yield Outcome(member, OutcomeState.NOT_SENT, error=rest)
