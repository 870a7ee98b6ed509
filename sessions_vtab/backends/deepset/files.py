"""Reading ``upload_session_files`` and ``files``."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from urllib.parse import quote

from sessions_vtab.backends.deepset import calls
from sessions_vtab.backends.deepset.calls import FilePages, SessionPages, total_of
from sessions_vtab.backends.deepset.conditions import filter_text, first_size, name_part
from sessions_vtab.backends.deepset.names import Scope, SessionRef, session_of_file
from sessions_vtab.backends.deepset.settings import Settings
from sessions_vtab.backends.deepset.tables import (
    FILES_CAPABILITY,
    FILES_TABLE,
    PAGE_CAP,
    SESSION_FILES_CAPABILITY,
    SESSION_FILES_TABLE,
)
from sessions_vtab.backends.deepset.wire import (
    File,
    SessionFile,
    file_fields,
    id_in,
    session_file_fields,
)
from sessions_vtab.contract.backend import Context, Resource
from sessions_vtab.contract.scan import Counted, Page, Scan
from sessions_vtab.contract.write import Request
from sessions_vtab.errors import InvalidValueError, SessionsError
from sessions_vtab.fetch import Call, Client, Reader, Reply
from sessions_vtab.fetch.rows import Frame, RowMaker

__all__ = ["Files", "UploadSessionFiles"]

_STATUSES = frozenset(("PENDING", "FAILED", "FINISHED"))
_PLACE = "{id}"
"""Placeholder for a session id that is not yet known."""


class UploadSessionFiles(Resource):
    """The table ``upload_session_files``."""

    table = SESSION_FILES_TABLE
    capability = SESSION_FILES_CAPABILITY

    def __init__(self, settings: Settings, client: Client) -> None:
        self._client = client
        self._scope = Scope(settings)
        self._where = f"{settings.source.name}.upload_session_files"

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        make = RowMaker(self.table, session_file_fields, scan.columns)
        reader = Reader(self._client, context)
        seen: set[tuple[SessionRef, object]] = set()
        with (
            closing(self._wanted(scan, reader)) as wanted,
            closing(self._replies(wanted, scan, reader)) as replies,
        ):
            for session, reply in replies:
                rows = []
                for item in reply.items():
                    key = (session, item.get("name"))
                    if key not in seen:
                        seen.add(key)
                        rows.append(make(item, SessionFile(reply.what, session)))
                yield rows

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``; a fan-out shows the lists of sessions and one list of files."""
        if any(scan.given(key) is None for key in scan.path.keys):
            return super().preview(scan)  # A join supplies the value.
        if scan.path.keys:
            return [self._client.preview(call) for call in self._first_calls(scan)]
        return [self._client.preview(call) for call, _ in self._lists(scan)] + [
            replace(one, url=one.url.replace(quote(_PLACE), _PLACE))
            for workspace in self._workspaces(scan)
            for call in self._calls(SessionRef(workspace, _PLACE), scan)
            for one in (self._client.preview(call),)
        ]

    def prefetch(self, scans: Sequence[Scan], context: Context) -> None:
        """See ``Resource.prefetch``."""
        Reader(self._client, context).prefetch(
            call for scan in scans if scan.path.keys for call in self._known_calls(scan)
        )

    def _known_calls(self, scan: Scan) -> Iterator[Call]:
        try:
            yield from self._first_calls(scan)
        except SessionsError:
            return  # The scan itself reports the error.

    def _first_calls(self, scan: Scan) -> Iterator[Call]:
        return (call for session in self._sessions(scan) for call in self._calls(session, scan))

    def _replies(
        self, wanted: Iterator[SessionRef], scan: Scan, reader: Reader
    ) -> Generator[tuple[SessionRef, Reply], None, None]:
        """Reads the file lists of the sessions concurrently."""
        sessions: dict[str, SessionRef] = {}
        whole, rows = replace(scan, limit=None), 0

        def lists() -> Iterator[Call]:
            for session in wanted:
                # Once more rows are read than LIMIT suggested, small pages only cost requests.
                small = scan.limit is not None and rows < scan.limit
                for call in self._calls(session, scan if small else whole):
                    sessions[call.path] = session
                    yield call

        pages = SessionPages(grows="page_size" not in scan.parameters)
        with closing(reader.fan_out(lists(), pages, limit=scan.limit)) as replies:
            for reply in replies:
                rows += len(reply.items())
                yield sessions[reply.call.path], reply

    def _calls(self, session: SessionRef, scan: Scan) -> Iterator[Call]:
        """The list of a session, or one list for each requested status."""
        size = first_size(scan.parameters, scan.limit, self._where)
        given = scan.given("ingestion_status")
        # The service may know a status that this package does not; such a status is compared here.
        known = given is not None and set(given) <= _STATUSES
        for status in given if given is not None and known else [""]:
            yield calls.list_session_files(session, size, str(status))

    def _sessions(self, scan: Scan) -> list[SessionRef]:
        """Returns the sessions that the path's key names."""
        ids = scan.given("session_id") if scan.path.name == "list" else None
        if ids is not None:
            return self._scope.sessions(scan.given("workspace"), ids)
        names = scan.given("session_name") or ()
        if scan.path.name == "list by file":
            names = tuple(session_of_file(name) for name in scan.given("name") or ())
        found = (self._scope.named(name) for name in dict.fromkeys(names))
        return [session for session in found if session is not None]

    def _wanted(self, scan: Scan, reader: Reader) -> Generator[SessionRef, None, None]:
        if scan.path.keys:
            yield from self._sessions(scan)
        else:
            yield from self._everywhere(scan, reader)

    def _everywhere(self, scan: Scan, reader: Reader) -> Generator[SessionRef, None, None]:
        """Yields every session once, even if a list changes while it is read."""
        if scan.limit is None:
            reader.prefetch(call for call, _ in self._lists(scan))
        seen: set[SessionRef] = set()
        for call, workspace in self._lists(scan):
            with closing(reader.pages(call, SessionPages())) as replies:
                for reply in replies:
                    frame = Frame(reply.what)
                    for item in reply.items():
                        session = SessionRef(workspace, id_in(item, "session_id", frame))
                        if session not in seen:
                            seen.add(session)
                            yield session

    def _lists(self, scan: Scan) -> Iterator[tuple[Call, str]]:
        """Returns the lists of sessions with their workspaces."""
        for workspace in self._workspaces(scan):
            for expired in (False, True):
                yield calls.list_sessions(workspace, PAGE_CAP, expired=expired), workspace

    def _workspaces(self, scan: Scan) -> list[str]:
        return self._scope.workspaces(scan.given("workspace"))


