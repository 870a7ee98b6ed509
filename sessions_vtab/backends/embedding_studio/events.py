"""Reading ``events``: those of a session, or of all sessions of a batch."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Final

from sessions_vtab.backends.embedding_studio.batches import Batches, BatchPages, events_in
from sessions_vtab.backends.embedding_studio.calls import get_session, list_batch
from sessions_vtab.backends.embedding_studio.names import parse_event, parse_session
from sessions_vtab.backends.embedding_studio.tables import EVENTS_CAPABILITY, EVENTS_TABLE
from sessions_vtab.backends.embedding_studio.wire import EventFrame, event_fields
from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.scan import Page, Scan
from sessions_vtab.contract.write import Request
from sessions_vtab.fetch import Client, Reader
from sessions_vtab.fetch.rows import RowMaker

__all__ = ["Events"]

_PAGE: Final = 100


class Events(Resource):
    """The table ``events``."""

    table = EVENTS_TABLE
    capability = EVENTS_CAPABILITY

    def __init__(self, client: Client, batches: Batches) -> None:
        self._client = client
        self._batches = batches

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        reader = Reader(self._client, context)
        if scan.path.name == "batch":
            return self._of_batch(scan, reader)
        return self._of_sessions(scan, reader)

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
        """See ``Resource.prefetch``."""
        Reader(self._client, context).prefetch(
            get_session(session_id) for scan in scans for session_id in _sessions(scan)
        )

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        if any(scan.given(key) is None for key in scan.path.keys if key != "batch_id"):
            return super().preview(scan)  # A join will give it.
        batch_id = _batch_of(scan)
        if scan.path.name != "batch":
            return [self._client.preview(get_session(one)) for one in _sessions(scan)]
        if batch_id is None:
            return super().preview(scan)
        return [self._client.preview(list_batch(batch_id, 0, _PAGE, 0))]

    def _of_sessions(self, scan: Scan, reader: Reader) -> Generator[Page, None, None]:
        make = RowMaker(self.table, event_fields, scan.columns)
        wanted = _sessions(scan)
        batch_id = _batch_of(scan)
        with closing(reader.gather(map(get_session, wanted))) as replies:
            for session_id, reply in zip(wanted, replies, strict=True):
                if not reply.missing:
                    events = self._batches.all_events(reply, session_id, reader.get, batch_id)
                    yield make.page(events, EventFrame(reply.what, session_id))

    def _of_batch(self, scan: Scan, reader: Reader) -> Generator[Page, None, None]:
        make = RowMaker(self.table, event_fields, scan.columns)
        batch_id = _batch_of(scan)
        if batch_id is None:
            return
        call = list_batch(batch_id, 0, _PAGE, 0)
        with closing(reader.pages(call, BatchPages())) as replies:
            for reply in replies:
                for session in self._batches.saw_page(reply, batch_id):
                    frame = EventFrame(reply.what, session["session_id"])
                    yield make.page(events_in(session, reply), frame)


def _batch_of(scan: Scan) -> str | None:
    value = scan.parameters.get("batch_id")
    return None if value is None else str(value)


def _sessions(scan: Scan) -> list[str]:
    """The sessions that the path's key names, without duplicates; none for a batch."""
    for column in scan.path.keys:
        values = scan.given(column) or ()
        match column:
            case "name":
                events = [parse_event(value) for value in values]
                return list(dict.fromkeys(event[0] for event in events if event))
            case "session_name":
                names = [parse_session(value) for value in values]
                return list(dict.fromkeys(one for one in names if one is not None))
            case "session_id":
                return list(dict.fromkeys(str(value) for value in values))
    return []
