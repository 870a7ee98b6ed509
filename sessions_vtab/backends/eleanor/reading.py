"""Reading ``sessions`` and ``participants``: one by one, or by the list of a namespace."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

from sessions_vtab.backends.eleanor.calls import Calls
from sessions_vtab.backends.eleanor.names import SessionRef, parse_participant, parse_session
from sessions_vtab.backends.eleanor.settings import Settings
from sessions_vtab.backends.eleanor.tables import (
    PARTICIPANTS_TABLE,
    SESSIONS_TABLE,
    participants_capability,
    sessions_capability,
)
from sessions_vtab.backends.eleanor.wire import Found, Wire, row_of
from sessions_vtab.errors import SessionsError
from sessions_vtab.fetch import Call, Client, Reader, Reply
from sessions_vtab.fetch.rows import RowMaker
from sessions_vtab.spec.backend import Context, Resource
from sessions_vtab.spec.predicate import Compare, Member, Op, Predicate, fields
from sessions_vtab.spec.scan import Page, Scan
from sessions_vtab.spec.values import accept
from sessions_vtab.spec.write import Request

__all__ = ["Finder", "Participants", "Sessions"]

_GETS_A_LIST = 4
"""A list costs as much as this many GETs, because GETs run in parallel."""

_NO_SEGMENT = frozenset(("", ".", ".."))
"""Session names that cannot be a path segment; such sessions are found through a list."""


class Finder:
    """Finds sessions.

    Args:
        settings: of the source.
        client: sends.
        calls: makes the calls.
        wire: reads the answers.
    """

    def __init__(self, settings: Settings, client: Client, calls: Calls, wire: Wire) -> None:
        self._settings = settings
        self._client = client
        self._calls = calls
        self._wire = wire
        self._known: set[str] = set()

    def reader(self, context: Context) -> Reader:
        """For one scan."""
        return Reader(self._client, context)

    def wanted(self, scan: Scan) -> list[SessionRef] | None:
        """The sessions that the path's keys name; None if it reads lists."""
        if scan.path.name == "list":
            return None
        names = scan.given("session_name") or scan.given("name")
        if names is None:
            return [
                SessionRef(namespace, str(value))
                for namespace in self._settings.namespaces(scan.given)
                for value in scan.given("session_id") or ()
            ]
        refs = [_session_of(name) for name in names]
        return [ref for ref in dict.fromkeys(refs) if ref and self._settings.allowed(ref.namespace)]

    def find(
        self, scan: Scan, reader: Reader, *, deleted: bool = False
    ) -> Generator[list[Found], None, None]:
        """The sessions of a scan as they arrive.

        Args:
            scan: what is asked.
            reader: of the statement.
            deleted: deleted ones, too.
        """
        refs = self.wanted(scan)
        if refs is None:
            namespaces = self._settings.namespaces(scan.given)
            pages = self._listed(namespaces, reader, deleted=deleted)
        elif self._by_list(refs, deleted=deleted):
            pages = self._picked(refs, reader, deleted=deleted)
        else:
            pages = self._got(refs, reader)
        with closing(pages):
            for page in pages:
                yield [one for one in page if deleted or not self._wire.is_deleted(one)]

    def first_calls(self, scan: Scan, *, deleted: bool = False) -> list[Call]:
        """The calls a scan begins with; none where it will raise."""
        try:
            return self.opening(scan, deleted=deleted)
        except SessionsError:
            return []

    def preview(self, scan: Scan, *, deleted: bool = False) -> list[Request] | None:
        """What a scan begins with; None where a join will give its key."""
        if any(scan.given(key) is None for key in scan.path.keys):
            return None
        return [self._client.preview(call) for call in self.opening(scan, deleted=deleted)]

    def opening(self, scan: Scan, *, deleted: bool = False) -> list[Call]:
        """The calls a scan begins with."""
        refs = self.wanted(scan)
        if refs and not self._by_list(refs, deleted=deleted):
            return [self._calls.get_session(ref) for ref in refs]
        namespaces = (
            self._settings.namespaces(scan.given)
            if refs is None
            else dict.fromkeys(ref.namespace for ref in refs)
        )
        return [self._list(one, deleted=deleted) for one in namespaces]

    def _list(self, namespace: str, *, deleted: bool) -> Call:
        return self._calls.list_sessions(namespace, include_deleted=deleted)

    def _by_list(self, refs: Sequence[SessionRef], *, deleted: bool) -> bool:
        """Whether to read lists: for many keys, unaddressable names, or deleted sessions."""
        namespaces = {ref.namespace for ref in refs}
        unnamed = any(ref.session in _NO_SEGMENT for ref in refs)
        return deleted or unnamed or len(refs) >= _GETS_A_LIST * max(1, len(namespaces))

    def _listed(
        self, namespaces: Iterable[str], reader: Reader, *, deleted: bool
    ) -> Generator[list[Found], None, None]:
        calls = {self._list(name, deleted=deleted).path: name for name in namespaces}
        lists = (self._list(name, deleted=deleted) for name in calls.values())
        with closing(reader.gather(lists)) as replies:
            for reply in replies:
                namespace = calls[reply.call.path]
                self._known.add(namespace)
                yield self._wire.sessions(reply, namespace)

    def _picked(
        self, refs: Sequence[SessionRef], reader: Reader, *, deleted: bool
    ) -> Generator[list[Found], None, None]:
        wanted = set(refs)
        namespaces = dict.fromkeys(ref.namespace for ref in refs)
        with closing(self._listed(namespaces, reader, deleted=deleted)) as pages:
            for page in pages:
                yield [one for one in page if self._wire.ref_of(one) in wanted]

    def _got(
        self, refs: Sequence[SessionRef], reader: Reader
    ) -> Generator[list[Found], None, None]:
        by_path = {(call := self._calls.get_session(ref)).path: (ref, call) for ref in refs}
        with closing(reader.gather(call for _, call in by_path.values())) as replies:
            for reply in replies:
                ref, _ = by_path[reply.call.path]
                if reply.missing:
                    self._require(ref.namespace, reply, reader)
                else:
                    self._known.add(ref.namespace)
                    yield [self._wire.session(reply, ref.namespace)]

    def _require(self, namespace: str, reply: Reply, reader: Reader) -> None:
        """After a 404, raises if the namespace does not exist; a missing session looks the same."""
        if reply.status == 404 and namespace not in self._known:  # noqa: PLR2004
            reader.get(self._list(namespace, deleted=False))
        self._known.add(namespace)