class Files(Resource):
    """The table ``files``."""

    table = FILES_TABLE
    capability = FILES_CAPABILITY

    def __init__(self, settings: Settings, client: Client) -> None:
        self._client = client
        self._scope = Scope(settings)
        self._where = f"{settings.source.name}.files"

    def scan(self, scan: Scan, context: Context) -> Iterator[Page]:
        """See ``Resource.scan``."""
        reader = Reader(self._client, context)
        make = RowMaker(self.table, file_fields, scan.columns)
        size = first_size(scan.parameters, scan.limit, self._where)
        pages = FilePages(size if "page_size" in scan.parameters else PAGE_CAP)
        workspaces = {call.path: (workspace, call) for workspace, call in self._lists(scan, size)}
        if self._counts(scan) and len(workspaces) == 1:
            ((workspace, call),) = workspaces.values()
            yield from self._counted(workspace, call, make, reader)
            return
        requests = (call for _, call in workspaces.values())
        with closing(reader.fan_out(requests, pages, limit=scan.limit)) as replies:
            for reply in replies:
                workspace, _ = workspaces[reply.call.path]
                yield make.page(reply.items(), File(reply.what, workspace))

    def preview(self, scan: Scan) -> Sequence[Request]:
        """See ``Resource.preview``."""
        size = first_size(scan.parameters, scan.limit, self._where)
        return [self._client.preview(call) for _, call in self._lists(scan, size)]

    def _lists(self, scan: Scan, size: int) -> Iterator[tuple[str, Call]]:
        """Returns the file list of each workspace."""
        part, text = name_part(scan.where.terms), self._filter(scan)
        for workspace in self._scope.workspaces(scan.given("workspace")):
            yield workspace, calls.list_files(workspace, size, part, text)

    def _counts(self, scan: Scan) -> bool:
        only = scan.columns <= {"workspace", self.table.key}
        return only and not scan.parameters and scan.limit is None

    def _counted(
        self, workspace: str, call: Call, make: RowMaker[File], reader: Reader
    ) -> Iterator[Page]:
        """Yields the first page with the number of further files, then those files."""
        first = reader.get(call)
        rows = make.page(first.items(), File(first.what, workspace))
        known = tuple(workspace if name == "workspace" else None for name in self.table.names)
        behind = [(known, max(0, total_of(first) - len(rows)))]
        following = FilePages().following(first)
        yield Counted(rows, behind, frozenset((self.table.positions["workspace"],)))
        if following is not None:
            with closing(reader.pages(following, FilePages())) as replies:
                for reply in replies:
                    yield make.page(reply.items(), File(reply.what, workspace))

    def _filter(self, scan: Scan) -> str:
        """The user's own filter and the composed one."""
        own = scan.parameters.get("filter")
        if own is not None and not isinstance(own, str):
            raise InvalidValueError(f"{self._where}.filter must be an OData filter string.")
        return " and ".join(filter(None, (own, filter_text(scan.where.terms))))
