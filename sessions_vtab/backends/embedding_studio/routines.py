"""The functions: clicks, marks, and batches for improvement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing

from sessions_vtab.backends.embedding_studio.batches import Batches, BatchPages
from sessions_vtab.backends.embedding_studio.calls import (
    list_batch,
    mark_irrelevant,
    release_batch,
    use_for_improvement,
)
from sessions_vtab.backends.embedding_studio.names import event_name, session_id_of, session_name
from sessions_vtab.backends.embedding_studio.pushing import Pushed, Pusher
from sessions_vtab.backends.embedding_studio.requests import Requests
from sessions_vtab.backends.embedding_studio.tables import SESSIONS_TABLE
from sessions_vtab.backends.embedding_studio.wire import SessionFrame, session_fields
from sessions_vtab.contract.backend import Arguments, Context, Routine
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.values import dump_json
from sessions_vtab.errors import InvalidValueError, NotFoundError
from sessions_vtab.fetch import Call, Client, Line, Reader, Reply, run_job
from sessions_vtab.fetch.rows import Frame, RowMaker, epoch_of, text_of

__all__ = ["Routines"]

_released_batch = text_of("batch_id", required=True)
_released_at = epoch_of("released_at")


class Routines:
    """The functions of one source.

    Args:
        client: sends the requests.
        requests: builds the bodies.
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

    @property
    def by_name(self) -> Mapping[str, Routine]:
        """The functions by their names in SQL."""
        return {
            "push_event": self._push_event,
            "mark_session_irrelevant": self._mark,
            "use_session_for_improvement": self._use,
            "batch_sessions": self._batch_sessions,
            "release_batch": self._release,
        }

    def _push_event(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        session_id = session_id_of(arguments["session"])
        given = arguments.get("event")
        event_id = None if given is None else str(given)
        body = self._requests.event_of(event_id, arguments, f"{self._source}.push_event")

        def job(line: Line) -> Pushed:
            whole = event_id is not None
            known = self._pusher.known(session_id, line, batch_id=None, whole=whole)
            if body["event_id"] in known:
                raise self._pusher.conflict(session_id, body["event_id"])
            return self._pusher.push(session_id, [body], line, look=False)

        reply = run_job(self._client, context, job).reply
        name = event_name(session_id, body["event_id"])
        yield name, body["event_id"], session_name(session_id), dump_json(reply.json)

    def _mark(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        session_id = session_id_of(arguments["session"])
        reply = self._send(mark_irrelevant(session_id), context)
        yield session_id, 1, dump_json(reply.json)

    def _use(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        """Schedules a session; the response never says whether anything was scheduled."""
        session_id = session_id_of(arguments["session"])
        reply = self._send(use_for_improvement(session_id), context)
        yield session_id, None, None, dump_json(reply.json)

    def _batch_sessions(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        batch_id = str(arguments["batch"])
        after = self._count(arguments, "after_number") or 0
        call = list_batch(batch_id, after, 100, self._count(arguments, "events_limit"))
        make = RowMaker(SESSIONS_TABLE, session_fields)
        names = [column.name for column in FUNCTIONS["batch_sessions"].results]
        places = [SESSIONS_TABLE.positions[name] for name in names]
        with closing(Reader(self._client, context).pages(call, BatchPages())) as replies:
            for reply in replies:
                frame = SessionFrame(reply.what, self._batches)
                for item in self._batches.saw_page(reply, batch_id):
                    row = make(item, frame)
                    yield tuple(row[place] for place in places)

    def _release(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        reply = self._send(release_batch(str(arguments["release_id"])), context)
        if reply.missing:
            raise NotFoundError(
                f"{self._source}.release_batch: no batch is collecting sessions. Nothing was"
                " released; the next registered session starts a new batch."
            )
        body, frame = reply.object(), Frame(reply.what)
        batch_id = _released_batch(body, frame)
        self._batches.saw(str(batch_id))
        yield batch_id, _released_at(body, frame), dump_json(body)

    def _send(self, call: Call, context: Context) -> Reply:
        return run_job(self._client, context, lambda line: line.send(call))

    def _count(self, arguments: Arguments, name: str) -> int | None:
        value = arguments.get(name)
        if value is None or (isinstance(value, int) and 0 <= value < 2**63):
            return value
        raise InvalidValueError(
            f"{self._source}.batch_sessions: {name} must be 0 or a positive number, not"
            f" {value!r:.40}."
        )
