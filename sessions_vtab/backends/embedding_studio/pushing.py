"""Sending events of one session in one call, and telling those the service would drop unseen.

A repeated (session, event) id is answered with success and not stored. So the session's events are
looked at first: a known id is an error before anything is sent. What another client stores between
that look and the call shows where the events are read back, for RETURNING.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sessions_vtab.backends.embedding_studio.batches import Batches, events_in
from sessions_vtab.backends.embedding_studio.bodies import differing
from sessions_vtab.backends.embedding_studio.calls import get_session, push_events
from sessions_vtab.errors import ConflictError, MissingParameterError, NotFoundError
from sessions_vtab.fetch import Line, Reply

__all__ = ["Pushed", "Pusher"]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a call.

    Attributes:
        reply: its answer.
        stored: what was read back of each event, by id; what was sent where it cannot be read.
        dropped: ids that somebody else stored with other content in the same moment.
    """

    reply: Reply
    stored: Mapping[str, Mapping[str, Any]]
    dropped: frozenset[str] = frozenset()


class Pusher:
    """Sends events.

    Args:
        source: name of the source, for errors.
        batches: where sessions with many events can be read.
    """

    def __init__(self, source: str, batches: Batches) -> None:
        self._source = source
        self._batches = batches

    def known(self, session_id: str, line: Line, *, batch_id: str | None, whole: bool) -> set[str]:
        """Ids of the session's events.

        Args:
            session_id: the session.
            line: of the job.
            batch_id: its batch, if the user named it.
            whole: all of them are needed; else as many as one answer shows.

        Raises:
            NotFoundError: there is no such session. The service would keep the events all the
                same, where nobody sees them.
            MissingParameterError: all are needed, and the batch is not known.
        """
        reply = line.send(get_session(session_id))
        if reply.missing:
            raise NotFoundError(
                f"{self._source}.events: session {session_id!r:.80} does not exist. Register"
                " it first with INSERT INTO sessions(session_id, search_query,"
                " search_results). Nothing was sent."
            )
        if not whole:
            return _ids(events_in(reply.object(), reply))
        try:
            return _ids(self._batches.all_events(reply, session_id, line.send, batch_id))
        except MissingParameterError as error:
            raise MissingParameterError(
                f"{error} Without that, a reused event_id cannot be detected; leave event_id"
                " out. Nothing was sent."
            ) from None

    def push(
        self,
        session_id: str,
        events: Sequence[Mapping[str, Any]],
        line: Line,
        *,
        batch_id: str | None = None,
        look: bool = True,
    ) -> Pushed:
        """Sends events and reads them back.

        Args:
            session_id: the session.
            events: bodies, at least one.
            line: of the job.
            batch_id: the session's batch, if the user named it.
            look: the times that the service gave are wanted.
        """
        reply = line.send(push_events(session_id, events))
        sent = {event["event_id"]: event for event in events}
        if not look:
            return Pushed(reply, sent)
        stored = {**sent, **self._stored(session_id, line, batch_id)}
        changed = (one for one, event in sent.items() if differing(event, stored[one]))
        return Pushed(reply, stored, frozenset(changed))

    def conflict(self, session_id: str, event_id: str) -> ConflictError:
        """The error for an event that is there already."""
        return ConflictError(
            f"{self._source}.events: session {session_id!r:.80} already has an event"
            f" {event_id!r:.80}, which was kept. INSERT OR IGNORE skips existing"
            " events."
        )

    def _stored(
        self, session_id: str, line: Line, batch_id: str | None
    ) -> dict[str, Mapping[str, Any]]:
        reply = line.send(get_session(session_id))
        if reply.missing:
            return {}
        try:
            events = self._batches.all_events(reply, session_id, line.send, batch_id)
        except MissingParameterError:
            # They are stored; only the times the service gave them cannot be seen.
            events = events_in(reply.object(), reply)
        return {str(event.get("event_id")): event for event in events}


def _ids(events: Sequence[Mapping[str, Any]]) -> set[str]:
    return {str(event.get("event_id")) for event in events}
