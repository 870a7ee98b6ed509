"""The table ``sessions``: read by id, created by INSERT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from sessions_vtab.backends.whylabs import calls
from sessions_vtab.backends.whylabs.settings import Settings, may_ask
from sessions_vtab.backends.whylabs.tables import SESSIONS_CAPABILITY, SESSIONS_TABLE
from sessions_vtab.backends.whylabs.wire import session_fields, session_id_in
from sessions_vtab.errors import ProtocolError, SessionsError, UnknownOutcomeError
from sessions_vtab.fetch import Call, Client, Item, Line, Reader, Reply
from sessions_vtab.fetch.rows import Frame, RowMaker
from sessions_vtab.spec.backend import Context, Resource
from sessions_vtab.spec.names import ids_of
from sessions_vtab.spec.predicate import Value
from sessions_vtab.spec.scan import Page, Scan
from sessions_vtab.spec.write import Outcome, OutcomeState, Request, Write

__all__ = ["Sessions", "call_for", "create", "id_of"]

_row = RowMaker(SESSIONS_TABLE, session_fields)


class Sessions(Resource):
    """The table ``sessions``."""

    table = SESSIONS_TABLE
    capability = SESSIONS_CAPABILITY

    def __init__(self, client: Client) -> None:
        self._client = client

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        make = RowMaker(self.table, session_fields, scan.columns)
        requests = map(calls.get_session, _wanted(scan))
        with closing(Reader(self._client, context).gather(requests)) as replies:
            for reply in replies:
                if not reply.missing:
                    yield [make(_session(reply), Frame(reply.what))]

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        if any(scan.given(key) is None for key in scan.path.keys):
            return super().preview(scan)  # A join will give it.
        return [self._client.preview(calls.get_session(one)) for one in _wanted(scan)]

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
        """See ``Resource.prefetch``."""
        Reader(self._client, context).prefetch(
            calls.get_session(one) for scan in scans for one in _wanted(scan)
        )


def id_of(session: Value) -> str:
    """The id in a function's argument: an id, or a full name."""
    found = ids_of(session, "sessions")
    return found[0] if found else str(session)


def call_for(write: Write) -> Call:
    """The call that an INSERT makes."""
    return calls.create_session(str(write.values["user_id"]))


def create(write: Write, line: Line, settings: Settings) -> Outcome:
    """Creates a session.

    The service answers with the id alone. For RETURNING the rest is asked for, if there is a key;
    it stays NULL if that is refused: the session exists all the same.
    """
    reply = line.send(call_for(write))
    try:
        session_id = session_id_in(reply.object(), Frame(reply.what), "id")
    except ProtocolError as error:
        raise UnknownOutcomeError(f"{error} A session may have been created.") from None
    item: Item = {"sessionId": session_id}
    if write.returning and may_ask(settings, line.client.site):
        item = _completed(item, line)
    # The name holds the id, which opens the session: it is for the caller, not for the log.
    return Outcome(
        write, OutcomeState.SENT, _row(item, Frame(reply.what)), http_status=reply.status
    )


def _completed(item: Item, line: Line) -> Item:
    try:
        reply = line.send(calls.get_session(item["sessionId"]))
        return item if reply.missing else _session(reply)
    except SessionsError:
        return item


def _wanted(scan: Scan) -> list[str]:
    """Ids that are asked for; an empty one and names of another form belong to no session."""
    names = scan.given("name")
    if names is None:
        found = [str(one) for one in scan.given("session_id") or ()]
    else:
        found = [ids[0] for name in names if (ids := ids_of(name, "sessions")) is not None]
    return [one for one in dict.fromkeys(found) if one not in {"", ".", ".."}]


def _session(reply: Reply) -> Item:
    found = reply.object().get("session")
    if not isinstance(found, dict):
        raise Frame(reply.what).wrong("session", "an object")
    return found
