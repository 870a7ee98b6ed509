"""Sending events of one session in one call, and finding those that the service would discard.

For a repeated (session, event) id the service reports success but stores nothing. So the session's
events are read first, and a known id is an error before anything is sent. Events that another
client stores between that read and the call are found when the events are read back, for RETURNING.
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
    """The result of a call.

    Attributes:
        reply: the response.
        stored: each event by id, as read back, or as sent if it cannot be read.
        dropped: ids that another client stored with other content at the same moment.
    """

    reply: Reply
    stored: Mapping[str, Mapping[str, Any]]
    dropped: frozenset[str] = frozenset()


class Pusher:
    """Sends events.

    Args:
        source: name of the source, for errors.
        batches: the known batches, from which sessions with many events are read.
    """

    def __init__(self, source: str, batches: Batches) -> None:
        self._source = source
        self._batches = batches

    def known(self, session_id: str, line: Line, *, batch_id: str | None, whole: bool) -> set[str]:
        """Returns the ids of the session's events.

        Args:
            session_id: the id of the session.
            line: sends the calls of the job.
            batch_id: its batch, if the user named it.
            whole: whether all ids are needed; otherwise those in one response suffice.

        Raises:
            NotFoundError: the session does not exist. The service would store the events anyway,
                but nobody could read them.
            MissingParameterError: all ids are needed, but the batch is not known.
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
            session_id: the id of the session.
            events: the bodies of one or more events.
            line: sends the calls of the job.
            batch_id: the session's batch, if the user named it.
            look: whether the times that the service set are wanted.
        """
        reply = line.send(push_events(session_id, events))
        sent = {event["event_id"]: event for event in events}
        if not look:
            return Pushed(reply, sent)
        stored = {**sent, **self._stored(session_id, line, batch_id)}
        changed = (one for one, event in sent.items() if differing(event, stored[one]))
        return Pushed(reply, stored, frozenset(changed))

    def conflict(self, session_id: str, event_id: str) -> ConflictError:
        """Returns the error for an event that already exists."""
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
            # The events are stored; only the times that the service set cannot be read.
            events = events_in(reply.object(), reply)
        return {str(event.get("event_id")): event for event in events}


def _ids(events: Sequence[Mapping[str, Any]]) -> set[str]:
    return {str(event.get("event_id")) for event in events}
