"""The backend ``deepset``: upload sessions of deepset Cloud."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

from sessions_vtab.backends.deepset import calls
from sessions_vtab.backends.deepset.files import Files, UploadSessionFiles
from sessions_vtab.backends.deepset.names import Scope
from sessions_vtab.backends.deepset.sessions import UploadSessions
from sessions_vtab.backends.deepset.settings import URLS, Settings, site_of
from sessions_vtab.backends.deepset.uploads import (
    post_all,
    stored_name,
    target_for,
    upload_calls,
)
from sessions_vtab.backends.deepset.wire import Target
from sessions_vtab.backends.deepset.writing import Writer
from sessions_vtab.contract.backend import Arguments, Backend, Context, Resource, Routine
from sessions_vtab.contract.scan import Row
from sessions_vtab.contract.source import Source
from sessions_vtab.contract.write import Outcome, Request, Write
from sessions_vtab.fetch import Client, Lease, lease, run_job

__all__ = ["DeepsetBackend"]


class DeepsetBackend(Backend):
    """Upload sessions and files of the workspaces of one account.

    Args:
        settings: settings of the source.
        client: sends the requests; ``close`` returns it.
    """

    name: ClassVar[str] = "deepset"
    urls: ClassVar[tuple[str, ...]] = URLS

    def __init__(self, settings: Settings, client: Client) -> None:
        self._settings = settings
        self._lease = Lease(client)
        self._scope = Scope(settings)
        # Only the response that opens a session contains its upload target, so they are kept here.
        self._targets: dict[str, Target] = {}
        self._writer = Writer(client, self._scope, self._targets)
        self.resources: Mapping[str, Resource] = {
            "upload_sessions": UploadSessions(settings, client, self._targets),
            "upload_session_files": UploadSessionFiles(settings, client),
            "files": Files(settings, client),
        }
        self.routines: Mapping[str, Routine] = {
            "close_upload_session": self._close_upload_session,
            "upload_file": self._upload_file,
        }

    @classmethod
    def open(cls, source: Source) -> Self:
        """See ``Backend.open``."""
        settings = Settings(source)
        return cls(settings, lease(site_of(settings)))

    def describe(self) -> str:
        """See ``Backend.describe``."""
        site = self._lease.site
        credential = site.credential_for(site.origin).describe()
        return f"deepset workspace {self._settings.workspace} at {site.base_url} with {credential}"

    def preview(self, write: Write) -> Sequence[Request]:
        """See ``Backend.preview``."""
        return (self._lease.client.preview(self._writer.call_for(write)),)

    def send(self, writes: Sequence[Write], context: Context) -> Iterable[Outcome]:
        """See ``Backend.send``."""
        return self._writer.send(writes, context)

    def close(self) -> None:
        """See ``Backend.close``."""
        self._lease.close()

    def _close_upload_session(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        session = self._scope.resolve(arguments["session"])
        call = calls.close_session(session)
        run_job(self._lease.client, context, lambda line: line.send(call))
        # The API returns an empty response.
        yield session.name, session.session_id, "CLOSED", None

    def _upload_file(self, arguments: Arguments, context: Context) -> Iterator[Row]:
        where = f"{self._settings.source.name}.upload_file"
        session = self._scope.resolve(arguments["session"])
        target = target_for(session, arguments, self._targets, where)
        posts = upload_calls(target, arguments, where)
        run_job(self._lease.client, context, lambda line: post_all(posts, session, line))
        content = posts[-1].form.content if posts[-1].form else b""
        yield session.name, stored_name(str(arguments["file_name"])), len(content), None