class Sessions(Resource):
    """The table ``sessions``."""

    table = SESSIONS_TABLE

    def __init__(self, settings: Settings, finder: Finder, wire: Wire) -> None:
        self._where = f"{settings.source.name}.sessions"
        self._finder = finder
        self._wire = wire
        self.capability = sessions_capability(namespace=settings.namespace is not None)

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        deleted = self._shows_deleted(scan)
        return self._pages(scan, self._finder.reader(context), deleted=deleted)

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        known = self._finder.preview(scan, deleted=self._shows_deleted(scan))
        return super().preview(scan) if known is None else known

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
        """See ``Resource.prefetch``."""
        self._finder.reader(context).prefetch(
            call
            for scan in scans
            for call in self._finder.first_calls(scan, deleted=self._shows_deleted(scan))
        )

    def _pages(self, scan: Scan, reader: Reader, *, deleted: bool) -> Generator[Page, None, None]:
        make = RowMaker(self.table, self._wire.columns, scan.columns)
        with closing(self._finder.find(scan, reader, deleted=deleted)) as pages:
            for page in pages:
                yield [make(one.item, one.frame) for one in page]

    def _shows_deleted(self, scan: Scan) -> bool:
        """Whether ``include_deleted`` or a condition on ``deleted`` asks for deleted rows."""
        asked = scan.parameters.get("include_deleted")
        column = self.table.column("include_deleted")
        if asked is not None and accept(column, asked, f"{self._where}.include_deleted") == 1:
            return True
        return any(_admits_deleted(term) for term in scan.where.terms)


class Participants(Resource):
    """The table ``participants``: from the sessions' own lists."""

    table = PARTICIPANTS_TABLE

    def __init__(self, settings: Settings, finder: Finder, wire: Wire) -> None:
        self._finder = finder
        self._wire = wire
        self.capability = participants_capability(namespace=settings.namespace is not None)

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        return self._pages(scan, self._finder.reader(context))

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        known = self._finder.preview(scan)
        return super().preview(scan) if known is None else known

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
        """See ``Resource.prefetch``."""
        self._finder.reader(context).prefetch(
            call for scan in scans for call in self._finder.first_calls(scan)
        )

    def _pages(self, scan: Scan, reader: Reader) -> Generator[Page, None, None]:
        with closing(self._finder.find(scan, reader)) as pages:
            for page in pages:
                yield [
                    row_of(self.table, values)
                    for one in page
                    for values in self._wire.participants(one)
                ]


def _session_of(name: object) -> SessionRef | None:
    """The session of a name: a session's own, or that of one of its participants."""
    participant = parse_participant(name)
    return participant.session if participant else parse_session(name)


def _admits_deleted(term: Predicate) -> bool:
    """Whether a condition on ``deleted`` can be true of deleted rows."""
    if all(field.column != "deleted" for field in fields(term)):
        return False
    match term:
        case Compare(_, Op.EQ, operand):
            return operand == 1
        case Member(_, operands, False):
            return 1 in operands
        case _:
            return True
