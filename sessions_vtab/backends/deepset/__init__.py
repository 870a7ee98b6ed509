"""deepset Cloud: upload sessions, their files, and the files of a workspace.

Here is what is declared of it, and its functions; ``reading`` merges the two lists of upload
sessions and makes conditions of queries, ``uploads`` opens sessions and posts files to presigned
targets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pydantic import field_validator

from sessions_vtab import rest
from sessions_vtab.backends.deepset import reading, uploads
from sessions_vtab.contract.functions import FUNCTIONS
from sessions_vtab.contract.tables import (
    FILES,
    SCOPE_COLUMNS,
    SESSION_COLUMNS,
    UPLOAD_SESSION_COLUMNS,
    UPLOAD_SESSION_FILES,
    UPLOAD_SESSIONS,
)

_BASE_URL: Final = "https://api.cloud.deepset.ai"
# deepset-cloud-sdk's URL includes the version, haystack-enterprise-sdk's does not.
_VERSION: Final = re.compile(r"/+(?:api/+)?v1/*$")

_AT: Final = "/api/v1/workspaces/{workspace}"
_ONE: Final = f"{_AT}/upload_sessions/{{session_id}}"

# "There's no session with the ID '..' in the workspace .." (contract, section 2). The text for a
# missing workspace differs, and is an error.
_NO_SESSION: Final = (
    rest.ResponseMatcher(404, r"(?i)\bno (?:upload )?session\b|\bsession\b.*\bnot (?:found|exist)"),
)
_CLOSING: Final = rest.Update(
    f"PUT {_ONE}",
    body=lambda *_: {"status": "CLOSED"},
    done=(rest.ResponseMatcher(409),),
    columns=("status",),
)
_OPENING: Final = ("write_mode", "parallel_processing_enabled", "expires_in_seconds")
"""Columns that opening a session sends where they are given; the service has defaults."""

_WORKSPACE: Final = SCOPE_COLUMNS["workspace"]
_PAGE_SIZE: Final = UPLOAD_SESSION_COLUMNS["page_size"]
_IDS: Final = {
    "session_id": rest.ValueForm(
        r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        "upload session id; ids are UUIDs such as 6f1c9d2e-0b1a-4c55-9d3e-2a7f8b9c0d1e",
    )
}


def _counter(name: str) -> rest.Getter[rest.RestFrame]:
    read = rest.number_of(name, int)

    def get(item: rest.Item, frame: rest.RestFrame) -> rest.Value:
        counters = item.get("ingestion_status") or {}
        if not isinstance(counters, dict):
            raise frame.wrong("ingestion_status", "an object")
        return read(counters, frame)

    return get


def _is_expired(item: rest.Item, frame: rest.RestFrame) -> rest.Value:
    """By the list it is in; its own GET does not say."""
    listed = frame.places.get("is_expired")
    return None if listed is None else int(listed == "true" or item.get("status") == "EXPIRED")


class DeepsetOptions(rest.RestOptions):
    """Settings of a source.

    Attributes:
        workspace: the workspace, if the URL does not name it.
    """

    base_url: str = _BASE_URL
    workspace: str | None = None

    @field_validator("base_url")
    @classmethod
    def _without_version(cls, base_url: str) -> str:
        return _VERSION.sub("", base_url)


class DeepsetBackend(rest.RestBackend):
    """Upload sessions and files of the workspaces of one account."""

    name = "deepset"
    title = "deepset workspace"
    urls = ("deepset://WORKSPACE",)
    location = ("workspace",)
    options = DeepsetOptions
    settings: DeepsetOptions
    hosts = (r"api\.(?:cloud|us)\.deepset\.ai",)
    key_variables = ("DEEPSET_API_KEY", "API_KEY")
    readers = {
        "upload_sessions": reading.UploadSessionReader,
        "upload_session_files": reading.UploadSessionFileReader,
        "files": reading.FileReader,
    }
    writers = {"upload_sessions": uploads.UploadSessionWriter}
    statuses = {
        402: "Upload sessions are not included in deepset Cloud's free plan. Use a workspace of an"
        " organisation on another plan.",
        403: "The API key is missing or invalid, or it has no access to this workspace. Check the"
        " key and the workspace.",
        404: "Check the id, the workspace and base_url. SELECT session_id FROM upload_sessions"
        " lists the existing sessions.",
        406: "A user can have at most 10 open upload sessions. List them with SELECT session_id"
        " FROM upload_sessions WHERE status = 'OPEN', then close one with UPDATE"
        " upload_sessions SET status = 'CLOSED' WHERE session_id = '..' or"
        " close_upload_session('..').",
        409: "The upload session is already closed or has expired. Open another one with INSERT"
        " INTO upload_sessions.",
        422: "The service rejected a value in the request. Nothing was changed.",
    }
    functions_declared = (
        rest.RestFunction(
            FUNCTIONS["close_upload_session"], _CLOSING, {"status": lambda *_: "CLOSED"}
        ),
    )

    def __init__(self, source: rest.Source) -> None:
        self.targets: dict[str, uploads.UploadTarget] = {}
        super().__init__(source)

    def located(self) -> dict[str, str]:
        """A workspace's name may be any text."""
        workspace = self.source.location or self.settings.workspace
        if not workspace:
            raise rest.ConfigurationError(
                f"Source {self.source.name}: no workspace is given. Write the URL as"
                " deepset://WORKSPACE."
            )
        return self.addressable({"workspace": workspace})

    def declare(self) -> Sequence[rest.RestTable]:
        status = rest.Filter("ingestion_status", rest.EQUALITY)
        return (
            rest.RestTable(
                UPLOAD_SESSIONS.extended(
                    _WORKSPACE,
                    hidden=(_PAGE_SIZE, *(UPLOAD_SESSION_COLUMNS[one] for one in _OPENING[1:])),
                ),
                uploads.SESSION,
                {
                    **{one: one for one in ("session_id", "status", "write_mode")},
                    "create_time": "created_at",
                    "expire_time": "expires_at",
                    "is_expired": _is_expired,
                    "failed_files": _counter("failed_files"),
                    "finished_files": _counter("finished_files"),
                    "created_by": rest.json_of("created_by"),
                    "documentation_url": "documentation_url",
                    "upload_url": self._of_target(lambda target: target.url),
                    "upload_fields": self._of_target(lambda target: rest.dump_json(target.fields)),
                },
                get=rest.Get(f"GET {_ONE}", missing=_NO_SESSION),
                list=rest.List(
                    f"GET {_AT}/upload_sessions",
                    # The SDK omits "false". If it is sent, the lists certainly share no row.
                    query={"page_number": "1", "is_expired": "{is_expired}"},
                    each={"is_expired": ("false", "true")},
                    items="data",
                    pages=reading.UploadSessionPages(),
                    whole=False,
                    takes=(rest.Filter("status", rest.EQUALITY),),
                ),
                insert=rest.Insert(
                    f"POST {_AT}/upload_sessions",
                    body={one: one for one in _OPENING},
                ),
                update=_CLOSING,
                hints={
                    "delete": "The API cannot delete upload sessions. UPDATE upload_sessions SET"
                    " status = 'CLOSED' ends one and ingests its files; an upload session left open"
                    " ends by itself after 24 hours.",
                    "update": "The only possible change is to set status to 'CLOSED'.",
                },
                rows=1_000,
                forms=_IDS,
            ),
            rest.RestTable(
                UPLOAD_SESSION_FILES.extended(hidden=(_WORKSPACE, _PAGE_SIZE)),
                f"{uploads.SESSION}/files/{{file_name}}",
                # The contract, section 2, confirms only these two fields.
                {"file_name": "name", "ingestion_status": "ingestion_status"},
                parent="upload_sessions",
                under={"session_name": uploads.SESSION},
                list=rest.List(
                    f"GET {_ONE}/files",
                    query={"page_number": "1"},
                    items="data",
                    pages=reading.UploadSessionPages(),
                    missing=_NO_SESSION,
                    takes=(status,),
                ),
                hints={
                    "insert": "Files are uploaded with upload_file(session, file_name, content).",
                    "update": "An uploaded file cannot be changed; upload another one.",
                    "delete": "The API cannot remove files from an upload session.",
                },
                forms=_IDS,
            ),
            rest.RestTable(
                FILES.extended(_WORKSPACE, hidden=(_PAGE_SIZE, SESSION_COLUMNS["filter"])),
                "workspaces/{workspace}/files/{file_id}",
                {
                    **{one: one for one in ("file_id", "size", "url")},
                    "file_name": "name",
                    "create_time": "created_at",
                    "meta": rest.json_of("meta"),
                },
                list=rest.List(
                    f"GET {_AT}/files",
                    items="data",
                    pages=reading.FilePages(),
                    takes=(
                        rest.Filter(
                            "file_name", frozenset((rest.Op.EQ, rest.Op.LIKE, rest.Op.GLOB))
                        ),
                        rest.Filter("meta", frozenset((rest.Op.EQ,)), keyed=True),
                    ),
                ),
                hints={
                    "insert": "Add files through an upload session: INSERT INTO upload_sessions,"
                    " upload_file(..), close_upload_session(..).",
                    "update": "This table is read-only. To replace a file, upload it again with"
                    " write_mode OVERWRITE.",
                    "delete": "This table is read-only.",
                },
            ),
        )

    def _of_target(
        self, read: Callable[[uploads.UploadTarget], rest.Value]
    ) -> rest.Getter[rest.RestFrame]:
        """A column that only the upload target of a session tells, if this connection has it."""

        def get(item: rest.Item, frame: rest.RestFrame) -> rest.Value:
            places = {**frame.places, "session_id": str(item.get("session_id"))}
            target = self.targets.get(rest.name_of(uploads.SESSION, places))
            return None if target is None else read(target)

        return get

    def in_turn(self, writes: Sequence[rest.Write]) -> bool:
        """At most ten sessions can be open. Closing one makes room, so the order matters."""
        return len({write.action for write in writes}) > 1

    # Functions

    def resolve(self, session: rest.Value) -> dict[str, str]:
        found = super().resolve(session)
        return {**found, "session_id": found["session_id"].lower()}

    def own_functions(self) -> Sequence[tuple[rest.Function, rest.Routine]]:
        return [(FUNCTIONS["upload_file"], self._upload_file)]

    def _upload_file(self, arguments: rest.Arguments, context: rest.Context) -> Iterator[rest.Row]:
        where = f"{self.source.name}.upload_file"
        session = rest.name_of(uploads.SESSION, self.resolve(arguments["session"]))
        target = uploads.target_for(session, arguments, self.targets, where)
        posts = uploads.upload_calls(target, arguments, where)
        rest.run_job(self.client, context, lambda sender: uploads.post_all(posts, session, sender))
        content = posts[-1].form.content if posts[-1].form else b""
        yield session, uploads.stored_name(str(arguments["file_name"])), len(content), None
