"""Reading ``upload_sessions``: by id, or by the lists of active and expired ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sessions_vtab.backends.deepset import calls
from sessions_vtab.backends.deepset.calls import SessionPages, total_of
from sessions_vtab.backends.deepset.conditions import first_size
from sessions_vtab.backends.deepset.names import Scope, SessionRef
from sessions_vtab.backends.deepset.settings import Settings
from sessions_vtab.backends.deepset.tables import PAGE_CAP, SESSIONS_CAPABILITY, SESSIONS_TABLE
from sessions_vtab.backends.deepset.wire import (
    DETAILED,
    LISTED,
    Session,
    Target,
    id_in,
    session_fields,
)
from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.predicate import Value
from sessions_vtab.contract.scan import Counted, Page, Row, Scan
from sessions_vtab.contract.write import Request
from sessions_vtab.errors import SessionsError
from sessions_vtab.fetch import Call, Client, Item, Reader, Reply
from sessions_vtab.fetch.rows import Frame, RowMaker

__all__ = ["UploadSessions"]

_COUNTED = frozenset(("workspace", "is_expired"))
"""Columns that have the same value in every row of a list, so that they need not be read."""


@dataclass(frozen=True, slots=True)
class _List:
    """One list that a scan reads; the two lists of a workspace have no row in common."""

    workspace: str
    expired: bool


_Sessions: TypeAlias = list[tuple[Item, Session]]
"""Pairs of a list row ({} if the session was read by a GET) and its decode context."""


class UploadSessions(Resource):
    """The table ``upload_sessions``.

    Args:
        settings: settings of the source.
        client: sends the requests.
        targets: upload targets of the sessions that this connection opened, by session name.
    """

    table = SESSIONS_TABLE
    capability = SESSIONS_CAPABILITY

    def __init__(self, settings: Settings, client: Client, targets: Mapping[str, Target]) -> None:
        self._client = client
        self._scope = Scope(settings)
        self._targets = targets
        self._where = f"{settings.source.name}.upload_sessions"

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        reader = Reader(self._client, context)
        make = RowMaker(self.table, session_fields, scan.columns)
        if scan.path.name != "list":
            return self._pages(self._found(self._wanted(scan), scan, reader), scan, make, reader)
        lists = self._lists(scan)
        if self._counts(scan):
            return self._counted(lists, make, reader)
        return self._pages(self._listed(lists, scan, reader), scan, make, reader)

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        if any(scan.given(key) is None for key in scan.path.keys):
            return super().preview(scan)  # A join supplies the value.
        return [self._client.preview(call) for call in self._opening(scan)]

    def _opening(self, scan: Scan) -> Iterator[Call]:
        """Returns the first requests of a scan."""
        if scan.path.name == "list":
            size = first_size(scan.parameters, scan.limit, self._where)
            yield from (_call(one, size) for one in self._lists(scan))
        elif scan.columns & LISTED:
            for workspace in dict.fromkeys(ref.workspace for ref in self._wanted(scan)):
                yield calls.list_sessions(workspace, PAGE_CAP, expired=False)
        else:
            yield from map(calls.get_session, self._wanted(scan))

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
        """See ``Resource.prefetch``."""
        Reader(self._client, context).prefetch(
            call for scan in scans for call in self._first_calls(scan)
        )

    def _first_calls(self, scan: Scan) -> Iterator[Call]:
        try:
            if scan.path.name != "list" and (not scan.columns & LISTED or scan.columns & DETAILED):
                yield from map(calls.get_session, self._wanted(scan))
        except SessionsError:
            return  # The scan itself reports the error.

    # One by one

    def _wanted(self, scan: Scan) -> list[SessionRef]:
        names = scan.given("name")
        if names is not None:
            return [ref for name in names if (ref := self._scope.named(name)) is not None]
        return self._scope.sessions(scan.given("workspace"), scan.given("session_id") or ())

    def _found(self, wanted: list[SessionRef], scan: Scan, reader: Reader) -> Iterator[_Sessions]:
        """Reads sessions by id, from the lists if a used column is only there.

        The rows have the order of the ids either way.
        """
        if not scan.columns & LISTED:
            yield from self._got(list(dict.fromkeys(wanted)), reader)
            return
        missing = dict.fromkeys(wanted)
        ranks = {ref: rank for rank, ref in enumerate(missing)}
        found: _Sessions = []
        for workspace in dict.fromkeys(ref.workspace for ref in wanted):
            found += (one for page in self._picked(workspace, missing, reader) for one in page)
        # Sessions in no list are requested too, because only the service knows whether they exist.
        if missing:
            found += (one for page in self._got(list(missing), reader) for one in page)
        yield sorted(found, key=lambda one: ranks[one[1].ref])

    def _picked(
        self, workspace: str, missing: dict[SessionRef, None], reader: Reader
    ) -> Iterator[_Sessions]:
        """Reads lists, the active one first, until all wanted sessions of a workspace are found."""
        for one in (_List(workspace, expired=False), _List(workspace, expired=True)):
            if all(ref.workspace != workspace for ref in missing):
                return
            call = calls.list_sessions(workspace, PAGE_CAP, expired=one.expired)
            with closing(reader.pages(call, SessionPages())) as replies:
                for reply in replies:
                    picked = [pair for pair in _rows(reply, one) if pair[1].ref in missing]
                    for _, session in picked:
                        del missing[session.ref]
                    yield picked
                    if all(ref.workspace != workspace for ref in missing):
                        break

    def _got(self, wanted: Sequence[SessionRef], reader: Reader) -> Iterator[_Sessions]:
        by_path = {(call := calls.get_session(ref)).path: (ref, call) for ref in wanted}
        with closing(reader.gather(call for _, call in by_path.values())) as replies:
            for reply in replies:
                if not reply.missing:
                    ref, _ = by_path[reply.call.path]
                    yield [({}, Session(reply.what, ref, _detail(reply)))]

    # Lists

    def _lists(self, scan: Scan) -> list[_List]:
        """Returns the lists that can contain matching rows."""
        kinds = {False, True}
        expired = scan.given("is_expired")
        if expired is not None:
            kinds &= {bool(value) for value in expired if value in (0, 1)}
        statuses = scan.given("status")
        if statuses is not None and set(statuses) <= {"OPEN", "CLOSED", "EXPIRED"}:
            kinds &= {status == "EXPIRED" for status in statuses}
        workspaces = self._scope.workspaces(scan.given("workspace"))
        return [_List(workspace, kind) for workspace in workspaces for kind in sorted(kinds)]

    def _listed(self, lists: Sequence[_List], scan: Scan, reader: Reader) -> Iterator[_Sessions]:
        """Yields the rows of the lists, each once, even if a list changes while it is read."""
        size = first_size(scan.parameters, scan.limit, self._where)
        pages = SessionPages(grows="page_size" not in scan.parameters)
        by_key = {_key(call := _call(one, size)): (one, call) for one in lists}
        statuses = scan.given("status")
        seen: set[SessionRef] = set()
        requests = (call for _, call in by_key.values())
        with closing(reader.fan_out(requests, pages, limit=scan.limit)) as replies:
            for reply in replies:
                fresh = _fresh(_rows(reply, by_key[_key(reply.call)][0]), seen)
                # SQLite would discard the other rows, but only after a request for each of them.
                yield [(item, one) for item, one in fresh if _may_have(item, statuses)]

    def _counts(self, scan: Scan) -> bool:
        only = scan.columns <= _COUNTED | {self.table.key}
        return only and not scan.parameters and scan.limit is None

    def _counted(
        self, lists: Sequence[_List], make: RowMaker[Session], reader: Reader
    ) -> Iterator[Page]:
        """Yields the first page of each list with the number of further rows, then those rows."""
        by_key = {_key(call := _call(one, PAGE_CAP)): (one, call) for one in lists}
        with closing(reader.gather(call for _, call in by_key.values())) as gathered:
            replies = [(by_key[_key(reply.call)][0], reply) for reply in gathered]
        seen: set[SessionRef] = set()
        rows: list[Row] = []
        behind: list[tuple[Row, int]] = []
        rest = [(one, SessionPages().following(reply)) for one, reply in replies]
        for one, reply in replies:
            rows += [make(*pair) for pair in _fresh(_rows(reply, one), seen)]
            behind.append((self._known(one), max(0, total_of(reply) - len(reply.items()))))
        yield Counted(rows, behind, frozenset(self.table.positions[name] for name in _COUNTED))
        for one, following in rest:
            if following is not None:
                with closing(reader.pages(following, SessionPages())) as pages:
                    for page in pages:
                        yield [make(*pair) for pair in _fresh(_rows(page, one), seen)]

    def _known(self, one: _List) -> Row:
        values: dict[str, Value] = {"workspace": one.workspace, "is_expired": int(one.expired)}
        return tuple(values.get(name) for name in self.table.names)

    # Rows

    def _pages(
        self,
        found: Iterator[_Sessions],
        scan: Scan,
        make: RowMaker[Session],
        reader: Reader,
    ) -> Iterator[Page]:
        """Returns the rows of sessions, with one more request per row if a column needs it."""
        try:
            for sessions in found:
                known = [
                    (item, replace(one, target=self._targets.get(one.ref.name)))
                    for item, one in sessions
                ]
                if scan.columns & DETAILED:
                    yield from self._detailed(known, make, reader)
                else:
                    yield [make(*pair) for pair in known]
        finally:
            close = getattr(found, "close", None)
            if close is not None:
                close()

    def _detailed(
        self, sessions: _Sessions, make: RowMaker[Session], reader: Reader
    ) -> Iterator[Page]:
        requests = (calls.get_session(session.ref) for _, session in sessions)
        with closing(reader.gather(requests)) as replies:
            for (item, session), reply in zip(sessions, replies, strict=False):
                yield [make(item, replace(session, detail=_detail(reply)))]


def _detail(reply: Reply) -> dict[str, Any]:
    """The counters of a session; an answer that names none is not a session's."""
    body = reply.object()
    if not reply.missing:
        id_in(body, "session_id", Frame(reply.what))
    return body


def _call(one: _List, size: int) -> Call:
    return calls.list_sessions(one.workspace, size, expired=one.expired)


def _key(call: Call) -> tuple[str, object]:
    """Returns a key that identifies the list that a call reads."""
    return call.path, call.parameter("is_expired")


def _rows(reply: Reply, one: _List) -> _Sessions:
    frame = Frame(reply.what)
    return [
        (item, Session(reply.what, SessionRef(one.workspace, session_id), expired=one.expired))
        for item in reply.items()
        if (session_id := id_in(item, "session_id", frame))
    ]


def _fresh(sessions: _Sessions, seen: set[SessionRef]) -> _Sessions:
    fresh = []
    for item, session in sessions:
        if session.ref not in seen:
            seen.add(session.ref)
            fresh.append((item, session))
    return fresh


def _may_have(item: Item, statuses: tuple[Value, ...] | None) -> bool:
    return statuses is None or item.get("status") in statuses
